package augment

import (
	"math"
	"math/rand/v2"
)

// blur smooths every channel, with even odds, by a Gaussian whose standard
// deviation along each axis is drawn from [0.5, 1) voxels.
func blur(s *sample, r *rand.Rand) {
	for c := range s.channels {
		if r.Float64() >= 0.5 {
			continue
		}
		var sigma [3]float64
		for d := s.firstAxis(); d < 3; d++ {
			sigma[d] = uniform(r, 0.5, 1)
		}
		s.shade(c, func(h *Shade) { h.Blur = sigma }, func(x []float32) { s.smooth(x, sigma, torch) })
	}
}

// firstAxis is the slowest axis that exists.
func (s *sample) firstAxis() int {
	if s.flat {
		return 1
	}
	return 0
}

// blurring is a library's way to blur: its kernel for a standard deviation in
// voxels, and the voxel of n that stands for one outside.
type blurring struct {
	kernel func(sigma float64) []float32
	fold   func(i, n int) int
}

// The ways of batchgeneratorsv2, which blurs by torch, and of batchgenerators,
// which blurs by scipy.
var (
	torch = blurring{kernel, reflect}
	scipy = blurring{kernelOfScipy, repeat}
)

// smooth convolves along each axis whose sigma is not 0.
func (s *sample) smooth(x []float32, sigma [3]float64, by blurring) {
	s.other = resize(s.other, len(x))
	from, to := x, s.other
	for d := range 3 {
		if sigma[d] == 0 {
			continue
		}
		convolve(to, from, s.shape, d, by.kernel(sigma[d]), by.fold)
		from, to = to, from
	}
	if &from[0] != &x[0] {
		copy(x, from)
	}
}

// kernel is a normalised Gaussian whose length is the odd number nearest to
// 6 sigma + 0.5.
func kernel(sigma float64) []float32 { return gaussian(sigma, oddNear(6*sigma+0.5)) }

// kernelOfScipy is a normalised Gaussian that reaches 4 sigma, rounded, to
// either side.
func kernelOfScipy(sigma float64) []float32 { return gaussian(sigma, 2*int(4*sigma+0.5)+1) }

// gaussian is a normalised Gaussian of n samples.
func gaussian(sigma float64, n int) []float32 {
	half := float64(n-1) / 2
	w, sum := make([]float32, n), 0.0
	for i := range w {
		z := (float64(i) - half) / sigma
		w[i] = float32(math.Exp(-0.5 * z * z))
		sum += float64(w[i])
	}
	for i := range w {
		w[i] /= float32(sum)
	}
	return w
}

func oddNear(v float64) int {
	n := int(math.RoundToEven(v))
	switch {
	case n%2 != 0:
		return n
	case v >= float64(n):
		return n + 1
	}
	return n - 1
}

// convolve filters along one axis; fold says what stands for voxels outside.
// An axis is seen as (outer, n, inner): along x a row is padded and filtered,
// along z and y whole runs of inner voxels are added up.
func convolve(to, from []float32, shape [3]int, axis int, w []float32, fold func(i, n int) int) {
	n, inner := shape[axis], 1
	for d := axis + 1; d < 3; d++ {
		inner *= shape[d]
	}
	reach := len(w) / 2
	if inner == 1 {
		convolveRows(to, from, n, w, fold)
		return
	}
	for start := 0; start < len(from); start += n * inner {
		for i := range n {
			out := to[start+i*inner : start+(i+1)*inner]
			centre := from[start+i*inner:]
			for j := range out {
				out[j] = w[reach] * centre[j]
			}
			for k := 1; k <= reach; k++ { // the kernel is symmetric
				a := from[start+fold(i-k, n)*inner:][:len(out)]
				b := from[start+fold(i+k, n)*inner:][:len(out)]
				f := w[reach+k]
				for j := range out {
					out[j] += f * (a[j] + b[j])
				}
			}
		}
	}
}

func convolveRows(to, from []float32, n int, w []float32, fold func(i, n int) int) {
	reach := len(w) / 2
	row := make([]float32, n+2*reach)
	for start := 0; start < len(from); start += n {
		copy(row[reach:], from[start:start+n])
		for k := range reach {
			row[k] = from[start+fold(k-reach, n)]
			row[reach+n+k] = from[start+fold(n+k, n)]
		}
		out := to[start : start+n]
		for j := range out {
			sum, at := w[reach]*row[j+reach], row[j:j+len(w)]
			for k := range reach {
				sum += w[k] * (at[k] + at[len(at)-1-k])
			}
			out[j] = sum
		}
	}
}

// reflect folds an index into [0, n) at the outermost voxels, which are not
// repeated.
func reflect(i, n int) int {
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	i = ((i % period) + period) % period
	if i >= n {
		i = period - i
	}
	return i
}

// repeat folds an index into [0, n) at the outermost voxels, which are repeated.
func repeat(i, n int) int {
	i = ((i % (2 * n)) + 2*n) % (2 * n)
	return min(i, 2*n-1-i)
}
