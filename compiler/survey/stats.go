package survey

import (
	"slices"
	"strings"

	"runspec/compiler/plan"
	"runspec/compiler/space"
)

// Stats counts what the studies' spaces hold.
type Stats struct {
	Version    string       `json:"version"`
	Experiment string       `json:"experiment"`
	Studies    []StudyStats `json:"studies"`
}

// StudyStats are those of one study.
type StudyStats struct {
	Study      string            `json:"study"`
	Parameters []space.Parameter `json:"parameters"` // without grammars
	Conditions int               `json:"conditions"`
	Sizes      []Size            `json:"sizes"`          // one for each number of stages; one in all without a grammar
	Fits       []Fits            `json:"fits,omitempty"` // by data set, where the space shapes the network
}

// Size is the number of configurations, exactly.
type Size struct {
	Stages      *plan.Stages  `json:"stages,omitempty"`   // nil: there is no grammar
	Datasets    []string      `json:"datasets,omitempty"` // with so many stages
	Cardinality []Term        `json:"cardinality"`        // empty: a condition asks for a float's value
	Grammars    []Derivations `json:"grammars,omitempty"`
}

// Term counts the choices of everything that is not continuous with which so
// many continuous parameters are active.
type Term struct {
	Choices    string `json:"choices"` // decimal
	Continuous int    `json:"continuous"`
}

// Derivations counts a grammar's.
type Derivations struct {
	Parameter string   `json:"parameter"`
	Total     string   `json:"total"` // decimal
	Branches  []Branch `json:"branches"`
}

// Branch is one alternative of a grammar's start: for a U-Net, one depth.
type Branch struct {
	Symbols     string  `json:"symbols"`
	Total       string  `json:"total"`       // derivations that begin so; decimal
	Probability float64 `json:"probability"` // under the prior
	Default     bool    `json:"default,omitempty"`
}

// Fits counts what becomes of sampled networks on a data set; see plan.Fit.
type Fits struct {
	Dataset   string      `json:"dataset"`
	Stages    plan.Stages `json:"stages"`
	Draws     int         `json:"draws"`
	Shallow   int         `json:"shallow"`          // fewer stages than the plan
	TwoStages int         `json:"twoStages"`        // one output alone: nnU-Net's loss weights would be NaN
	Known     bool        `json:"known"`            // the fingerprint is at hand; else the rest is 0
	Shrunk    int         `json:"shrunk"`           // would not fit as planned for the default blocks
	Dropped   int         `json:"dropped"`          // of these, those that lose stages
	Failed    int         `json:"failed"`           // can't be built
	Causes    []string    `json:"causes,omitempty"` // of the failures, each once
}

// draws are how many networks stats samples for a data set.
const draws = 1000

// Count gives the statistics of a plan's studies.
func Count(p *plan.Plan, o Options) (Stats, error) {
	out := Stats{Version: "runspec/space/stats/v1", Experiment: p.Name}
	vs, err := views(p, o)
	if err != nil {
		return out, err
	}
	for _, v := range vs {
		if n := len(out.Studies); n == 0 || out.Studies[n-1].Study != v.study.Name {
			out.Studies = append(out.Studies, studyStats(v.study))
		}
		s := &out.Studies[len(out.Studies)-1]
		s.size(v)
		if v.dataset.Fingerprint != nil && v.shapes() || len(v.grammars()) > 0 {
			s.Fits = append(s.Fits, v.fits(p.Training, o))
		}
	}
	return out, nil
}

func studyStats(study plan.Study) StudyStats {
	s := StudyStats{Study: study.Name}
	for _, p := range study.Space.Parameters {
		s.Parameters = append(s.Parameters, bare(p))
		s.Conditions += len(p.When)
	}
	return s
}

// size adds a view's size, or its data set to the size that it shares.
func (s *StudyStats) size(v view) {
	grammars := v.grammars()
	i := slices.IndexFunc(s.Sizes, func(z Size) bool { return len(grammars) == 0 || *z.Stages == v.stages })
	if i >= 0 {
		s.Sizes[i].Datasets = append(s.Sizes[i].Datasets, v.dataset.Name)
		return
	}
	z := Size{Datasets: []string{v.dataset.Name}, Cardinality: []Term{}}
	for floats, n := range v.study.Space.Sizes() {
		if n.Sign() > 0 {
			z.Cardinality = append(z.Cardinality, Term{Choices: n.String(), Continuous: floats})
		}
	}
	for _, p := range grammars {
		z.Stages = &v.stages
		z.Grammars = append(z.Grammars, derivations(p))
	}
	s.Sizes = append(s.Sizes, z)
}

func derivations(p space.Parameter) Derivations {
	d := Derivations{Parameter: p.Name, Total: p.Grammar.Count().String()}
	start, _ := p.Grammar.Production(p.Grammar.Start)
	for i, a := range start.Alternatives {
		d.Branches = append(d.Branches, Branch{
			Symbols: strings.Join(a.Symbols, " "), Total: p.Grammar.CountBranch(start.Symbol, i).String(),
			Probability: a.Probability, Default: i == start.Default,
		})
	}
	return d
}

// fits samples networks and counts what becomes of them.
func (v view) fits(t plan.Training, o Options) Fits {
	f := Fits{Dataset: v.dataset.Name, Stages: v.stages, Draws: draws, Known: v.dataset.Fingerprint != nil}
	for _, c := range v.sample(o, draws) {
		n, err := v.network(t, c)
		if err != nil {
			f.Failed++
			if cause := err.Error(); !slices.Contains(f.Causes, cause) && len(f.Causes) < 3 {
				f.Causes = append(f.Causes, cause)
			}
			continue
		}
		f.Shallow += one(n.Stages > 0 && n.Stages+n.Fit.Dropped < v.stages.Count && n.derived)
		f.TwoStages += one(n.Stages == 2)
		f.Shrunk += one(n.Fit.Shrunk)
		f.Dropped += one(n.Fit.Dropped > 0)
	}
	return f
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}
