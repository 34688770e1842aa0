package augment

import (
	"math"
	"math/rand/v2"

	"runspec/runtime/volume"
)

// What batchgenerators 0.25.5 does otherwise than batchgeneratorsv2.

// spatialCubic fills the sample from the window with batchgenerators'
// SpatialTransform: as spatial, but scales are as often below 1 as above, images
// are interpolated by cubic splines, and what lies outside the window is outside
// altogether: nothing fades out at the border.
func spatialCubic(s *sample, w window, g Geometry, factor float64, r *rand.Rand) {
	rotate := r.Float64() < rotationP*factor
	var angle [3]float64
	if rotate && g.Planar {
		angle[0] = uniform(r, -g.Angle, g.Angle)
	} else if rotate {
		for d := range angle {
			angle[d] = uniform(r, -g.Angle, g.Angle)
		}
	}
	scale, zoom := r.Float64() < scalingP*factor, 1.0
	if scale {
		zoom = around(r, scaleLo, scaleHi)
	}
	switch {
	case !rotate && !scale:
		var from [3]int
		for d := range 3 {
			from[d] = (w.size[d] - s.shape[d]) >> 1
		}
		s.cut(w, from)
	case g.Planar:
		s.warpCubic(w, planarMatrix(angle[0], zoom), true)
	default:
		s.warpCubic(w, matrix(angle, zoom), false)
	}
}

// matrix is (Rx·Ry·Rz)ᵀ·S for angles about the axes 0, 1, 2 in radians and one
// scale for all axes: it maps a voxel's offset from the patch's centre to its
// offset from the window's centre, both (z, y, x).
func matrix(angle [3]float64, scale float64) [3][3]float64 {
	rx, ry, rz := rotations(angle)
	m := product(product(rx, ry), rz)
	var t [3][3]float64
	for i := range 3 {
		for j := range 3 {
			t[i][j] = m[j][i] * scale
		}
	}
	return t
}

// planarMatrix rotates and scales within slices.
func planarMatrix(angle, scale float64) [3][3]float64 {
	s, c := math.Sincos(angle)
	return [3][3]float64{{1, 0, 0}, {0, c * scale, s * scale}, {0, -s * scale, c * scale}}
}

// warpCubic samples the window at the affine image of the patch's voxels: the
// image by cubic splines, the labels by the largest linearly interpolated
// indicator; 0 and -1 outside the window.
func (s *sample) warpCubic(w window, m [3][3]float64, planar bool) {
	g := &placer{shape: s.shape, size: w.size, m: m}
	lo, hi := w.box()
	for d := range 3 {
		if hi[d] <= lo[d] { // the window shows nothing of the case
			s.cut(w, [3]int{})
			return
		}
	}
	for c := range s.channels {
		s.spline.fit(w, c, planar)
		out := s.channel(c)
		g.each(func(i int, q *point) {
			out[i] = 0
			if q.inside {
				out[i] = s.spline.at(q.cell, q.part)
			}
		})
	}
	step := [3]int{w.c.Shape[1] * w.c.Shape[2], w.c.Shape[2], 1}
	g.each(func(i int, q *point) {
		s.labels[i] = -1
		if q.inside {
			s.labels[i] = w.label(lo, hi, step, q)
		}
	})
}

// placer maps the patch's voxels into the window.
type placer struct {
	shape, size [3]int // of patch and window
	m           [3][3]float64
}

// point is where a voxel of the patch lies in the window.
type point struct {
	inside bool
	cell   [3]int     // lower neighbour
	part   [3]float64 // distance from it, in [0, 1)
}

// each calls do for every voxel of the patch, in C order.
func (g *placer) each(do func(i int, q *point)) {
	i := 0
	var q point
	for z := range g.shape[0] {
		for y := range g.shape[1] {
			base := g.row(z, y)
			for x := range g.shape[2] {
				g.place(&base, x, &q)
				do(i, &q)
				i++
			}
		}
	}
}

// row is the place of a row's centre.
func (g *placer) row(z, y int) (base [3]float64) {
	pz, py := float64(z)-float64(g.shape[0]-1)/2, float64(y)-float64(g.shape[1]-1)/2
	for d := range 3 {
		base[d] = float64(g.m[d][0]*pz) + float64(g.m[d][1]*py) + float64(g.size[d]-1)/2
	}
	return base
}

// place puts voxel x of the row into the window.
func (g *placer) place(base *[3]float64, x int, q *point) {
	px := float64(x) - float64(g.shape[2]-1)/2
	q.inside = true
	for d := range 3 {
		v := base[d] + float64(g.m[d][2]*px)
		if v < 0 || v > float64(g.size[d]-1) {
			q.inside = false
			return
		}
		q.cell[d] = int(v)
		q.part[d] = v - float64(q.cell[d])
	}
}

// label votes among the eight neighbours of a point in a window whose case lies
// from lo to hi and has the given strides. In most places they are all the same.
func (w window) label(lo, hi, step [3]int, q *point) int16 {
	for d := range 3 {
		if q.cell[d] < lo[d]-1 || q.cell[d] >= hi[d] {
			return -1
		}
	}
	if v, inner := w.lowest(lo, hi, step, q.cell); inner {
		l := w.c.Seg[v : v+step[0]+step[1]+2]
		a, b := l[step[1]:], l[step[0]:]
		c := b[step[1]:]
		if first := l[0]; l[1] == first && a[0] == first && a[1] == first &&
			b[0] == first && b[1] == first && c[0] == first && c[1] == first {
			return first
		}
	}
	var label [8]int16
	var weight [8]float64
	var voxel [8]int
	neighbours(w.corner, lo, hi, step, q.cell, q.part, &weight, &voxel)
	for k, v := range voxel {
		label[k] = -1
		if v >= 0 {
			label[k] = w.c.Seg[v]
		}
	}
	nearest := 0
	for d := range 3 {
		nearest <<= 1
		if q.part[d] >= 0.5 {
			nearest |= 1
		}
	}
	return elect(&label, &weight, nearest)
}

// lowest is the index of the lowest of a cell's eight corners, if all of them
// are voxels of the case.
func (w window) lowest(lo, hi, step, cell [3]int) (v int, inner bool) {
	for d := range 3 {
		if cell[d] < lo[d] || cell[d] >= hi[d]-1 {
			return 0, false
		}
		v += (cell[d] + w.corner[d]) * step[d]
	}
	return v, true
}

// blurRound smooths every channel, with even odds, by a Gaussian whose standard
// deviation, the same along all axes, is drawn from [0.5, 1) voxels.
func blurRound(s *sample, r *rand.Rand) {
	for c := range s.channels {
		if r.Float64() >= 0.5 {
			continue
		}
		sigma := uniform(r, 0.5, 1)
		var along [3]float64
		for d := s.firstAxis(); d < 3; d++ {
			along[d] = sigma
		}
		s.smooth(s.channel(c), along, scipy)
	}
}

// lowResolutionCubic is lowResolution, but shows the coarser channel by cubic
// splines.
func lowResolutionCubic(s *sample, r *rand.Rand) { s.lowResolution(r, s.coarsenCubic) }

// coarsenCubic takes the nearest voxels of a coarser grid, then interpolates
// them by cubic splines on the old one (skimage's resize of order 0, then 3,
// both with repeated edges).
func (s *sample) coarsenCubic(x []float32, scale [3]float64) {
	var coarse [3]int
	var down [3][]int
	for d := range 3 {
		n := s.shape[d]
		coarse[d] = max(1, int(math.RoundToEven(float64(n)*scale[d])))
		for i := range coarse[d] {
			down[d] = append(down[d], min(int((float64(i)+0.5)*(float64(n)/float64(coarse[d]))), n-1))
		}
	}
	s.other = resize(s.other, coarse[0]*coarse[1]*coarse[2])
	gather(s.other, x, s.shape, down)
	even := [3]float64{1, 1, 1} // no axis is resampled on its own
	copy(x, volume.ResampleData(s.other, 1, coarse, s.shape, even, even, 3, 3))
}
