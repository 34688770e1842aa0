package grammar

import (
	"math/rand/v2"
	"slices"
)

// Derivation is a tree: a nonterminal with the alternative that it takes and
// the trees of that alternative's symbols, or a terminal without children.
type Derivation struct {
	Symbol      string
	Alternative int // index; 0 in a terminal
	Children    []Derivation
}

// Equal says whether two trees are the same.
func (d Derivation) Equal(e Derivation) bool {
	return d.Symbol == e.Symbol && d.Alternative == e.Alternative && slices.EqualFunc(d.Children, e.Children, Derivation.Equal)
}

// Find returns the first subtree of a symbol, from the left; false if there is none.
func (d Derivation) Find(symbol string) (Derivation, bool) {
	if d.Symbol == symbol {
		return d, true
	}
	for _, c := range d.Children {
		if found, ok := c.Find(symbol); ok {
			return found, true
		}
	}
	return Derivation{}, false
}

// Default is the derivation of every production's default.
func (g Grammar) Default() Derivation {
	return g.Trees().start.derive(func(p *Production) int { return p.Default })
}

// Openings are derivations that begin with each of the start symbol's
// alternatives and are defaults below, the default among them.
func (g Grammar) Openings() []Derivation {
	var out []Derivation
	start := g.Trees().start
	for i := range start.Alternatives {
		first := true
		out = append(out, start.derive(func(p *Production) int {
			if !first {
				return p.Default
			}
			first = false
			return i
		}))
	}
	return out
}

// Sample draws a derivation from the prior, or else uniformly at each
// production (not uniformly among the trees).
func (g Grammar) Sample(rng *rand.Rand, usePrior bool) Derivation {
	return g.Trees().Sample(rng, usePrior)
}

// Density is the probability with which Sample draws d.
func (g Grammar) Density(d Derivation, usePrior bool) float64 {
	if len(d.Children) == 0 {
		return 1
	}
	p := g.must(d.Symbol)
	density := 1 / float64(len(p.Alternatives))
	if usePrior {
		density = p.Alternatives[d.Alternative].Probability
	}
	for _, c := range d.Children {
		density *= g.Density(c, usePrior)
	}
	return density
}
