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
	gather     [][]sums // by objective and point: room for work
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

// newSurrogate conditions processes with the given kernels on points and, by
// objective, their values.
func newSurrogate(e encoder, kernels []kernel, points []coordinates, values [][]float64) *surrogate {
	s := &surrogate{encoder: e, columns: make([][]float64, len(e.numeric))}
	for j, k := range kernels {
		p := process{kernel: k, share: k.shares(), own: k.variance()}
		p.centre, p.scale = spreadOf(values[j])
		s.objectives = append(s.objectives, p)
		s.gather = append(s.gather, nil)
	}
	for _, x := range points {
		s.include(x)
	}
	for j := range s.objectives {
		p := &s.objectives[j]
		p.alpha = make([]float64, len(values[j]))
		for i, v := range values[j] {
			p.alpha[i] = (v - p.centre) / p.scale
		}
		p.factor.forward(p.alpha)
		p.factor.backward(p.alpha)
	}
	return s
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
		for i, v := range column {
			similar := s.similarity(d, x[d], v)
			for j := range s.objectives {
				p := &s.objectives[j]
				s.gather[j][i].add(similar, p.weights[d], p.share[d])
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
