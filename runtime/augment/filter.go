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
		s.smooth(s.channel(c), sigma, torch)
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

// lowResolution shows every channel, with even odds, as if it had been acquired
// with fewer voxels: a zoom drawn from [0.5, 1), the same for all axes. Where
// slices are thick their number stays.
func lowResolution(s *sample, r *rand.Rand) { s.lowResolution(r, s.coarsen) }

func (s *sample) lowResolution(r *rand.Rand, coarsen func(x []float32, scale [3]float64)) {
	for c := range s.channels {
		if r.Float64() >= 0.5 {
			continue
		}
		zoom := uniform(r, 0.5, 1)
		scale := [3]float64{zoom, zoom, zoom}
		if s.planar {
			scale[0] = 1
		}
		coarsen(s.channel(c), scale)
	}
}

// coarsen takes the nearest voxels of a coarser grid, then interpolates them
// linearly on the old one (torch's "nearest-exact", and linear modes with
// align_corners off).
func (s *sample) coarsen(x []float32, scale [3]float64) {
	var coarse [3]int
	var down [3][]int
	for d := range 3 {
		coarse[d] = max(1, int(math.RoundToEven(float64(s.shape[d])*float64(float32(scale[d])))))
		down[d] = nearestExact(s.shape[d], coarse[d])
	}
	s.other = resize(s.other, coarse[0]*coarse[1]*coarse[2])
	gather(s.other, x, s.shape, down)
	enlarge(x, s.other, s.shape, coarse)
}

// nearestExact gives, for each of the out positions along an axis, the input
// position that torch's "nearest-exact" takes.
func nearestExact(in, out int) []int {
	from, step := make([]int, out), float32(in)/float32(out)
	for i := range from {
		from[i] = min(int((float32(i)+0.5)*step), in-1)
	}
	return from
}

// gather copies the voxels at the given positions along each axis; shape is
// that of from.
func gather[T float32 | int16](to, from []T, shape [3]int, at [3][]int) {
	i := 0
	for _, z := range at[0] {
		for _, y := range at[1] {
			row := from[(z*shape[1]+y)*shape[2]:]
			for _, x := range at[2] {
				to[i] = row[x]
				i++
			}
		}
	}
}

// enlarge interpolates linearly from the coarse grid to the fine one.
func enlarge(to, from []float32, fine, coarse [3]int) {
	var axis [3]linear
	for d := range 3 {
		axis[d] = newLinear(coarse[d], fine[d])
	}
	nx, ny := coarse[2], coarse[1]
	blend := make([]float32, nx)
	i := 0
	for z := range fine[0] {
		for y := range fine[1] {
			az, ay := axis[0], axis[1]
			wz, wy := az.part[z], ay.part[y]
			a := from[(az.low[z]*ny+ay.low[y])*nx:][:nx]
			b := from[(az.low[z]*ny+ay.high[y])*nx:][:nx]
			c := from[(az.high[z]*ny+ay.low[y])*nx:][:nx]
			d := from[(az.high[z]*ny+ay.high[y])*nx:][:nx]
			for j := range blend {
				u, v := a[j]+wy*(b[j]-a[j]), c[j]+wy*(d[j]-c[j])
				blend[j] = u + wz*(v-u)
			}
			ax := axis[2]
			for x, w := range ax.part {
				u := blend[ax.low[x]]
				to[i] = u + w*(blend[ax.high[x]]-u)
				i++
			}
		}
	}
}

// linear lists, for each output position of an axis, its two neighbours in the
// input and the weight of the upper one.
type linear struct {
	low, high []int
	part      []float32
}

func newLinear(in, out int) linear {
	l := linear{make([]int, out), make([]int, out), make([]float32, out)}
	step := float32(in) / float32(out)
	for i := range out {
		v := max(step*(float32(i)+0.5)-0.5, 0)
		l.low[i] = min(int(v), in-1)
		l.high[i] = min(l.low[i]+1, in-1)
		l.part[i] = v - float32(l.low[i])
	}
	return l
}

func resize[T any](x []T, n int) []T {
	if cap(x) < n {
		return make([]T, n)
	}
	return x[:n]
}
