package search

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/internal/golden"
)

func recorded(t testing.TB, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(golden.Shared(t, "reference/search/"+path))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(path, err)
	}
}

// paperSpace is one of the paper's spaces without conditions, as the authors'
// optimiser sees it.
func paperSpace(t testing.TB, name string) space.Space {
	t.Helper()
	var g map[string]struct {
		Parameters []struct {
			Name, Type   string
			Choices      []any
			Default      any
			Lower, Upper float64
			Log          bool
		}
	}
	recorded(t, "5_spaces/spaces.json", &g)
	var s space.Space
	for _, p := range g[name].Parameters {
		out := space.Parameter{Name: p.Name, Kind: space.Kind(p.Type), Low: p.Lower, High: p.Upper, Log: p.Log, Prior: space.Medium, Default: value(valueOf(t, p.Default))}
		for _, c := range p.Choices {
			out.Choices = append(out.Choices, valueOf(t, c))
		}
		if p.Type == "integer" {
			out.Kind = space.Int
		}
		s.Parameters = append(s.Parameters, out)
	}
	if len(s.Parameters) == 0 {
		t.Fatal("no space", name)
	}
	return s
}

func valueOf(t testing.TB, v any) space.Value {
	t.Helper()
	switch v := v.(type) {
	case float64:
		return space.Number(v)
	case string:
		return space.Text(v)
	}
	t.Fatalf("%v is no value", v)
	return space.Value{}
}

// paperStudy is the paper's: 22,000 epochs, the default first.
func paperStudy(kind plan.OptimizerKind, s space.Space, epochs int) plan.Study {
	f := plan.Fidelity{Min: 10, Max: 1000, Eta: 3}
	o := plan.Optimizer{Kind: kind, Prior: true, Default: true, Eta: f.Eta, Min: f.Min}
	study := plan.Study{Name: "s", Space: s, Optimizer: o, Seed: 7, Folds: []plan.Fold{0}}
	study.Brackets = plan.Schedule(f, o, plan.Budget{Epochs: epochs, Count: plan.CountFull})
	study.Rungs, study.Optimizer.Trials = plan.Gather(f, study.Brackets)
	return study
}

// TestTraces replays two whole searches of Auto-nnU-Net's optimiser: at every
// step the next trial, the weights and both incumbents must be the same.
func TestTraces(t *testing.T) {
	for file, method := range map[string]struct {
		kind  plan.OptimizerKind
		space string
	}{"trace_hpo.json": {plan.RegularizedBand, "hpo"}, "trace_hpo_nas.json": {plan.RegularizedBand, "hpo_nas"}} {
		t.Run(file, func(t *testing.T) { replayTrace(t, file, method.kind, method.space) })
	}
}

func replayTrace(t *testing.T, file string, kind plan.OptimizerKind, name string) {
	var g struct {
		Params []string
		Rows   []struct {
			ID, Rung, Bracket int
			New               bool
			W                 [3]float64
			IncHV             *int `json:"inc_hv"`
			IncScore          *int `json:"inc_score"`
			Loss, Runtime     float64
			Cfg               []any
		}
	}
	recorded(t, "3_priorband/"+file, &g)
	study := paperStudy(kind, paperSpace(t, name), 22000)
	study.Optimizer.Compat = plan.CompatAuthors
	m := newPriorBand(study)
	var history []Observation
	for n, row := range g.Rows {
		next := m.Ask(history, nil, math.MaxInt)
		if len(next) != 1 || next[0].Number() != row.ID || next[0].Rung != row.Rung || (next[0].Parent == "") != row.New {
			t.Fatalf("row %d: %v comes next, want c%dr%d", n, ids(next), row.ID, row.Rung)
		}
		known := m.past(history).observations
		w := m.weigh(known, study.Brackets[row.Bracket+1].Rung, m.incumbent(known))
		for i, have := range []float64{w.incumbent, w.prior, w.random} {
			if math.Abs(have-row.W[i]) > 1e-8 {
				t.Fatalf("row %d: weights %+v, want %v", n, w, row.W)
			}
		}
		if row.IncHV != nil {
			if have := known[m.incumbent(known)].Number(); have != *row.IncHV {
				t.Fatalf("row %d: incumbent %d, want %d", n, have, *row.IncHV)
			}
		}
		if row.IncScore != nil {
			if have := known[m.centre(known, m.incumbent(known))].Number(); have != *row.IncScore {
				t.Fatalf("row %d: scores are taken around %d, want %d", n, have, *row.IncScore)
			}
		}
		trial := next[0]
		if row.New {
			trial.Configuration = space.Configuration{}
			for i, name := range g.Params {
				trial.Configuration[strings.TrimPrefix(name, "hp_config.")] = valueOf(t, row.Cfg[i])
			}
		}
		if err := study.Space.Contains(trial.Configuration); err != nil {
			t.Fatalf("row %d: %v", n, err)
		}
		trial.Key, _ = Key(trial.Configuration)
		history = append(history, Observation{Trial: trial, Objectives: []float64{row.Loss, row.Runtime}})
	}
	if len(g.Rows) != 188 || !m.Done(history) || len(m.Ask(history, nil, 1)) > 0 {
		t.Errorf("after %d rows of 188 the search is not done", len(g.Rows))
	}
}

// TestScores compares both scores with the authors', the epochs' factor among
// them.
func TestScores(t *testing.T) {
	var g struct {
		Examples []struct {
			Config, Incumbent map[string]any
			Prior             float64 `json:"prior_score"`
			Plain             float64 `json:"inc_score_without_fidelity_factor"`
			Authors           float64 `json:"inc_score_authors"`
		}
	}
	recorded(t, "3_priorband/scores.json", &g)
	if len(g.Examples) != 12 {
		t.Fatalf("%d examples, want 12", len(g.Examples))
	}
	s := paperSpace(t, "hpo_nas")
	m := newPriorBand(paperStudy(plan.RegularizedBand, s, 22000))
	m.authors = true
	read := func(in map[string]any) (space.Configuration, float64) {
		c := space.Configuration{}
		for name, v := range in {
			if name != "hp_config.num_epochs" {
				c[strings.TrimPrefix(name, "hp_config.")] = valueOf(t, v)
			}
		}
		return c, in["hp_config.num_epochs"].(float64)
	}
	for i, e := range g.Examples {
		c, epochs := read(e.Config)
		centre, _ := read(e.Incumbent)
		rung := 0
		for rung = range m.study.Rungs {
			if math.Abs(m.epochs(rung)-epochs) < 1e-6 {
				break
			}
		}
		plain := s.Score(c, centre, true)
		for what, pair := range map[string][2]float64{
			"prior": {s.Score(c, nil, true), e.Prior}, "plain": {plain, e.Plain}, "authors": {plain * m.fidelity(rung), e.Authors},
		} {
			if math.Abs(pair[0]/pair[1]-1) > 1e-8 {
				t.Errorf("example %d: the score %s is %v, want %v", i, what, pair[0], pair[1])
			}
		}
	}
}

// TestPriorDensities compares the densities that scores are made of, one
// parameter at a time.
func TestPriorDensities(t *testing.T) {
	var g struct {
		Numeric []struct {
			Name, Type            string
			Lower, Upper, Default float64
			Log                   bool
			Confidence            space.Confidence
			Density               [][2]float64 `json:"score_density_standardised"`
		}
		Categorical []struct {
			Default       int `json:"default_index"`
			Confidence    space.Confidence
			Probabilities []float64 `json:"p"`
		}
	}
	recorded(t, "3_priorband/priors.json", &g)
	near := func(p space.Parameter, v space.Value, want float64) {
		t.Helper()
		s := space.Space{Parameters: []space.Parameter{p}}
		if have := s.Score(space.Configuration{p.Name: v}, nil, false); math.Abs(have/want-1) > 1e-8 {
			t.Errorf("%s, confidence %s: %v at %v, want %v", p.Name, p.Prior, have, v, want)
		}
	}
	points := 0
	for _, n := range g.Numeric {
		p := space.Parameter{Name: n.Name, Kind: space.Kind(n.Type), Low: n.Lower, High: n.Upper, Log: n.Log, Prior: n.Confidence, Default: value(space.Number(n.Default))}
		for _, d := range n.Density {
			near(p, space.Number(d[0]), d[1])
			points++
		}
	}
	for _, c := range g.Categorical {
		p := space.Parameter{Name: "choice", Kind: space.Categorical, Prior: c.Confidence, Default: value(space.Number(float64(c.Default)))}
		for i := range c.Probabilities {
			p.Choices = append(p.Choices, space.Number(float64(i)))
		}
		for i, want := range c.Probabilities {
			near(p, space.Number(float64(i)), want)
		}
	}
	if len(g.Numeric) != 36 || points < 200 || len(g.Categorical) == 0 {
		t.Fatalf("%d parameters, %d points, %d choices", len(g.Numeric), points, len(g.Categorical))
	}
}

// TestWeights compares the weights by rung with the authors'.
func TestWeights(t *testing.T) {
	type row struct{ Inc, Prior, Random float64 }
	var g struct {
		Geometric []struct {
			Eta  int
			Rung int `json:"bracket_min_rung"`
			None row `json:"no_incumbent"`
			Cold row `json:"cold_ratio(eta:1)"`
		}
	}
	recorded(t, "3_priorband/weights.json", &g)
	if len(g.Geometric) != 18 {
		t.Fatalf("%d rows, want 18", len(g.Geometric))
	}
	for _, r := range g.Geometric {
		m := newPriorBand(plan.Study{Optimizer: plan.Optimizer{Kind: plan.PriorBand, Eta: r.Eta}, Rungs: make([]plan.Rung, 5)})
		w, share := m.weigh(nil, r.Rung, -1), m.share(nil, -1)
		cold := row{(1 - w.random) * share, (1 - w.random) * (1 - share), w.random}
		for _, pair := range [][2]row{{{w.incumbent, w.prior, w.random}, r.None}, {cold, r.Cold}} {
			if d := pair[0]; math.Abs(d.Inc-pair[1].Inc)+math.Abs(d.Prior-pair[1].Prior)+math.Abs(d.Random-pair[1].Random) > 1e-12 {
				t.Errorf("eta %d, rung %d: %+v, want %+v", r.Eta, r.Rung, pair[0], pair[1])
			}
		}
	}
}

// TestMutation compares how often each parameter changes, and what choices
// become, with the authors', within four standard errors of both samples.
func TestMutation(t *testing.T) {
	var g struct {
		N       int
		Changed map[string]float64        `json:"p_changed"`
		Hist    []int                     `json:"n_changed_hist"`
		Shift   map[string][2]float64     `json:"numeric_shift_mean_std"`
		Targets map[string]map[string]int `json:"categorical_targets"`
	}
	recorded(t, "3_priorband/mutation_stats.json", &g)
	s := paperSpace(t, "hpo_nas")
	base, rng := s.Default(), rand.New(rand.NewPCG(1, 2))
	changed, targets, hist, shifts := map[string]float64{}, map[string]map[string]int{}, make([]float64, len(g.Hist)), map[string][]float64{}
	for range g.N {
		c, n := s.Mutate(rng, base), 0
		for _, p := range s.Parameters {
			if c[p.Name] == base[p.Name] {
				continue
			}
			n++
			changed[p.Name]++
			if text, ok := c[p.Name].Text(); ok {
				if targets[p.Name] == nil {
					targets[p.Name] = map[string]int{}
				}
				targets[p.Name][text]++
			} else {
				shifts[p.Name] = append(shifts[p.Name], p.Place(c[p.Name])-p.Place(base[p.Name]))
			}
		}
		hist[n]++
	}
	near := func(what string, have, want float64) {
		t.Helper()
		p := max(want, 1/float64(g.N))
		if math.Abs(have-want) > 4*math.Sqrt(2*p*(1-p)/float64(g.N)) {
			t.Errorf("%s: %v, want %v", what, have, want)
		}
	}
	total := float64(g.N)
	for name, p := range g.Changed {
		near(name+" changes", changed[strings.TrimPrefix(name, "hp_config.")]/total, p)
	}
	for n, count := range g.Hist {
		near(fmt.Sprint(n, " change"), hist[n]/total, float64(count)/total)
	}
	for name, counts := range g.Targets {
		for choice, n := range counts {
			near(name+" becomes "+choice, float64(targets[strings.TrimPrefix(name, "hp_config.")][choice])/total, float64(n)/total)
		}
	}
	for name, want := range g.Shift {
		moves := shifts[strings.TrimPrefix(name, "hp_config.")]
		mean := 0.0
		for _, x := range moves {
			mean += x / float64(len(moves))
		}
		if math.Abs(mean-want[0]) > 4*want[1]*math.Sqrt(2/float64(len(moves))) {
			t.Errorf("%s moves by %v in the mean, want %v", name, mean, want[0])
		}
	}
	if len(g.Changed) != 15 {
		t.Fatalf("%d parameters, want 15", len(g.Changed))
	}
}

// TestRecordedBrackets drives the method through each recorded table: counts
// and order of bracket and rung, and the incumbent's threshold.
func TestRecordedBrackets(t *testing.T) {
	var g struct {
		Tables []struct {
			Min, Max, Eta int
			New           int      `json:"new_configs_per_iteration"`
			Trials        int      `json:"trials_per_iteration"`
			Full          float64  `json:"with_default_full"`
			Trained       float64  `json:"with_default_continuation"`
			Order         [][3]int `json:"schedule_rle_bracket_rung_count"`
		}
	}
	recorded(t, "2_hyperband/brackets.json", &g)
	if len(g.Tables) != 10 {
		t.Fatalf("%d tables, want 10", len(g.Tables))
	}
	for _, table := range g.Tables {
		f := plan.Fidelity{Min: table.Min, Max: table.Max, Eta: table.Eta}
		o := plan.Optimizer{Kind: plan.PriorBand, Default: true, Eta: f.Eta, Min: f.Min, Compat: plan.CompatAuthors, Trials: table.New + 1}
		study := plan.Study{Name: "s", Optimizer: o, Space: paperSpace(t, "hpo")}
		study.Brackets = plan.Schedule(f, o, plan.Budget{})
		study.Rungs, study.Optimizer.Trials = plan.Gather(f, study.Brackets)
		m := newPriorBand(study)
		var history []Observation
		var order [][3]int
		for !m.Done(history) {
			next := m.Ask(history, nil, math.MaxInt)
			if len(next) != 1 {
				t.Fatalf("%+v: %v come next", f, ids(next))
			}
			at := [3]int{max(0, next[0].Bracket-1), next[0].Rung, 0}
			if k := len(order) - 1; len(order) == 0 || order[k][0] != at[0] || order[k][1] != at[1] {
				order = append(order, at)
			}
			order[len(order)-1][2]++
			history = append(history, Observation{Trial: next[0], Objectives: []float64{float64(len(history)*7919%101) / 100}})
		}
		// The record goes on into the next round.
		if want := table.Order[:len(table.Order)-1]; fmt.Sprint(order) != fmt.Sprint(want) || len(history) != table.Trials+1 {
			t.Errorf("%+v: %d trials, %v\nwant %v", f, len(history), order, want)
		}
	}
}
