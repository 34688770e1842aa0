package search

import (
	"cmp"
	"math"
	"slices"

	"runspec/compiler/space"
	"runspec/runtime/pareto"
)

// weights are the chances of PriorBand's three sources.
type weights struct{ incumbent, prior, random float64 }

// weigh sets the weights at a bracket that begins at a rung. What is left to
// chance shrinks by eta with each rung. The incumbent has a share once it is
// worth one: see active. It is given by its index.
func (m priorBand) weigh(known []Observation, rung, incumbent int) weights {
	w := weights{random: 1 / (1 + math.Pow(float64(m.study.Optimizer.Eta), float64(rung)))}
	w.prior = 1 - w.random
	if m.active(known) {
		share := m.share(known, incumbent)
		w.incumbent, w.prior = w.prior*share, w.prior*(1-share)
	}
	return w
}

// active says whether the incumbent counts: a trial has ended at the top rung,
// and the configurations have together spent what the first bracket trains.
// Each counts with its highest rung, all of it. Both sums are exact: the rungs
// of the ladder are counted in parts of the fraction that the lowest is.
func (m priorBand) active(known []Observation) bool {
	top, eta := len(m.study.Rungs)-1, m.study.Optimizer.Eta
	spent, finished := 0, false
	for _, rung := range climbed(slices.DeleteFunc(slices.Clone(known), m.lost)) {
		spent += power(eta, rung)
		finished = finished || rung == top
	}
	first := power(eta, top)
	if top > 0 {
		first += top * (eta - 1) * power(eta, top-1)
	}
	return finished && spent >= first
}

func power(base, exponent int) int {
	p := 1
	for range exponent {
		p *= base
	}
	return p
}

// latest are the indices of each configuration's trial at its highest rung, by
// the number of the configuration.
func latest(known []Observation) []int {
	at := map[string]int{}
	for i := range known {
		if j, ok := at[known[i].Key]; !ok || known[i].Rung > known[j].Rung {
			at[known[i].Key] = i
		}
	}
	out := make([]int, 0, len(at))
	for _, i := range at {
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b int) int { return cmp.Compare(known[a].Number(), known[b].Number()) })
	return out
}

// share is the incumbent's share of what chance leaves: how well the best of the
// highest rung that has enough of them fit the prior around the incumbent, beside
// how well they fit the prior. The better one is, the more it counts.
func (m priorBand) share(known []Observation, incumbent int) float64 {
	eta := m.study.Optimizer.Eta
	for rung := len(m.study.Rungs) - 1; rung >= 0; rung-- {
		trials := slices.DeleteFunc(at(known, rung), m.lost)
		if len(trials) < eta {
			continue
		}
		n := min(max(len(trials)/eta, eta), len(trials))
		var best []Observation
		for _, i := range m.ranked(trials)[:n] {
			best = append(best, trials[i])
		}
		return m.fit(best, known[m.centre(known, incumbent)].Configuration, climbed(known))
	}
	return 1 / float64(1+eta)
}

func (m priorBand) fit(best []Observation, centre space.Configuration, highest map[string]int) float64 {
	var prior, incumbent float64
	for i, o := range best {
		weight := float64(len(best) - i)
		prior += weight * m.study.Space.Score(o.Configuration, nil, false)
		incumbent += weight * m.study.Space.Score(o.Configuration, centre, m.authors) * m.fidelity(highest[o.Key])
	}
	if prior+incumbent == 0 {
		return 0.5
	}
	return incumbent / (prior + incumbent)
}

// climbed is the highest rung that each configuration has ended at, by its key.
func climbed(known []Observation) map[string]int {
	out := make(map[string]int, len(known))
	for i := range known {
		out[known[i].Key] = max(out[known[i].Key], known[i].Rung)
	}
	return out
}

// fidelity is a factor that the authors' score of the incumbent has by mistake:
// the epochs, those of the highest rung that a configuration has reached, count
// as a parameter with a prior of low confidence around the top rung's.
func (m priorBand) fidelity(rung int) float64 {
	if !m.authors {
		return 1
	}
	epochs, top := m.epochs(rung), m.epochs(len(m.study.Rungs)-1)
	low := float64(m.study.Optimizer.Min)
	return space.TruncatedNormal(epochs, top, space.Low.Spread()*(top-low), low, top)
}

// epochs are those of a rung before they are rounded.
func (m priorBand) epochs(rung int) float64 {
	top := len(m.study.Rungs) - 1
	return float64(m.study.Rungs[top].Epochs) / float64(power(m.study.Optimizer.Eta, top-rung))
}

// centre is the index of the incumbent that scores are taken around. The authors
// take the configuration whose rank at its own highest rung is best, the first
// among equals; here it is the incumbent.
func (m priorBand) centre(known []Observation, incumbent int) int {
	if !m.authors || m.objectives() == 1 {
		return incumbent
	}
	place := make([]float64, len(known))
	for rung := range m.study.Rungs {
		var trials []Observation
		var indices []int
		for i, o := range known {
			if o.Rung == rung && !m.lost(o) {
				trials, indices = append(trials, o), append(indices, i)
			}
		}
		for n, i := range m.ranked(trials) {
			place[indices[i]] = float64(n) / float64(max(1, len(trials)-1))
		}
	}
	return slices.MinFunc(slices.DeleteFunc(latest(known), func(i int) bool { return m.lost(known[i]) }),
		func(a, b int) int { return cmp.Compare(place[a], place[b]) })
}

// incumbent is the index of the observation, of any fidelity, that is changed to
// make new ones: the least loss, or of the front the one that alone dominates
// most; -1 where none succeeded.
func (m priorBand) incumbent(known []Observation) int { return pareto.Incumbent(m.points(known)) }

// ranked orders observations best first; those without objectives are last.
func (m priorBand) ranked(trials []Observation) []int {
	if m.authors {
		return pareto.OrderAuthors(m.points(trials))
	}
	return pareto.Order(m.points(trials))
}

// points are the objectives that the method minimises; a failure has none.
func (m priorBand) points(trials []Observation) [][]float64 {
	out := make([][]float64, len(trials))
	for i, o := range trials {
		if m.lost(o) {
			out[i] = slices.Repeat([]float64{math.NaN()}, m.objectives())
		} else {
			out[i] = o.Objectives[:m.objectives()]
		}
	}
	return out
}

// objectives are how many of the objectives count.
func (m priorBand) objectives() int { return m.study.Optimizer.Kind.Objectives() }

// lost says whether a trial has no objectives to compare by.
func (m priorBand) lost(o Observation) bool {
	return o.Failed || len(o.Objectives) < m.objectives() || pareto.Failed(o.Objectives[:m.objectives()])
}
