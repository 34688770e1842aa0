package search

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"runspec/compiler/plan"
	"runspec/compiler/space"
)

// priorBand is PriorBand (Mallik et al. 2023) on Hyperband's brackets, and, with
// several objectives, Auto-nnU-Net's Regularized PriorBand. A bracket opens when
// of the one before it only the last rung is left, and nothing of those before
// that: few workers have work at a last rung, the others go on. What a bracket's
// configurations are drawn from has ended by then, and is the same whatever else
// has: all of the brackets before, but for the last rung of the latest. So any
// number of workers draws the same.
//
// The authors' optimiser lets each configuration see every trial that has ended.
// With compat "authors" that is so here, and there is therefore one trial at a
// time.
type priorBand struct {
	study   plan.Study
	first   []int // index of each bracket's first configuration in the study
	authors bool
	known   []Observation // taken over from other runs
	latest  *opened
}

// opened is the latest bracket's source with what it was made of. It saves time
// and changes nothing.
type opened struct {
	bracket int
	known   []Observation
	source  source
}

func newPriorBand(study plan.Study) priorBand {
	m, first := priorBand{study: study, authors: study.Optimizer.Compat == plan.CompatAuthors, latest: &opened{}}, 0
	for _, b := range study.Brackets {
		m.first = append(m.first, first)
		first += b.Trials[0]
	}
	m.known = takenOver(study)
	return m
}

// takenOver are the plan's observations of other runs. They are known before the
// first bracket; what stands there is not drawn again.
func takenOver(study plan.Study) (out []Observation) {
	for i, k := range study.Known {
		rung := slices.IndexFunc(study.Rungs, func(r plan.Rung) bool { return r.Epochs == k.Epochs })
		key, err := Key(k.Configuration)
		if rung < 0 || err != nil {
			continue // of another ladder; Adopt has said so
		}
		t := Trial{ID: fmt.Sprintf("%s-known%d", study.Name, i), Study: study.Name, Configuration: k.Configuration, Key: key, Rung: rung, Epochs: k.Epochs, Bracket: before}
		out = append(out, Observation{Trial: t, Objectives: k.Objectives})
	}
	return out
}

// Ask proposes the trials of the open rung of each open bracket, first bracket
// first.
func (m priorBand) Ask(history []Observation, running []Trial, n int) []Trial {
	past, n := m.past(history), min(n, m.study.Optimizer.Trials)
	var out []Trial
	waiting, drawn := -1, map[string]bool{}
	for b, bracket := range m.study.Brackets {
		if len(out) >= n || waiting >= 0 && waiting < b-1 {
			break
		}
		if past.complete(b) {
			continue
		}
		open, over := m.open(past, b, max(n+len(running), alone(bracket)), drawn)
		if over {
			continue
		}
		out = append(out, m.begin(open, running, n-len(out))...)
		if m.authors || open[0].Rung < bracket.Rung+len(bracket.Trials)-1 {
			break
		}
		if waiting < 0 {
			waiting = b
		}
		for _, t := range open {
			drawn[t.Key] = true
		}
	}
	return out
}

// alone is how many configurations a bracket of a single rung has: the bracket
// after it may open before they have ended, and has to know them all.
func alone(b plan.Bracket) int {
	if len(b.Trials) > 1 {
		return 0
	}
	return b.Trials[0]
}

// begin leaves out what runs already. The authors' method has one trial at a time.
func (m priorBand) begin(open, running []Trial, n int) []Trial {
	if m.authors {
		if len(running) > 0 {
			return nil
		}
		n = min(n, 1)
	}
	return start(open, nil, running, n)
}

// Done is true once every bracket has ended.
func (m priorBand) Done(history []Observation) bool {
	past := m.past(history)
	for b := range m.study.Brackets {
		if past.complete(b) {
			continue
		}
		if _, over := m.open(past, b, 1, nil); !over {
			return false
		}
	}
	return true
}

// open returns the trials of a bracket that its history lacks and that may
// begin or run, up to n; over says that nothing of the bracket is left. What is
// drawn already, in the bracket before, is not drawn again.
func (m priorBand) open(past *past, b, n int, drawn map[string]bool) (open []Trial, over bool) {
	if open = m.base(past, b, n, drawn); len(open) > 0 {
		return open, false
	}
	for k := 1; k < len(m.study.Brackets[b].Trials); k++ {
		if open = m.promoted(past, b, k); len(open) > 0 {
			return open, false
		}
	}
	return nil, true
}

// base draws the configurations of a bracket's lowest rung that have not ended.
func (m priorBand) base(past *past, b, n int, drawn map[string]bool) []Trial {
	bracket, first := m.study.Brackets[b], m.first[b]
	if past.counts[b][0].ended == bracket.Trials[0] {
		return nil
	}
	seen, from := past.keys(b), source{}
	maps.Copy(seen, drawn)
	var out []Trial
	for i := first; i < first+bracket.Trials[0] && len(out) < n; i++ {
		if past.has(b, bracket.Rung, i) {
			continue
		}
		if from.study == nil {
			from = m.source(m.before(past, b), b)
		}
		c, found := from.draw(i, seen)
		if !found {
			break
		}
		seen[c.key] = true
		t := trial(m.study, i, bracket.Rung, c, "")
		t.Bracket = b
		out = append(out, t)
	}
	return out
}

// promoted are the best of the rung below that have not been promoted, as many
// as the k-th rung of the bracket has room for.
func (m priorBand) promoted(past *past, b, k int) []Trial {
	bracket, count := m.study.Brackets[b], past.counts[b]
	room := min(bracket.Trials[k], count[k-1].succeeded) - count[k].ended
	if room <= 0 {
		return nil
	}
	rung := bracket.Rung + k
	below := at(past.upTo(b), rung-1)
	var out []Trial
	for _, i := range m.ranked(below) {
		o := below[i]
		if len(out) == room || m.lost(o) {
			break
		}
		if number := o.Number() - m.study.First; o.Bracket == b && !past.has(b, rung, number) {
			t := trial(m.study, number, rung, keyed{o.Configuration, o.Key}, o.ID)
			t.Bracket = b
			out = append(out, t)
		}
	}
	return out
}

// before is what a bracket's configurations may be drawn from: the brackets
// before it, but for the last rung of the latest; the authors' from everything.
func (m priorBand) before(past *past, b int) []Observation {
	switch {
	case m.authors:
		return past.observations
	case b == 0:
		return past.upTo(before)
	}
	latest := m.study.Brackets[b-1]
	return past.below(b-1, latest.Rung+len(latest.Trials)-1)
}

// source is what a bracket's configurations are drawn from.
type source struct {
	study     *plan.Study
	incumbent space.Configuration
	weights   weights
}

func (m priorBand) source(known []Observation, b int) source {
	if l := m.latest; l.source.study != nil && l.bracket == b && slices.EqualFunc(l.known, known, equal) {
		return l.source
	}
	best := m.incumbent(known)
	s := source{study: &m.study, weights: m.weigh(known, m.study.Brackets[b].Rung, best)}
	if best >= 0 {
		s.incumbent = known[best].Configuration
	}
	*m.latest = opened{b, known, s}
	return s
}

// draw draws the i-th configuration of the study, from a stream of its own: one
// that is not there yet; false where none is found.
func (s source) draw(i int, seen map[string]bool) (keyed, bool) {
	rng := rand.New(rand.NewPCG(s.study.Seed, uint64(s.study.First+i)))
	if i == 0 && s.study.Optimizer.Default {
		c, err := withKey(s.study.Space.Default())
		return c, err == nil
	}
	for try := range redraws {
		c, err := withKey(s.one(rng, try >= redraws/2))
		if err != nil || !seen[c.key] {
			return c, err == nil
		}
	}
	return keyed{}, false
}

// one draws from a source that is drawn by the weights. The last tries are
// uniform, as a confident prior may never leave its category.
func (s source) one(rng *rand.Rand, uniform bool) space.Configuration {
	switch u := rng.Float64(); {
	case uniform:
		return s.study.Space.Sample(rng, false)
	case s.incumbent != nil && u < s.weights.incumbent:
		return s.study.Space.Mutate(rng, s.incumbent)
	case u < s.weights.incumbent+s.weights.prior:
		return s.study.Space.Sample(rng, true)
	}
	return s.study.Space.Sample(rng, false)
}
