package space

import (
	"math"
	"math/big"
)

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

// Count is the number of configurations of a finite space, conditions
// respected; nil where a parameter is a float or a condition asks what a
// derivation holds.
func (s Space) Count() *big.Int {
	sorted, _ := s.order()
	return s.count(sorted, Configuration{})
}

// count is the number of ways to complete c with the parameters of rest. Only
// parents are enumerated: the rest are factors.
func (s Space) count(rest []Parameter, c Configuration) *big.Int {
	total := big.NewInt(1)
	for i, p := range rest {
		if !s.active(p, c) {
			continue
		}
		values := p.values()
		switch {
		case p.Kind == Float, p.Kind == Grammar && s.parent(p.Name):
			return nil
		case !s.parent(p.Name):
			total.Mul(total, p.Count())
		default:
			sum := new(big.Int)
			for _, v := range values {
				next := Configuration{p.Name: v}
				for k, w := range c {
					next[k] = w
				}
				n := s.count(rest[i+1:], next)
				if n == nil {
					return nil
				}
				sum.Add(sum, n)
			}
			return total.Mul(total, sum)
		}
	}
	return total
}

// parent says whether a condition asks for the parameter.
func (s Space) parent(name string) bool {
	for _, p := range s.Parameters {
		for _, w := range p.When {
			if w.Parent == name {
				return true
			}
		}
	}
	return false
}

// Count is the number of p's values; nil for a float.
func (p Parameter) Count() *big.Int {
	switch p.Kind {
	case Float:
		return nil
	case Int:
		return big.NewInt(int64(p.High) - int64(p.Low) + 1)
	case Bool:
		return big.NewInt(2)
	case Grammar:
		return p.Grammar.Count()
	}
	return big.NewInt(int64(len(p.Choices)))
}

// values lists the values that a condition may ask for.
func (p Parameter) values() []Value {
	switch p.Kind {
	case Bool:
		return []Value{Truth(false), Truth(true)}
	case Int:
		var out []Value
		for x := p.Low; x <= p.High; x++ {
			out = append(out, Number(x))
		}
		return out
	}
	return p.Choices
}
