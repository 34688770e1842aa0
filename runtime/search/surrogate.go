package search

import "math"

// surrogate is a Gaussian process for each objective over configurations and
// fidelity, conditioned on the same points (Rasmussen and Williams 2006,
// algorithm 2.1).
type surrogate struct {
	encoder
	columns    [][]float64 // by coordinate, of all points
	size       int         // points
	objectives []process
	gather     [][]sums  // by objective and point: room for work
	similar    []float64 // by point: room for work
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
	s := &surrogate{encoder: e, columns: make([][]float64, len(e.numeric))}
	for _, k := range kernels {
		s.objectives = append(s.objectives, process{kernel: k, share: k.shares(), own: k.variance()})
		s.gather = append(s.gather, nil)
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
	s.size, s.similar = n, s.similar[:n]
	for d := range s.columns {
		s.columns[d] = s.columns[d][:n]
	}
	for j := range s.objectives {
		p := &s.objectives[j]
		p.factor, p.column, s.gather[j] = p.factor[:n], p.column[:n], s.gather[j][:n]
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
		p.column, s.gather[j] = append(p.column, 0), append(s.gather[j], sums{})
	}
	for d, v := range x {
		s.columns[d] = append(s.columns[d], v)
	}
	s.size++
	s.similar = append(s.similar, 0)
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
// points. The points are walked coordinate by coordinate, so that a similarity
// is taken once for all objectives.
func (s *surrogate) covariances(x coordinates) {
	for j := range s.gather {
		for i := range s.gather[j] {
			s.gather[j][i] = sums{product: 1}
		}
	}
	for d, column := range s.columns {
		s.similarities(d, x[d], column)
		for j := range s.objectives {
			weight, share, gather := s.objectives[j].weights[d], s.objectives[j].share[d], s.gather[j]
			for i, similar := range s.similar[:len(gather)] {
				v, g := weight*similar, &gather[i]
				g.linear += v
				g.squares += v * v
				g.product *= 1 - share*(1-similar)
			}
		}
	}
	for j := range s.objectives {
		p := &s.objectives[j]
		for i, g := range s.gather[j] {
			p.column[i] = p.covariance(g)
		}
	}
}

// similarities fills similar with those of v and a column of coordinate d.
func (s *surrogate) similarities(d int, v float64, column []float64) {
	if v < 0 || !s.numeric[d] {
		for i, other := range column {
			s.similar[i] = stranger
			if other == v {
				s.similar[i] = 1
			}
		}
		return
	}
	for i, other := range column {
		t := 1 / (1 + falloff*(v-other)*(v-other))
		s.similar[i] = t * t
		if other < 0 {
			s.similar[i] = stranger
		}
	}
}

// predict gives the belief about each objective at x.
func (s *surrogate) predict(x coordinates) []guess {
	s.covariances(x)
	out := make([]guess, len(s.objectives))
	for j := range s.objectives {
		p := &s.objectives[j]
		mean := dot(p.column, p.alpha)
		p.factor.forward(p.column)
		variance := max(p.own-dot(p.column, p.column), 1e-12)
		out[j] = guess{p.centre + p.scale*mean, p.scale * math.Sqrt(variance)}
	}
	return out
}
