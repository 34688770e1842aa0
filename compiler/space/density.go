package space

import "math"

// Density is the density at which Sample draws c: the product over the active
// parameters of a number's density over its range in the sampling scale, scaled
// to [0, 1], and of a choice's or derivation's probability. It is 0 for a
// configuration that s does not contain.
func (s Space) Density(c Configuration, usePrior bool) float64 {
	if s.Contains(c) != nil {
		return 0
	}
	density := 1.0
	for _, p := range s.Parameters {
		if v, ok := c[p.Name]; ok {
			density *= p.Density(v, usePrior && p.believed())
		}
	}
	return density
}

// Density is the density at which one value of p is drawn, from its prior or
// uniformly; see Space.Density.
func (p Parameter) Density(v Value, prior bool) float64 {
	if !p.contains(v) {
		return 0
	}
	switch p.Kind {
	case Float, Int:
		if !prior {
			return 1
		}
		x, _ := v.Float()
		return p.normalDensity(p.unit(x))
	case Grammar:
		d, _ := p.Derivation(v)
		return p.Grammar.Density(d, prior)
	}
	n := float64(max(len(p.Choices), 1))
	if p.Kind == Bool {
		n = 2
	}
	switch {
	case !prior:
		return 1 / n
	case v == *p.Default:
		return p.Prior.Weight() / (p.Prior.Weight() + n - 1)
	}
	return 1 / (p.Prior.Weight() + n - 1)
}

// normalDensity is that of the truncated normal around the default, at u.
func (p Parameter) normalDensity(u float64) float64 {
	d, _ := p.Default.Float()
	std := p.Prior.Spread()
	z := func(u float64) float64 { return (u - p.unit(d)) / std }
	mass := (math.Erfc(-z(1)/math.Sqrt2) - math.Erfc(-z(0)/math.Sqrt2)) / 2
	return math.Exp(-z(u)*z(u)/2) / (std * math.Sqrt(2*math.Pi) * mass)
}
