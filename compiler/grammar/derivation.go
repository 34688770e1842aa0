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

// derive grows the tree of a symbol with the alternatives that choose picks.
func (g Grammar) derive(symbol string, choose func(*Production) int) Derivation {
	p, d := g.find(symbol), Derivation{Symbol: symbol}
	if p == nil {
		return d
	}
	d.Alternative = choose(p)
	symbols := p.Alternatives[d.Alternative].Symbols
	d.Children = make([]Derivation, len(symbols))
	for i, s := range symbols {
		d.Children[i] = g.derive(s, choose)
	}
	return d
}

// Default is the derivation of every production's default.
func (g Grammar) Default() Derivation {
	return g.derive(g.Start, func(p *Production) int { return p.Default })
}

// Openings are derivations that begin with each of the start symbol's
// alternatives and are defaults below, the default among them.
func (g Grammar) Openings() []Derivation {
	var out []Derivation
	for i := range g.must(g.Start).Alternatives {
		first := true
		out = append(out, g.derive(g.Start, func(p *Production) int {
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
	return g.sample(rng, g.Start, usePrior)
}

func (g Grammar) sample(rng *rand.Rand, symbol string, usePrior bool) Derivation {
	return g.derive(symbol, func(p *Production) int {
		if !usePrior {
			return rng.IntN(len(p.Alternatives))
		}
		u := rng.Float64()
		for i, a := range p.Alternatives {
			if u -= a.Probability; u < 0 {
				return i
			}
		}
		return len(p.Alternatives) - 1 // what rounding left over
	})
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
