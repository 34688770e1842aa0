package search

import (
	"math"
	"math/bits"
	"slices"
)

// surrogate is a Gaussian process for each objective over configurations and
// fidelity, conditioned on the same points (Rasmussen and Williams 2006,
// algorithm 2.1).
type surrogate struct {
	encoder
	columns    [][]float64 // by coordinate, of all points
	size       int         // points
	objectives []process
	similar    []float64 // by point and coordinate: room for work
}

// process is one objective of a surrogate.
type process struct {
	kernel
	share         []float64
	own           float64  // the kernel's variance
	factor        triangle // of the covariance
	alpha         []float64
	centre, scale float64 // of the values
	column        []float64
}

// newSurrogate makes a surrogate with the given kernels, and no points yet.
func newSurrogate(e encoder, kernels []kernel) *surrogate {
	s := &surrogate{encoder: e, columns: make([][]float64, len(e.axes))}
	for _, k := range kernels {
		s.objectives = append(s.objectives, process{kernel: k, share: k.shares(), own: k.variance()})
	}
	return s
}

// condition makes the surrogate one of the given points and, by objective, their
// values. Rows of the factors are kept as far as the points are the same.
func (s *surrogate) condition(points []coordinates, values [][]float64) {
	same := 0
	for same < min(s.size, len(points)) && s.has(same, points[same]) {
		same++
	}
	s.truncate(same)
	for _, x := range points[same:] {
		s.include(x)
	}
	for j := range s.objectives {
		p := &s.objectives[j]
		p.centre, p.scale = spreadOf(values[j])
		p.alpha = make([]float64, len(points))
		for i, v := range values[j] {
			p.alpha[i] = (v - p.centre) / p.scale
		}
		p.factor.forward(p.alpha)
		p.factor.backward(p.alpha)
	}
}

// has says whether x is the i-th point.
func (s *surrogate) has(i int, x coordinates) bool {
	for d, v := range x {
		if s.columns[d][i] != v {
			return false
		}
	}
	return true
}

// truncate drops all points after the first n.
func (s *surrogate) truncate(n int) {
	s.size = n
	for d := range s.columns {
		s.columns[d] = s.columns[d][:n]
	}
	for j := range s.objectives {
		p := &s.objectives[j]
		p.factor, p.column = p.factor[:n], p.column[:n]
	}
}

// include adds a point to the factors, a row each.
func (s *surrogate) include(x coordinates) {
	s.covariances(x)
	for j := range s.objectives {
		p := &s.objectives[j]
		row := append(make([]float64, 0, s.size+1), p.column...)
		p.factor.forward(row)
		rest := p.own + p.noise - dot(row, row)
		p.factor = append(p.factor, append(row, math.Sqrt(max(rest, p.noise/2))))
		p.column = append(p.column, 0)
	}
	for d, v := range x {
		s.columns[d] = append(s.columns[d], v)
	}
	s.size++
	s.similar = slices.Grow(s.similar[:0], s.size*len(s.axes))[:s.size*len(s.axes)]
}

// believe adds a point whose value is what the processes expect there: a trial
// that is still running. No mean changes; the deviations near it shrink.
func (s *surrogate) believe(x coordinates) {
	s.include(x)
	for j := range s.objectives {
		s.objectives[j].alpha = append(s.objectives[j].alpha, 0)
	}
}

// covariances fills each process' column with the covariances of x and the
// points.
func (s *surrogate) covariances(x coordinates) {
	for d, column := range s.columns {
		s.similarities(d, x[d], column)
	}
	n := len(x)
	for j := range s.objectives {
		p := &s.objectives[j]
		weights, shares := p.weights[:n], p.share[:n]
		i := 0
		for ; i+1 < s.size; i += 2 { // two at a time: each waits for its own product
			a, b := gatherTwo(s.similar[i*n:i*n+n], s.similar[i*n+n:i*n+2*n], weights, shares)
			p.column[i], p.column[i+1] = p.covariance(a), p.covariance(b)
		}
		if i < s.size {
			g := sums{product: 1}
			for d, similar := range s.similar[i*n : i*n+n] {
				g.add(similar, weights[d], shares[d])
			}
			p.column[i] = p.covariance(g)
		}
	}
}

// gatherTwo gathers the orders of two covariances, as sums.add does.
func gatherTwo(similar, other, weights, shares []float64) (a, b sums) {
	n := len(similar)
	other, weights, shares = other[:n], weights[:n], shares[:n]
	var la, lb, qa, qb float64
	pa, pb := 1.0, 1.0
	for d, s := range similar {
		t, w, share := other[d], weights[d], shares[d]
		v, u := w*s, w*t
		la += v
		lb += u
		qa += v * v
		qb += u * u
		pa *= 1 - share*(1-s)
		pb *= 1 - share*(1-t)
	}
	return sums{la, qa, pa}, sums{lb, qb, pb}
}

// similarities fills similar with those of v and a column of coordinate d.
func (s *surrogate) similarities(d int, v float64, column []float64) {
	axis, n := s.axes[d], len(s.axes)
	out := s.similar[min(d, len(s.similar)):]
	switch {
	case v < 0 || !axis.numeric && axis.likes == nil:
		both := [2]float64{stranger, 1} // chosen without a branch, which nothing could foresee
		for i, other := range column {
			same := 0
			if other == v {
				same = 1
			}
			out[i*n] = both[same]
		}
	case axis.likes != nil:
		own := set(v)
		for i, other := range column {
			t := stranger
			if other >= 0 {
				t = axis.likes[bits.OnesCount64(own^set(other))]
			}
			out[i*n] = t
		}
	default:
		for i, other := range column {
			t := 1 / (1 + falloff*(v-other)*(v-other))
			if t *= t; other < 0 {
				t = stranger
			}
			out[i*n] = t
		}
	}
}

// predict gives the belief about each objective at x.
func (s *surrogate) predict(x coordinates) []guess {
	out := s.means(x)
	for j := range s.objectives {
		p := &s.objectives[j]
		p.factor.forward(p.column)
		variance := max(p.own-dot(p.column, p.column), 1e-12)
		out[j].deviation = p.scale * math.Sqrt(variance)
	}
	return out
}

// means gives the beliefs at x without their deviations.
func (s *surrogate) means(x coordinates) []guess {
	s.covariances(x)
	out := make([]guess, len(s.objectives))
	for j := range s.objectives {
		p := &s.objectives[j]
		out[j].mean = p.centre + p.scale*dot(p.column, p.alpha)
	}
	return out
}
