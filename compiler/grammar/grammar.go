// Package grammar holds context-free grammars of hierarchical search spaces:
// Read takes one from HCL, a Derivation is one of its trees. A Grammar is plain
// data without cycles, so its trees are finite in size and number. It knows
// nothing of networks: what the symbols mean is its reader's affair.
package grammar

import (
	"fmt"
	"math/big"
	"slices"
)

// Grammar is a set of productions whose variables are bound. Symbols without a
// production are terminals.
type Grammar struct {
	Name        string       `json:"name"`
	Start       string       `json:"start"`
	Productions []Production `json:"productions"` // in the order of the file
}

// Production rewrites one symbol.
type Production struct {
	Symbol       string        `json:"symbol"`
	Alternatives []Alternative `json:"alternatives"`
	Default      int           `json:"default"` // index into Alternatives
}

// Alternative is one right-hand side.
type Alternative struct {
	Symbols     []string `json:"symbols"`
	Probability float64  `json:"probability"` // under the prior; those of a production sum to 1
}

// Production returns the production of a symbol; false for a terminal.
func (g Grammar) Production(symbol string) (Production, bool) {
	if p := g.find(symbol); p != nil {
		return *p, true
	}
	return Production{}, false
}

// find is the production of a symbol; nil for a terminal.
func (g Grammar) find(symbol string) *Production {
	for i := range g.Productions {
		if p := &g.Productions[i]; p.Symbol == symbol {
			return p
		}
	}
	return nil
}

// Count is the exact number of derivations.
func (g Grammar) Count() *big.Int { return g.CountOf(g.Start) }

// CountOf is the exact number of trees that a symbol yields; 1 for a terminal.
func (g Grammar) CountOf(symbol string) *big.Int { return g.count(symbol, map[string]*big.Int{}) }

// CountBranch is the exact number of trees of a symbol that take one of its
// alternatives.
func (g Grammar) CountBranch(symbol string, alternative int) *big.Int {
	ways, known := big.NewInt(1), map[string]*big.Int{}
	for _, s := range g.must(symbol).Alternatives[alternative].Symbols {
		ways.Mul(ways, g.count(s, known))
	}
	return ways
}

// CountWithout is the exact number of derivations that hold none of some terminals.
func (g Grammar) CountWithout(terminals []string) *big.Int {
	known := map[string]*big.Int{}
	for _, t := range terminals {
		known[t] = new(big.Int)
	}
	return g.count(g.Start, known)
}

func (g Grammar) count(symbol string, known map[string]*big.Int) *big.Int {
	if n, ok := known[symbol]; ok {
		return n
	}
	p, ok := g.Production(symbol)
	if !ok {
		return big.NewInt(1)
	}
	total := new(big.Int)
	for _, a := range p.Alternatives {
		ways := big.NewInt(1)
		for _, s := range a.Symbols {
			ways.Mul(ways, g.count(s, known))
		}
		total.Add(total, ways)
	}
	known[symbol] = total
	return total
}

// Terminals are the symbols without a production, in alphabetical order.
func (g Grammar) Terminals() []string {
	var out []string
	for _, p := range g.Productions {
		for _, a := range p.Alternatives {
			for _, s := range a.Symbols {
				if _, ok := g.Production(s); !ok {
					out = append(out, s)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Equal says whether two grammars have the same trees with the same prior.
func (g Grammar) Equal(h Grammar) bool {
	return g.Start == h.Start && slices.EqualFunc(g.Productions, h.Productions, func(p, q Production) bool {
		return p.Symbol == q.Symbol && p.Default == q.Default && slices.EqualFunc(p.Alternatives, q.Alternatives, func(a, b Alternative) bool {
			return a.Probability == b.Probability && slices.Equal(a.Symbols, b.Symbols)
		})
	})
}

// must is the production of a symbol that has one; anything else is a defect.
func (g Grammar) must(symbol string) *Production {
	p := g.find(symbol)
	if p == nil {
		panic(fmt.Sprintf("grammar %s has no production %q", g.Name, symbol))
	}
	return p
}
