package space

import "math/rand/v2"

// Sorted returns the parameters so that parents precede the children that their
// values activate.
func (s Space) Sorted() []Parameter {
	sorted, _ := s.order()
	return sorted
}

// Active says whether all of the parameter's conditions hold in c.
func (s Space) Active(p Parameter, c Configuration) bool { return s.active(p, c) }

// Place is where a numeric value lies in the parameter's range, from 0 to 1 in
// its sampling scale; At is its inverse.
func (p Parameter) Place(v Value) float64 {
	f, _ := v.Float()
	return p.unit(f)
}

// At is the numeric value at a place in [0, 1] of the parameter's range in its
// sampling scale.
func (p Parameter) At(u float64) Value { return p.at(u) }

// Options are the values that a parameter without a scale may have.
func (p Parameter) Options() []Value {
	if p.Kind == Bool {
		return []Value{Truth(false), Truth(true)}
	}
	return p.Choices
}

// Draw draws one value: uniformly or, where there is one, from the prior.
func (p Parameter) Draw(rng *rand.Rand, usePrior bool) Value {
	return p.sample(rng, usePrior && p.believed())
}
