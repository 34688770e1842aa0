// Package survey looks at the spaces of a plan's studies before anything is
// searched: how many configurations they hold, what networks sampled ones
// build, and what their trees look like. Each look is a plain value, which
// programs get as JSON and people through Write. It trains nothing and reads no
// file: what is not in the plan is shown as known after fingerprint.
package survey

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"runspec/compiler/diag"
	"runspec/compiler/plan"
	"runspec/compiler/space"
)

// Options say what is looked at. The zero value looks at all studies on all data
// sets.
type Options struct {
	Study   string // "": all
	Dataset string // "": all
	Stages  int    // that grammars are bound to; 0: those of the data set's plan
	Seed    uint64
	Uniform bool // sample uniformly; else from the prior
}

// given is the origin of stages that Options say.
const given plan.Origin = "given"

// view is one study on one data set, its grammars bound.
type view struct {
	study   plan.Study
	dataset plan.Dataset
	stages  plan.Stages
}

// views are what the options select, by study and then by data set.
func views(p *plan.Plan, o Options) ([]view, error) {
	var out []view
	var studies, datasets []string
	for _, s := range p.Studies {
		studies = append(studies, s.Name)
	}
	for _, d := range p.Datasets {
		datasets = append(datasets, d.Name)
	}
	if err := known("study", o.Study, studies); err != nil {
		return nil, err
	}
	if err := known("data set", o.Dataset, datasets); err != nil {
		return nil, err
	}
	for _, s := range p.Studies {
		for _, d := range p.Datasets {
			if o.Study != "" && s.Name != o.Study || o.Dataset != "" && d.Name != o.Dataset {
				continue
			}
			v, err := look(s, d, o)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	}
	return out, nil
}

// known objects to a name that the experiment lacks.
func known(what, name string, names []string) error {
	if name == "" && len(names) > 0 || slices.Contains(names, name) {
		return nil
	}
	if len(names) == 0 {
		return fmt.Errorf("the experiment has no %s", what)
	}
	remedy := diag.DidYouMean(name, names)
	if remedy == "" {
		remedy = "It has " + strings.Join(names, ", ") + "."
	}
	return fmt.Errorf("the experiment has no %s %q. %s", what, name, remedy)
}

func look(s plan.Study, d plan.Dataset, o Options) (view, error) {
	v := view{study: s, dataset: d, stages: plan.Stages{Count: o.Stages, Origin: given}}
	var err error
	if o.Stages == 0 {
		if v.stages, err = d.NetworkStages(); err != nil {
			return v, fmt.Errorf("data set %s: %w", d.Name, err)
		}
	}
	if v.study.Space, err = s.Space.Bind(v.stages.Count); err != nil {
		return v, fmt.Errorf("study %s with %d stages: %w", s.Name, v.stages.Count, err)
	}
	return v, nil
}

// sample draws n configurations; the first are the same whatever n is.
func (v view) sample(o Options, n int) []space.Configuration {
	rng := rand.New(rand.NewPCG(o.Seed, 0))
	out := make([]space.Configuration, n)
	for i := range out {
		out[i] = v.study.Space.Sample(rng, !o.Uniform)
	}
	return out
}

// grammars are the view's parameters of kind grammar.
func (v view) grammars() []space.Parameter {
	return slices.DeleteFunc(slices.Clone(v.study.Space.Parameters), func(p space.Parameter) bool { return p.Kind != space.Grammar })
}

// shapes says whether the space shapes the network at all.
func (v view) shapes() bool {
	return slices.ContainsFunc(v.study.Space.Parameters, func(p space.Parameter) bool { return plan.ShapesNetwork(p.Name) })
}

// bare is a parameter without the grammar, which is shown elsewhere.
func bare(p space.Parameter) space.Parameter {
	p.Grammar, p.Template = nil, nil
	return p
}
