package survey

import (
	"math/rand/v2"

	"runspec/compiler/grammar"
	"runspec/compiler/plan"
	"runspec/compiler/space"
)

// Forest holds the studies' spaces as trees.
type Forest struct {
	Version    string      `json:"version"`
	Experiment string      `json:"experiment"`
	Studies    []StudyTree `json:"studies"`
}

// StudyTree is a study's space: the parameters that are always active, with
// those below them that wait for their values.
type StudyTree struct {
	Study    string      `json:"study"`
	Dataset  string      `json:"dataset"` // whose stages grammars are bound to
	Stages   plan.Stages `json:"stages"`
	Branches []Node      `json:"parameters"`
}

// Node is a parameter in a tree.
type Node struct {
	space.Parameter
	Productions []grammar.Production `json:"productions,omitempty"` // of a grammar
	Start       string               `json:"start,omitempty"`
	Derivations string               `json:"derivations,omitempty"` // their number, decimal
	Derivation  string               `json:"derivation,omitempty"`  // one that was sampled
	Children    []Node               `json:"children,omitempty"`
}

// Grow gives the studies' spaces as trees; with derive, each grammar with a
// sampled derivation. Of several data sets the first is taken.
func Grow(p *plan.Plan, o Options, derive bool) (Forest, error) {
	out := Forest{Version: "runspec/space/tree/v1", Experiment: p.Name}
	if o.Dataset == "" && len(p.Datasets) > 0 {
		o.Dataset = p.Datasets[0].Name
	}
	vs, err := views(p, o)
	if err != nil {
		return out, err
	}
	for _, v := range vs {
		rng := rand.New(rand.NewPCG(o.Seed, 0))
		sorted := v.study.Space.Sorted()
		t := StudyTree{Study: v.study.Name, Dataset: v.dataset.Name, Stages: v.stages, Branches: []Node{}}
		for _, p := range v.study.Space.Parameters {
			if len(p.When) == 0 {
				t.Branches = append(t.Branches, grow(p, sorted))
			}
		}
		if derive {
			sampled(t.Branches, v.study.Space, rng, !o.Uniform)
		}
		out.Studies = append(out.Studies, t)
	}
	return out, nil
}

// grow is a parameter with those below it that wait for it: for it last, where
// they wait for several.
func grow(p space.Parameter, sorted []space.Parameter) Node {
	n := Node{Parameter: bare(p)}
	if p.Grammar != nil {
		n.Productions, n.Start, n.Derivations = p.Grammar.Productions, p.Grammar.Start, p.Grammar.Count().String()
	}
	for _, c := range sorted {
		if len(c.When) > 0 && last(c, sorted) == p.Name {
			n.Children = append(n.Children, grow(c, sorted))
		}
	}
	return n
}

// last is the parent of a parameter that is decided last.
func last(c space.Parameter, sorted []space.Parameter) string {
	name := ""
	for _, p := range sorted {
		for _, w := range c.When {
			if w.Parent == p.Name {
				name = p.Name
			}
		}
	}
	return name
}

// sampled gives each grammar of the nodes a derivation.
func sampled(nodes []Node, s space.Space, rng *rand.Rand, prior bool) {
	for i := range nodes {
		if p, _ := s.Parameter(nodes[i].Name); p.Kind == space.Grammar {
			nodes[i].Derivation = p.Grammar.Sample(rng, prior).String()
		}
		sampled(nodes[i].Children, s, rng, prior)
	}
}
