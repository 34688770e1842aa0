package search_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/search"
	"runspec/runtime/simulate"
)

func problem(t testing.TB, name string) simulate.Problem {
	t.Helper()
	p, err := simulate.Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ours(p simulate.Problem, epochs int, count plan.Counting) plan.Study {
	return p.Study(plan.Optimizer{Kind: plan.ParetoBayes, Prior: true, Default: true}, plan.Budget{Epochs: epochs, Count: count}, 7)
}

func play(t testing.TB, p simulate.Problem, s plan.Study, c simulate.Clock) []simulate.Ended {
	t.Helper()
	m, err := search.New(s)
	if err != nil {
		t.Fatal(err)
	}
	out, err := simulate.Run(p, s, m, c)
	if err != nil {
		t.Fatal(err)
	}
	return out.Trials
}

func ids(trials []simulate.Ended) []string {
	var out []string
	for _, t := range trials {
		out = append(out, t.ID+" "+t.Key)
	}
	return out
}

// TestBayesIsPure asks a method that has seen the whole study and one that has
// seen nothing for the same next trial, at every step.
func TestBayesIsPure(t *testing.T) {
	p := problem(t, simulate.FormulaHPO)
	s := ours(p, 4000, plan.CountTrained)
	trials := play(t, p, s, simulate.Clock{})
	if again := play(t, p, s, simulate.Clock{}); !slices.Equal(ids(trials), ids(again)) {
		t.Fatal("the same study proposes other trials when it is played again")
	}
	var history []search.Observation
	for i, want := range trials {
		if i%7 == 0 {
			m, err := search.New(s)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Ask(history, nil, 1); len(got) != 1 || got[0].ID != want.ID || got[0].Key != want.Key {
				t.Fatalf("step %d: a resumed study proposes %v, the unbroken one %s", i, got, want.ID)
			}
		}
		history = append(history, want.Observation)
	}
}

// TestBayesLeavesTrialsAlone looks at all trials once the study is over: each
// still has the configuration that its key was made of, although candidates lend
// their room to later ones.
func TestBayesLeavesTrialsAlone(t *testing.T) {
	for _, name := range []string{simulate.FormulaHPO, simulate.FormulaHPOHNAS} {
		p := problem(t, name)
		for _, e := range play(t, p, ours(p, 4000, plan.CountTrained), simulate.Clock{Workers: 3, Sigma: 0.5}) {
			if key, err := search.Key(e.Configuration); err != nil || key != e.Key {
				t.Errorf("%s: %s has the configuration of %s now (%v)", name, e.ID, key, err)
			}
		}
	}
}

// TestBayesOnVirtualWorkers fixes the workers in the plan: then neither how
// many there really are, nor how long they take, changes a trial.
func TestBayesOnVirtualWorkers(t *testing.T) {
	p := problem(t, simulate.FormulaHPO)
	s := ours(p, 5000, plan.CountTrained)
	s.Optimizer.Workers = 3
	want := ids(play(t, p, s, simulate.Clock{}))
	slices.Sort(want)
	for _, c := range []simulate.Clock{{Workers: 3}, {Workers: 8}, {Workers: 2, Sigma: 0.7, Seed: 1}, {Workers: 5, Sigma: 1, Seed: 2}} {
		got := ids(play(t, p, s, c))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%+v: other trials than with one worker", c)
		}
	}
	s.Optimizer.Workers = 1
	if one := ids(play(t, p, s, simulate.Clock{})); slices.Equal(one[:len(want)/2], want[:len(want)/2]) {
		t.Error("the plan's number of workers has no effect, so this test shows nothing")
	}
}

// TestBayesKeepsTheRules looks at every trial: a point of the space with its
// conditions, in the order of the rungs, within the budget.
func TestBayesKeepsTheRules(t *testing.T) {
	for _, count := range []plan.Counting{plan.CountFull, plan.CountTrained} {
		for _, workers := range []int{1, 8} {
			p := problem(t, simulate.FormulaHPONAS)
			s := ours(p, 5500, count)
			spent, inactive, climbed := 0, 0, 0
			ran := map[string]search.Trial{}
			for _, e := range play(t, p, s, simulate.Clock{Workers: workers, Sigma: 0.5}) {
				if err := p.Space.Contains(e.Configuration); err != nil {
					t.Fatalf("%s: %v", e.ID, err)
				}
				if _, again := ran[e.ID]; again {
					t.Errorf("%s is proposed twice", e.ID)
				}
				ran[e.ID] = e.Trial
				price := e.Epochs
				if e.Parent != "" {
					below, ok := ran[e.Parent]
					if !ok || below.Key != e.Key || below.Rung != e.Rung-1 {
						t.Errorf("%s continues %q, which is no trial of it", e.ID, e.Parent)
					}
					climbed++
					if count == plan.CountTrained {
						price -= below.Epochs
					}
				}
				spent += price
				if _, ok := e.Configuration["momentum"]; !ok {
					inactive++
				}
			}
			if spent > 5500 || spent < 4500 {
				t.Errorf("%s, %d workers: %d of 5500 epochs spent", count, workers, spent)
			}
			if inactive == 0 || climbed == 0 && count == plan.CountTrained {
				t.Errorf("%d trials without momentum, %d that climbed: this test shows too little", inactive, climbed)
			}
		}
	}
}

// strange is a black box whose answers are a test's.
type strange func(c space.Configuration, epochs float64) []float64

func (f strange) Evaluate(c space.Configuration, epochs float64) ([]float64, error) {
	return f(c, epochs), nil
}

// TestBayesBearsAnything plays objectives that no surrogate likes.
func TestBayesBearsAnything(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, box := range map[string]strange{
		"nothing":       func(space.Configuration, float64) []float64 { return []float64{math.NaN(), math.NaN()} },
		"all equal":     func(space.Configuration, float64) []float64 { return []float64{0.5, 1} },
		"zeros":         func(space.Configuration, float64) []float64 { return []float64{0, 0} },
		"negative":      func(_ space.Configuration, e float64) []float64 { return []float64{-e, e} },
		"huge":          func(_ space.Configuration, e float64) []float64 { return []float64{1e300, 1e300 / e} },
		"one objective": func(_ space.Configuration, e float64) []float64 { return []float64{1 / e} },
		"second is NaN": func(_ space.Configuration, e float64) []float64 { return []float64{1 / e, math.NaN()} },
		"half fails": func(_ space.Configuration, e float64) []float64 {
			if rng.IntN(2) == 0 {
				return []float64{math.Inf(1), e}
			}
			return []float64{1 / e, e}
		},
	} {
		p := problem(t, simulate.FormulaHPO)
		p.Box = box
		if trials := play(t, p, ours(p, 4000, plan.CountFull), simulate.Clock{Workers: 3}); len(trials) < 20 {
			t.Errorf("%s: only %d trials", name, len(trials))
		}
	}
}

// TestBayesAvoidsWhatFails makes a choice fail: most trials must leave it.
func TestBayesAvoidsWhatFails(t *testing.T) {
	p := problem(t, simulate.FormulaHPO)
	formula := p.Box
	p.Box = strange(func(c space.Configuration, e float64) []float64 {
		y, err := formula.Evaluate(c, e)
		if err != nil || c["optimizer"] == space.Text("SGD") {
			return []float64{math.NaN(), math.NaN()}
		}
		return y
	})
	failed, trials := 0, play(t, p, ours(p, 11000, plan.CountFull), simulate.Clock{})
	for _, e := range trials[len(trials)/2:] {
		if math.IsNaN(e.Objectives[0]) {
			failed++
		}
	}
	if share := float64(failed) / float64(len(trials)/2); share > 0.25 {
		t.Errorf("%.0f %% of the later trials still fail", 100*share)
	}
}

// TestBayesUsesUpASmallSpace ends, though the budget would pay for more.
func TestBayesUsesUpASmallSpace(t *testing.T) {
	p := problem(t, simulate.NB201)
	p.Space.Parameters = []space.Parameter{{Name: "edge0", Kind: space.Categorical, Choices: []space.Value{space.Text("a"), space.Text("b"), space.Text("c")}}}
	p.Box = strange(func(c space.Configuration, _ float64) []float64 { return []float64{1, 1} })
	if trials := play(t, p, ours(p, 50, plan.CountFull), simulate.Clock{}); len(trials) != 3 {
		t.Errorf("%d trials of 3 points", len(trials))
	}
}

// TestBayesUsesUpEveryRung takes the four configurations of a small space to the
// top.
func TestBayesUsesUpEveryRung(t *testing.T) {
	p := problem(t, simulate.NB201)
	p.Space.Parameters = []space.Parameter{{Name: "edge0", Kind: space.Categorical, Choices: []space.Value{space.Text("a"), space.Text("b"), space.Text("c"), space.Text("d")}}}
	p.Fidelity = plan.Fidelity{Min: 10, Max: 100, Eta: 10}
	p.Box = strange(func(_ space.Configuration, e float64) []float64 { return []float64{1 / e, e} })
	trials := play(t, p, ours(p, 500, plan.CountFull), simulate.Clock{})
	if top := objectives(trials, 1); len(top) != 4 {
		t.Errorf("%d of 4 configurations are at the top after %v", len(top), ids(trials))
	}
}

func TestBayesWantsABudget(t *testing.T) {
	s := ours(problem(t, simulate.FormulaHPO), 4000, plan.CountFull)
	s.Budget = nil
	if _, err := search.New(s); err == nil {
		t.Error("a study without a budget is no error")
	}
}

// TestBayesFinds holds a short version of the benchmark: on five seeds it is
// well beyond what random search from the same prior finds.
func TestBayesFinds(t *testing.T) {
	p := problem(t, simulate.FormulaHPO)
	reached := func(kind plan.OptimizerKind) float64 {
		b := simulate.Bench{Problem: p, Optimizer: plan.Optimizer{Kind: kind, Prior: true, Default: true}, Budgets: []int{6000}, Seeds: 5, First: 1000}
		o, err := b.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return o.Budgets[0].Mean
	}
	if a, b := reached(plan.ParetoBayes), reached(plan.RandomSearch); a < b+0.01 || a < 0.937 {
		t.Errorf("hypervolume %.4f, random search %.4f", a, b)
	}
}

// BenchmarkBayesAsk times a proposal and the observation before it.
func BenchmarkBayesAsk(b *testing.B) {
	for _, name := range []string{simulate.FormulaHPO, simulate.FormulaHPONAS, simulate.FormulaHPOHNAS} {
		for _, n := range []int{100, 1000, 10000} {
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) { askAfter(b, problem(b, name), n) })
		}
	}
}

func askAfter(b *testing.B, p simulate.Problem, n int) {
	s := ours(p, 10_000_000, plan.CountFull)
	history, err := filled(p, s, n)
	if err != nil {
		b.Fatal(err)
	}
	m, err := search.New(s)
	if err != nil {
		b.Fatal(err)
	}
	m.Ask(history, nil, 1)
	for b.Loop() {
		t := m.Ask(history, nil, 1)[0]
		y, err := p.Box.Evaluate(t.Configuration, float64(t.Epochs))
		if err != nil {
			b.Fatal(err)
		}
		history = append(history, search.Observation{Trial: t, Objectives: y})
		if len(history) > n+n/4 {
			history = history[:n]
		}
	}
}

// filled is a history of n trials, drawn at random over the rungs.
func filled(p simulate.Problem, s plan.Study, n int) ([]search.Observation, error) {
	rng := rand.New(rand.NewPCG(3, 4))
	var out []search.Observation
	for i := range n {
		c := p.Space.Sample(rng, true)
		key, err := search.Key(c)
		rung := []int{0, 0, 0, 1, 1, 2, 3, 4}[rng.IntN(8)]
		y, fault := p.Box.Evaluate(c, float64(s.Rungs[rung].Epochs))
		if err := errors.Join(err, fault); err != nil {
			return nil, err
		}
		t := search.Trial{ID: fmt.Sprintf("%s-c%dr%d", s.Name, i, rung), Study: s.Name, Configuration: c, Key: key, Rung: rung, Epochs: s.Rungs[rung].Epochs}
		out = append(out, search.Observation{Trial: t, Objectives: y})
	}
	return out, nil
}

// TestBayesWarmStart takes over what another study observed: none of it is
// trained again, nothing continues it, and it helps.
func TestBayesWarmStart(t *testing.T) {
	p := problem(t, simulate.FormulaHPO)
	cold := ours(p, 3000, plan.CountTrained)
	old := play(t, p, ours(p, 8000, plan.CountTrained), simulate.Clock{})
	warm := cold
	warm.Seed++
	seen := map[string]int{}
	for _, e := range old {
		warm.Known = append(warm.Known, plan.Known{Configuration: e.Configuration, Epochs: e.Epochs, Objectives: e.Objectives})
		seen[e.Key] = max(seen[e.Key], e.Epochs)
	}
	trials := play(t, p, warm, simulate.Clock{})
	own := map[string]bool{}
	for i, e := range trials {
		if i > 0 && seen[e.Key] >= e.Epochs { // the default comes first in any case
			t.Errorf("%s was known already", e.ID)
		}
		if e.Parent != "" && !own[e.Parent] {
			t.Errorf("%s continues %s, which is no trial of its study", e.ID, e.Parent)
		}
		own[e.ID] = true
	}
	best := func(trials []simulate.Ended) float64 {
		return p.Metric.Hypervolume(objectives(trials, len(cold.Rungs)-1))
	}
	if a, b := best(trials), best(play(t, p, cold, simulate.Clock{})); a <= b {
		t.Errorf("hypervolume %.4f with what was known, %.4f without", a, b)
	}
}

func objectives(trials []simulate.Ended, rung int) (out [][]float64) {
	for _, e := range trials {
		if e.Rung == rung {
			out = append(out, e.Objectives)
		}
	}
	return out
}

// TestBayesBudgets draws spaces, ladders, budgets and workers: what is spent is
// counted anew, to the epoch; it never exceeds the budget, and what is left pays
// for no trial at the lowest rung unless the space is used up.
func TestBayesBudgets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := simulate.Problem{Name: "drawn", Space: drawnSpace(rt), Box: strange(func(c space.Configuration, e float64) []float64 {
			return []float64{float64(len(c.Key())%7+1) / e, e}
		})}
		low := rapid.IntRange(1, 9).Draw(rt, "min")
		p.Fidelity = plan.Fidelity{Min: low, Max: low * rapid.IntRange(1, 30).Draw(rt, "max"), Eta: rapid.IntRange(2, 4).Draw(rt, "eta")}
		budget := plan.Budget{
			Epochs: p.Fidelity.Max * rapid.IntRange(1, 12).Draw(rt, "budget"),
			Count:  rapid.SampledFrom([]plan.Counting{plan.CountFull, plan.CountTrained}).Draw(rt, "count"),
		}
		kind := rapid.SampledFrom([]plan.OptimizerKind{plan.ParetoBayes, plan.RegularizedBand, plan.PriorBand, plan.Hyperband, plan.RandomSearch}).Draw(rt, "method")
		s := p.Study(plan.Optimizer{Kind: kind, Prior: rapid.Bool().Draw(rt, "prior"), Default: rapid.Bool().Draw(rt, "default")}, budget, 3)
		if check := s.Optimizer.Trials == 0 && kind != plan.ParetoBayes; check {
			rt.Skip("the budget pays for nothing")
		}
		spent, rungs := 0, map[string]int{}
		for _, e := range play(t, p, s, simulate.Clock{Workers: rapid.IntRange(1, 6).Draw(rt, "workers"), Sigma: 0.5}) {
			price := s.Rungs[e.Rung].Epochs
			if e.Parent != "" {
				if below, ok := rungs[e.Key]; !ok || below != e.Rung-1 {
					rt.Fatalf("%s continues %s, which has not been there", e.ID, e.Parent)
				}
				if budget.Count == plan.CountTrained {
					price -= s.Rungs[e.Rung-1].Epochs
				}
			}
			rungs[e.Key] = e.Rung
			spent += price
		}
		if spent > budget.Epochs {
			rt.Fatalf("%s spends %d of %+v", kind, spent, budget)
		}
		if left := budget.Epochs - spent; kind == plan.ParetoBayes && left >= s.Rungs[0].Epochs && p.Space.Count() == nil {
			rt.Fatalf("%d epochs of %+v are left, rungs %v", left, budget, s.Rungs)
		}
	})
}

// drawnSpace has numbers, choices and a condition.
func drawnSpace(rt *rapid.T) space.Space {
	var s space.Space
	for i := range rapid.IntRange(1, 5).Draw(rt, "parameters") {
		p := space.Parameter{Name: fmt.Sprint("p", i), Kind: space.Float, Low: 1, High: 9, Prior: space.Medium}
		middle := space.Number(5)
		if i > 0 && rapid.Bool().Draw(rt, "choice") {
			p.Kind, p.Choices = space.Categorical, []space.Value{space.Text("a"), space.Text("b"), space.Text("c")}
			middle = space.Text("b")
		}
		p.Default = &middle
		if i > 0 && rapid.Bool().Draw(rt, "condition") {
			q := s.Parameters[rapid.IntRange(0, i-1).Draw(rt, "parent")]
			if q.Kind == space.Categorical {
				p.When = []space.Condition{{Parent: q.Name, Values: q.Choices[:2]}}
			}
		}
		s.Parameters = append(s.Parameters, p)
	}
	return s
}
