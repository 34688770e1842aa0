package space

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Sample draws a configuration: uniformly in the sampling scale or, where
// usePrior is set and the parameter has a prior, from it. Parameters whose
// conditions fail are absent. Every parameter draws in the order of the
// conditions, so the result depends on rng alone.
func (s Space) Sample(rng *rand.Rand, usePrior bool) Configuration {
	c := Configuration{}
	sorted, _ := s.order()
	for _, p := range sorted {
		if s.active(p, c) {
			c[p.Name] = p.sample(rng, usePrior && p.believed())
		}
	}
	return c
}

// believed says whether a parameter has a prior.
func (p Parameter) believed() bool {
	return p.Kind == Grammar || p.Prior != "" && p.Default != nil
}

func (p Parameter) sample(rng *rand.Rand, prior bool) Value {
	switch p.Kind {
	case Float, Int:
		if prior {
			return p.at(p.truncatedNormal(rng))
		}
		return p.at(rng.Float64())
	case Bool:
		return p.choose(rng, []Value{Truth(false), Truth(true)}, prior)
	case Grammar:
		return Text(p.Grammar.Sample(rng, prior).String())
	}
	return p.choose(rng, p.Choices, prior)
}

// choose draws among choices: equally, or with the prior's weight on the default.
func (p Parameter) choose(rng *rand.Rand, choices []Value, prior bool) Value {
	if !prior {
		return choices[rng.IntN(len(choices))]
	}
	w := p.Prior.Weight()
	u := rng.Float64() * (w + float64(len(choices)-1))
	if u < w {
		return *p.Default
	}
	others := slices.DeleteFunc(slices.Clone(choices), func(v Value) bool { return v == *p.Default })
	return others[min(int(u-w), len(others)-1)]
}

// truncatedNormal draws from the normal around the default, by rejection: at
// least a third of the draws fall inside, even with the default on a bound.
func (p Parameter) truncatedNormal(rng *rand.Rand) float64 {
	d, _ := p.Default.Float()
	centre := p.unit(d)
	for {
		if u := centre + p.Prior.Spread()*rng.NormFloat64(); u >= 0 && u <= 1 {
			return u
		}
	}
}

// bounds are the range in the sampling scale. An integer's is widened by just
// under a half on either side, so that its ends are as likely as the rest.
func (p Parameter) bounds() (low, high float64) {
	low, high = p.Low, p.High
	if p.Kind == Int {
		low, high = low-0.499999, high+0.499999
	}
	if p.Log {
		return math.Log(low), math.Log(high)
	}
	return low, high
}

// at is the value at u in [0, 1] of the range in the sampling scale.
func (p Parameter) at(u float64) Value {
	low, high := p.bounds()
	x := low + u*(high-low)
	if p.Log {
		x = math.Exp(x)
	}
	if p.Kind == Int {
		x = math.RoundToEven(x)
	}
	return Number(min(max(x, p.Low), p.High))
}

// unit is the inverse of at.
func (p Parameter) unit(v float64) float64 {
	low, high := p.bounds()
	if p.Log {
		v = math.Log(v)
	}
	return (v - low) / (high - low)
}
