package survey

import (
	"fmt"

	"runspec/compiler/plan"
)

// Verdicts say whether spaces are sound. What is wrong with the spec itself, the
// compiler tells with its place; these try the spaces out.
type Verdicts struct {
	Version    string    `json:"version"`
	Experiment string    `json:"experiment"`
	Studies    []Verdict `json:"studies"`
}

// Verdict is one study's on one data set.
type Verdict struct {
	Study      string      `json:"study"`
	Dataset    string      `json:"dataset"`
	Stages     plan.Stages `json:"stages"`
	Parameters int         `json:"parameters"`
	Conditions int         `json:"conditions"`
	Density    float64     `json:"density"`            // of the default under the prior
	Problems   []string    `json:"problems,omitempty"` // none: it is sound
	Failed     int         `json:"failed"`             // sampled networks that can't be built
	Draws      int         `json:"draws"`
}

// Sound says whether no study has a problem.
func (vs Verdicts) Sound() bool {
	for _, v := range vs.Studies {
		if len(v.Problems) > 0 {
			return false
		}
	}
	return true
}

// Check tries the studies' spaces out.
func Check(p *plan.Plan, o Options) (Verdicts, error) {
	out := Verdicts{Version: "runspec/space/check/v1", Experiment: p.Name}
	vs, err := views(p, o)
	for _, v := range vs {
		out.Studies = append(out.Studies, v.check(p.Training, o))
	}
	return out, err
}

// checks are how many configurations are sampled in either way.
const checks = 100

func (v view) check(t plan.Training, o Options) Verdict {
	s := v.study.Space
	c := s.Default()
	out := Verdict{
		Study: v.study.Name, Dataset: v.dataset.Name, Stages: v.stages, Parameters: len(s.Parameters),
		Density: s.Density(c, true), Draws: 2 * checks,
	}
	add := func(format string, args ...any) { out.Problems = append(out.Problems, fmt.Sprintf(format, args...)) }
	for _, p := range s.Parameters {
		out.Conditions += len(p.When)
	}
	if err := s.Validate(); err != nil {
		add("%v", err)
	}
	if err := s.Contains(c); err != nil {
		add("the default is no point of the space: %v", err)
	} else if !(out.Density > 0) {
		add("the prior never draws the default")
	}
	if _, err := v.network(t, c); err != nil {
		add("the default's network can't be built: %v", err)
	}
	for _, o.Uniform = range []bool{false, true} {
		for _, c := range v.sample(o, checks) {
			if err := s.Contains(c); err != nil {
				add("a sample is no point of the space: %v", err)
			}
			_, err := v.network(t, c)
			out.Failed += one(err != nil)
		}
	}
	if out.Failed == out.Draws {
		add("no sampled network can be built")
	}
	return out
}
