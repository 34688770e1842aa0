package augment

import "math"

// spline holds the coefficients of the cubic B-spline through a channel of a
// window, outside the case 0. They are kept for the case and its surroundings
// only: a coefficient decays by |pole| with every voxel of distance from what is
// not 0, so that decay voxels away nothing is left in single precision.
type spline struct {
	lo, hi [3]int    // the voxels of the window that have coefficients, half open
	planar bool      // each slice has its own spline
	step   [3]int    // strides of value
	value  []float32 // with one more coefficient before lo and two more behind hi along each axis that is interpolated
	inner  []float32 // those from lo to hi alone
}

const decay = 12

// pole of the cubic B-spline's recursive filter, whose gain is 6 (Unser, Splines:
// a perfect fit for signal and image processing, 1999, box 2).
var pole = float32(math.Sqrt(3) - 2)

// fit interpolates channel c of a window that shows some of its case; planar
// splines are fitted slice by slice. The window is taken to be mirrored at its
// outermost voxels, which are not repeated (scipy.ndimage.spline_filter, mode
// "mirror").
func (p *spline) fit(w window, c int, planar bool) {
	p.lo, p.hi = w.box()
	p.planar = planar
	first := 0 // axis that is interpolated
	if planar {
		first = 1
	}
	for d := first; d < 3; d++ {
		p.lo[d], p.hi[d] = max(p.lo[d]-decay, 0), min(p.hi[d]+decay, w.size[d])
	}
	shape := p.load(w, c)
	var at [3][]int
	for d := range 3 {
		before, behind := 1, 2
		if d < first {
			before, behind = 0, 0
		} else {
			coefficients(p.inner, shape, d)
		}
		for i := -before; i < shape[d]+behind; i++ {
			at[d] = append(at[d], reflect(i, shape[d]))
		}
	}
	p.step = [3]int{len(at[1]) * len(at[2]), len(at[2]), 1}
	p.value = resize(p.value, len(at[0])*p.step[0])
	gather(p.value, p.inner, shape, at)
}

// load copies the window's voxels from lo to hi to inner, and gives their shape.
func (p *spline) load(w window, c int) (shape [3]int) {
	for d := range 3 {
		shape[d] = p.hi[d] - p.lo[d]
	}
	p.inner = resize(p.inner, shape[0]*shape[1]*shape[2])
	clear(p.inner)
	lo, hi := w.box()
	data := w.c.Data[c*len(w.c.Seg):][:len(w.c.Seg)]
	for z := lo[0]; z < hi[0]; z++ {
		for y := lo[1]; y < hi[1]; y++ {
			to := ((z-p.lo[0])*shape[1]+y-p.lo[1])*shape[2] + lo[2] - p.lo[2]
			from := ((z+w.corner[0])*w.c.Shape[1]+y+w.corner[1])*w.c.Shape[2] + lo[2] + w.corner[2]
			copy(p.inner[to:to+hi[2]-lo[2]], data[from:])
		}
	}
	return shape
}

// coefficients turns samples into B-spline coefficients along one axis, in place.
func coefficients(x []float32, shape [3]int, axis int) {
	n, inner := shape[axis], 1
	for d := axis + 1; d < 3; d++ {
		inner *= shape[d]
	}
	if n == 1 {
		return
	}
	for start := 0; start < len(x); start += n * inner {
		if inner == 1 {
			filterRow(x[start : start+n])
		} else {
			filterRows(x[start:start+n*inner], n, inner)
		}
	}
}

// powers are those of the pole, as far as single precision notices.
var powers = func() (p [24]float32) {
	p[0] = 1
	for k := 1; k < len(p); k++ {
		p[k] = p[k-1] * pole
	}
	return p
}()

// filterRow filters one line forth and back. Before its first sample, and behind
// its last one, it goes on as its mirror image.
func filterRow(x []float32) {
	n := len(x)
	first := float32(0)
	for k, w := range powers {
		first += w * x[reflect(k, n)]
	}
	before := 6 * first
	x[0] = before
	for i := 1; i < n; i++ {
		before = 6*x[i] + pole*before
		x[i] = before
	}
	after := pole / (pole*pole - 1) * (x[n-1] + pole*x[n-2])
	x[n-1] = after
	for i := n - 2; i >= 0; i-- {
		after = pole * (after - x[i])
		x[i] = after
	}
}

// filterRows is filterRow for inner lines side by side: sample i of line j is
// x[i*inner+j].
func filterRows(x []float32, n, inner int) {
	row := func(i int) []float32 { return x[i*inner:][:inner] }
	first := make([]float32, inner)
	for k, w := range powers {
		for j, v := range row(reflect(k, n)) {
			first[j] += w * v
		}
	}
	for j, v := range first {
		x[j] = 6 * v
	}
	for i := 1; i < n; i++ {
		before, now := row(i-1), row(i)
		for j, v := range before {
			now[j] = 6*now[j] + pole*v
		}
	}
	last, before := row(n-1), row(n-2)
	for j, v := range before {
		last[j] = pole / (pole*pole - 1) * (last[j] + pole*v)
	}
	for i := n - 2; i >= 0; i-- {
		after, now := row(i+1), row(i)
		for j, v := range after {
			now[j] = pole * (v - now[j])
		}
	}
}

// cubic gives the B-spline weights of the samples at -1, 0, 1 and 2 for a point
// at 0 <= t < 1.
func cubic(t float32) [4]float32 {
	u := 1 - t
	a, b, d := u*u*u/6, (4-6*t*t+3*t*t*t)/6, t*t*t/6
	return [4]float32{a, b, 1 - a - b - d, d}
}

// at evaluates the spline where cell is the lower neighbour, in the window's
// coordinates, and part the distance from it.
func (p *spline) at(cell [3]int, part [3]float64) float32 {
	from := 0
	for d := range 3 {
		if cell[d] < p.lo[d] || cell[d] >= p.hi[d] {
			return 0 // far from the case
		}
		from += (cell[d] - p.lo[d]) * p.step[d]
	}
	y, x := cubic(float32(part[1])), cubic(float32(part[2]))
	if p.planar {
		return p.plane(from, &y, &x)
	}
	z := cubic(float32(part[0]))
	sum := float32(0)
	for k, f := range z {
		sum += f * p.plane(from+k*p.step[0], &y, &x)
	}
	return sum
}

// plane sums the 16 coefficients of one slice.
func (p *spline) plane(from int, y, x *[4]float32) float32 {
	sum, step := float32(0), p.step[1]
	v := p.value[from : from+3*step+4]
	for k, f := range y {
		r := v[k*step:][:4]
		sum += f * (x[0]*r[0] + x[1]*r[1] + x[2]*r[2] + x[3]*r[3])
	}
	return sum
}
