package search

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"

	"runspec/compiler/space"
)

// How many configurations a proposal is chosen among.
const (
	recent    = 12 // from lower rungs, which could climb
	drawn     = 40 // from prior, uniform distribution and around the front
	refined   = 24 // around the best of those
	refiners  = 4  // how many are the best
	fromPrior = 0.34
	uniform   = 0.16 // the rest is drawn around the front
)

// fresh draws a configuration that has no trial: mostly from the prior, where
// the study uses it, but never always, since it may mislead.
func (m bayes) fresh(s *state, rng *rand.Rand) (keyed, bool) {
	for try := range redraws {
		prior := m.study.Optimizer.Prior && try < redraws/2 && rng.Float64() < 0.75
		c, err := withKey(m.study.Space.Sample(rng, prior))
		if _, seen := s.highest[m.encode.encode(c.Configuration, 1).name()]; err == nil && !seen {
			return c, true
		}
	}
	return keyed{}, false
}

// candidates are configurations with the improvement expected of them at the
// top rung, per epoch that the trial costs: one that continues may be cheaper.
type candidates struct {
	bayes
	state *state
	view  view
	rung  int
	seen  map[string]bool
	list  []candidate
	drawn []space.Configuration // for this proposal alone
	at    coordinates           // of the latest: room for work
}

type candidate struct {
	space.Configuration
	gain float64
}

// choose finds the configuration of which most is expected at the top rung,
// among those that have not been at the given rung. At a lower rung it is the
// same: a cheap look at what seems best.
func (m bayes) choose(s *state, rung int, rng *rand.Rand) (keyed, bool) {
	view, ok := m.look(s)
	if !ok || m.lacks[Surrogate] {
		return m.fresh(s, rng)
	}
	pool := &candidates{bayes: m, state: s, view: view, rung: rung, seen: map[string]bool{}}
	if !m.lacks[Promotion] {
		pool.climbers()
	}
	for range drawn {
		pool.try(m.draw(view, rng))
	}
	for _, size := range []float64{0.1, 0.05} {
		if m.lacks[Refinement] {
			break
		}
		best := pool.best(refiners)
		for range refined / 2 {
			if len(best) > 0 {
				pool.try(m.mutate(best[rng.IntN(len(best))].Configuration, size, rng))
			}
		}
	}
	defer pool.clear()
	if best := pool.best(1); len(best) > 0 {
		c, err := withKey(maps.Clone(best[0].Configuration))
		return c, err == nil
	}
	return m.fresh(s, rng)
}

// try adds a configuration that was drawn for this proposal.
func (p *candidates) try(c space.Configuration) {
	p.drawn = append(p.drawn, c)
	p.add(c)
}

// clear leaves what was drawn to the next proposal to overwrite.
func (p *candidates) clear() { p.memory.spare = append(p.memory.spare, p.drawn...) }

func (p *candidates) add(c space.Configuration) {
	p.at = p.encode.encodeInto(p.at[:0], c, 1)
	name := p.at.name()
	h, known := p.state.highest[name]
	if p.seen[name] || known && h.Rung >= p.rung {
		return
	}
	p.seen[name] = true
	price := 1
	if !p.lacks[Price] {
		price = p.state.ledger.Price(p.rung, known && h.below(p.rung))
	}
	p.list = append(p.list, candidate{c, p.view.gain(p.at) / float64(price)})
}

// climbers adds the latest configurations whose highest rung is a lower one.
func (p *candidates) climbers() {
	for i := len(p.state.ended) - 1; i >= 0 && len(p.list) < recent; i-- {
		o := p.state.ended[i]
		if !lost(o) && o.Rung < p.rung {
			p.add(o.Configuration)
		}
	}
}

// best are up to n candidates, best first; ties go to the earlier.
func (p *candidates) best(n int) []candidate {
	slices.SortStableFunc(p.list, func(a, b candidate) int { return cmp.Compare(b.gain, a.gain) })
	return slices.Clone(p.list[:min(n, len(p.list))])
}

// draw makes a configuration: from the prior, uniformly or around the front.
func (m bayes) draw(v view, rng *rand.Rand) space.Configuration {
	switch u := rng.Float64(); {
	case u < fromPrior && m.study.Optimizer.Prior:
		return m.sample(rng, true)
	case u < fromPrior+uniform || len(v.front) == 0 || m.lacks[Mutation]:
		return m.sample(rng, false)
	}
	return m.mutate(v.front[rng.IntN(len(v.front))], 0.2, rng)
}

// sample is Space.Sample with its order of the parameters at hand.
func (m bayes) sample(rng *rand.Rand, prior bool) space.Configuration {
	out := m.memory.empty(len(m.sorted))
	for _, p := range m.sorted {
		if m.study.Space.Active(p, out) {
			out[p.Name] = m.drawn(p, rng, prior)
		}
	}
	return out
}

// drawn draws a value.
func (m bayes) drawn(p space.Parameter, rng *rand.Rand, prior bool) space.Value {
	if f := m.encode.trees[p.Name]; f != nil {
		return f.draw(rng, prior)
	}
	return p.Draw(rng, prior)
}

// mutate changes one parameter at least, and each other with a chance that
// makes it one or two more. Numbers move by a normal step of the given size in
// their sampling scale, choices are drawn anew, a subtree of a derivation is. Where a changed parent activates
// a parameter, that is drawn; where it deactivates one, that is dropped.
func (m bayes) mutate(c space.Configuration, size float64, rng *rand.Rand) space.Configuration {
	out := m.memory.empty(len(m.sorted))
	forced, chance := rng.IntN(len(m.sorted)), 1.5/float64(len(m.sorted))
	if rng.Float64() < 0.3 {
		chance *= 2
	}
	for i, p := range m.sorted {
		if !m.study.Space.Active(p, out) {
			continue
		}
		v, had := c[p.Name]
		if changed := i == forced || rng.Float64() < chance; !had {
			v = m.drawn(p, rng, m.study.Optimizer.Prior)
		} else if changed {
			v = m.change(p, v, size, rng)
		}
		out[p.Name] = v
	}
	return out
}

func (m bayes) change(p space.Parameter, v space.Value, size float64, rng *rand.Rand) space.Value {
	if f := m.encode.trees[p.Name]; f != nil {
		return f.mutate(v, rng)
	}
	if p.Kind != space.Float && p.Kind != space.Int {
		return p.Draw(rng, false)
	}
	u := p.Place(v) + size*rng.NormFloat64()
	if u < 0 {
		u = -u
	}
	if u > 1 {
		u = 2 - u
	}
	return p.At(min(max(u, 0), 1))
}
