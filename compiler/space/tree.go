package space

import (
	"fmt"
	"math/rand/v2"

	"runspec/compiler/grammar"
)

// redraws is how often a mutation is tried that changes nothing, as in
// Auto-nnU-Net's optimiser.
const redraws = 10

// Derivation reads a value of a grammar parameter.
func (p Parameter) Derivation(v Value) (grammar.Derivation, error) {
	text, ok := v.Text()
	if !ok {
		return grammar.Derivation{}, fmt.Errorf("a derivation is a text, not %v", v)
	}
	return p.Grammar.Parse(text)
}

// MutateTree is another derivation of a grammar parameter: bananas mutation,
// redrawn until something changed. A value that is no derivation, and the only
// one of its grammar, stay as they are.
func (p Parameter) MutateTree(rng *rand.Rand, v Value) Value {
	d, err := p.Derivation(v)
	if err != nil {
		return v
	}
	for range redraws {
		if m := p.Grammar.Mutate(rng, d); !m.Equal(d) {
			return Text(m.String())
		}
	}
	return v
}

// CrossTrees swaps a subtree between two derivations of a grammar parameter;
// false where they share none.
func (p Parameter) CrossTrees(rng *rand.Rand, v, w Value) (Value, Value, bool) {
	a, err := p.Derivation(v)
	if err != nil {
		return v, w, false
	}
	b, err := p.Derivation(w)
	if err != nil {
		return v, w, false
	}
	c, d, ok := p.Grammar.CrossOver(rng, a, b)
	return Text(c.String()), Text(d.String()), ok
}
