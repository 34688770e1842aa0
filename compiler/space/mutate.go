package space

import (
	"math"
	"math/rand/v2"
	"slices"
)

// How Auto-nnU-Net's optimiser mutates: every parameter with an even chance,
// numbers by a normal of this deviation in the sampling scale, and again while
// nothing has changed.
const (
	mutationRate      = 0.5
	mutationDeviation = 0.25
	mutationTries     = 50
)

// Mutate changes about half of a configuration's active parameters. One that
// becomes active through another's change is drawn from its prior; one that
// becomes inactive goes. In a space of one point the configuration stays.
func (s Space) Mutate(rng *rand.Rand, c Configuration) Configuration {
	sorted, _ := s.order()
	for range mutationTries {
		m, changed := Configuration{}, false
		for _, p := range sorted {
			if !s.active(p, m) {
				continue
			}
			old, had := c[p.Name]
			switch {
			case !had:
				m[p.Name] = p.sample(rng, p.believed())
			case rng.Float64() < mutationRate:
				m[p.Name] = p.mutate(rng, old)
			default:
				m[p.Name] = old
			}
			changed = changed || m[p.Name] != old
		}
		if changed {
			return m
		}
	}
	return c
}

// mutate is another value near v, where there is one.
func (p Parameter) mutate(rng *rand.Rand, v Value) Value {
	switch p.Kind {
	case Float, Int:
		return p.step(rng, v)
	case Grammar:
		return p.MutateTree(rng, v)
	}
	others := slices.DeleteFunc(slices.Clone(p.Options()), func(o Value) bool { return o == v })
	if len(others) == 0 {
		return v
	}
	return others[rng.IntN(len(others))]
}

// step draws around a number until it is inside the range, and an integer until
// it is another.
func (p Parameter) step(rng *rand.Rand, v Value) Value {
	if p.Low == p.High {
		return v
	}
	x, _ := v.Float()
	centre := p.unit(x)
	for {
		u := centre + mutationDeviation*rng.NormFloat64()
		if u < 0 || u > 1 {
			continue
		}
		if next := p.at(u); p.Kind == Float || next != v {
			return next
		}
	}
}

// Score says how well a configuration fits the prior, or, with a centre, the
// same prior around that configuration: the product over the active parameters
// of the density of the standardised truncated normal, or of a choice's
// probability, as PriorBand weighs them. A derivation keeps its grammar's own
// prior, and so does a parameter that the centre lacks. With numbersOnly, choices
// keep theirs too, as in Auto-nnU-Net's optimiser.
func (s Space) Score(c, centre Configuration, numbersOnly bool) float64 {
	score := 1.0
	for _, p := range s.Parameters {
		v, ok := c[p.Name]
		if !ok || !p.believed() || !p.contains(v) {
			continue
		}
		if m, given := centre[p.Name]; given && p.Kind != Grammar && (!numbersOnly || p.Kind == Float || p.Kind == Int) {
			p.Default = &m
		}
		if p.Kind == Float || p.Kind == Int {
			score *= p.standardised(v)
		} else {
			score *= p.Density(v, true)
		}
	}
	return score
}

// standardised is the density of a number in units of the prior's deviation. An
// integer's range is not widened here, unlike where it is drawn (NePS).
func (p Parameter) standardised(v Value) float64 {
	x, _ := v.Float()
	centre, _ := p.Default.Float()
	low, high := p.Low, p.High
	if p.Log {
		x, centre, low, high = math.Log(x), math.Log(centre), math.Log(low), math.Log(high)
	}
	return TruncatedNormal(x, centre, p.Prior.Spread()*(high-low), low, high)
}

// TruncatedNormal is the density of a normal that is cut to a range, at x, in
// units of its deviation.
func TruncatedNormal(x, centre, deviation, low, high float64) float64 {
	if deviation == 0 {
		return 1
	}
	z := func(x float64) float64 { return (x - centre) / deviation }
	mass := (math.Erfc(-z(high)/math.Sqrt2) - math.Erfc(-z(low)/math.Sqrt2)) / 2
	return math.Exp(-z(x)*z(x)/2) / (math.Sqrt(2*math.Pi) * mass)
}
