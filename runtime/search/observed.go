package search

import (
	"math"
	"slices"

	"runspec/compiler/space"
)

// modelled is how many objectives a surrogate models: the first two.
const modelled = 2

// successes are the observations that can be modelled: these themselves where
// all can.
func successes(ended []Observation) []Observation {
	if !slices.ContainsFunc(ended, lost) {
		return ended
	}
	return slices.DeleteFunc(slices.Clone(ended), lost)
}

// lost says whether an observation has no finite objectives.
func lost(o Observation) bool {
	return failed(o) || slices.ContainsFunc(o.Objectives[:min(modelled, len(o.Objectives))], func(y float64) bool { return math.IsNaN(y) || math.IsInf(y, 0) })
}

// imputed gives the failures the worst that a success of their rung came to, so
// that their surroundings are avoided; those without such are left out.
func imputed(ended []Observation) []Observation {
	if !slices.ContainsFunc(ended, lost) {
		return ended
	}
	worst := map[int][]float64{}
	for _, o := range ended {
		if lost(o) {
			continue
		}
		w := slices.Clone(o.Objectives)
		for j, y := range worst[o.Rung] {
			w[j] = max(w[j], y)
		}
		worst[o.Rung] = w
	}
	var out []Observation
	for _, o := range ended {
		if lost(o) {
			if o.Objectives = worst[o.Rung]; o.Objectives == nil {
				continue
			}
		}
		out = append(out, o)
	}
	return out
}

// positive says of each modelled objective whether it is above zero
// everywhere, so that its logarithm can be taken.
func positive(ended []Observation) []bool {
	out := make([]bool, min(modelled, len(ended[0].Objectives)))
	for j := range out {
		out[j] = !slices.ContainsFunc(ended, func(o Observation) bool { return o.Objectives[j] <= 0 })
	}
	return out
}

// chosen are the n observations that a surrogate is made of where there are
// more: those of the highest rungs, the latest of each.
func (m bayes) chosen(ended []Observation, n int) []Observation {
	if len(ended) <= n {
		return ended
	}
	out := make([]Observation, 0, n)
	for k := m.top(); k >= 0; k-- {
		for i := len(ended) - 1; i >= 0 && len(out) < n; i-- {
			if ended[i].Rung == k {
				out = append(out, ended[i])
			}
		}
	}
	return out
}

// memory keeps kernels with the observations that they were fitted on. It saves
// time and changes nothing.
type memory struct {
	prefix  []Observation
	scales  []bool           // by objective: its logarithms were fitted
	kernels map[int][]kernel // by length of the prefix
	latest  *surrogate
	of      []kernel              // the latest surrogate's
	places  map[string]located    // of configurations, by key
	spare   []space.Configuration // candidates that are none any more
}

// empty is a configuration to fill, with room for that many parameters.
func (m *memory) empty(parameters int) space.Configuration {
	last := len(m.spare) - 1
	if last < 0 {
		return make(space.Configuration, parameters)
	}
	c := m.spare[last]
	m.spare = m.spare[:last]
	clear(c)
	return c
}

// located is a configuration's place at the top rung.
type located struct {
	coordinates
	name string
}

// surrogate is the latest one where it has the same kernels, else a new one.
func (m bayes) surrogate(kernels []kernel) *surrogate {
	if m.memory.latest == nil || &m.memory.of[0] != &kernels[0] {
		m.memory.latest, m.memory.of = newSurrogate(m.encode, kernels), kernels
	}
	return m.memory.latest
}

// kernels are fitted on the first observations: as many as the last of the
// numbers 6, 9, 13, … has reached, beginning from the fit before.
func (m bayes) kernels(ended []Observation, logarithmic []bool) []kernel {
	m.memory.recall(ended, logarithmic)
	n := 6
	for n*3/2 <= len(ended) {
		n = n * 3 / 2
	}
	return m.fitUpTo(ended, logarithmic, n)
}

func (m bayes) fitUpTo(ended []Observation, logarithmic []bool, n int) []kernel {
	if k, ok := m.memory.kernels[n]; ok {
		return k
	}
	var before, out []kernel
	if n == 6 || len(ended) < 6 {
		for range logarithmic {
			before = append(before, m.initialKernel())
		}
	} else {
		last := 6
		for last*3/2 < n {
			last = last * 3 / 2
		}
		before = m.fitUpTo(ended, logarithmic, last)
	}
	if len(ended) < n || m.lacks[Fitting] {
		return before
	}
	points, values := m.table(m.chosen(ended[:n], fitted), logarithmic)
	for j, k := range before {
		out = append(out, m.encode.fit(k, m.initialKernel(), points, values[j]))
	}
	m.memory.kernels[n] = out
	return out
}

// initialKernel is what a kernel is before anything is known.
func (m bayes) initialKernel() kernel {
	k := m.encode.initialKernel()
	if m.lacks[Pairs] {
		k.pairs = 0
	}
	if m.lacks[Product] {
		k.product = 0
	}
	return k
}

// recall forgets what was fitted on other observations than these, or on other
// scales.
func (m *memory) recall(ended []Observation, logarithmic []bool) {
	same := 0
	if !slices.Equal(m.scales, logarithmic) {
		m.prefix = nil
	}
	for same < min(len(ended), len(m.prefix)) && equal(ended[same], m.prefix[same]) {
		same++
	}
	fits := map[int][]kernel{}
	for n, k := range m.kernels {
		if n <= same {
			fits[n] = k
		}
	}
	m.prefix, m.scales, m.kernels = ended[:len(ended):len(ended)], logarithmic, fits
}

func equal(a, b Observation) bool {
	return a.ID == b.ID && a.Key == b.Key && slices.Equal(a.Objectives, b.Objectives)
}
