package search

import "math"

// sweeps is how often a fit goes over all of a kernel's numbers, looseness the
// standard deviation of their logarithms in the prior.
const (
	sweeps    = 3
	looseness = 2.0
)

// fit improves a kernel by coordinate search: each number in turn is multiplied
// and divided by a step, and keeps what raises the marginal likelihood of the
// points times a log-normal prior around the initial kernel.
func (e encoder) fit(k, start kernel, points []coordinates, values []float64) kernel {
	k.weights = append([]float64{}, k.weights...)
	numbers, centres := k.numbers(), start.numbers()
	f := newFitting(e, points, values)
	score := func() float64 {
		total := f.likelihood(k)
		for i, x := range numbers {
			z := math.Log(*x / *centres[i]) / looseness
			total -= z * z / 2
		}
		return total
	}
	best, step := score(), 4.0
	for range sweeps {
		for _, x := range numbers {
			best = climb(x, step, best, score)
		}
		step = math.Sqrt(step) + 0.3
	}
	return k
}

// numbers are what a fit may change.
func (k *kernel) numbers() []*float64 {
	var out []*float64
	for _, x := range []*float64{&k.pairs, &k.product, &k.noise} {
		if *x > 0 { // an order that an ablation goes without stays away
			out = append(out, x)
		}
	}
	for d := range k.weights {
		out = append(out, &k.weights[d])
	}
	return out
}

// climb tries x larger and smaller by a factor, and returns the best score.
func climb(x *float64, factor, best float64, score func() float64) float64 {
	old := *x
	for _, candidate := range []float64{old * factor, max(old/factor, 1e-6)} {
		*x = candidate
		if s := score(); s > best {
			return s
		}
	}
	*x = old
	return best
}

// fitting holds what the likelihoods of all kernels share.
type fitting struct {
	similar [][]float64 // of each pair of points, by coordinate
	target  []float64
	rows    triangle
	work    []float64
}

func newFitting(e encoder, points []coordinates, values []float64) *fitting {
	f := &fitting{work: make([]float64, len(values))}
	centre, scale := spreadOf(values)
	for i, x := range points {
		f.target = append(f.target, (values[i]-centre)/scale)
		f.rows = append(f.rows, make([]float64, i+1))
		for _, other := range points[:i] {
			s := make([]float64, len(x))
			for d := range x {
				s[d] = e.similarity(d, x[d], other[d])
			}
			f.similar = append(f.similar, s)
		}
	}
	return f
}

// likelihood is the logarithm of the marginal likelihood, up to a constant.
func (f *fitting) likelihood(k kernel) float64 {
	share, own, n := k.shares(), k.variance(), 0
	for i, row := range f.rows {
		for j := range row[:i] {
			s := sums{product: 1}
			for d, similar := range f.similar[n] {
				s.add(similar, k.weights[d], share[d])
			}
			row[j] = k.covariance(s)
			n++
		}
		row[i] = own + k.noise
	}
	if !f.rows.cholesky() {
		return math.Inf(-1)
	}
	copy(f.work, f.target)
	f.rows.forward(f.work)
	total := -dot(f.work, f.work) / 2
	for i, row := range f.rows {
		total -= math.Log(row[i])
	}
	return total
}
