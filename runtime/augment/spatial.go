package augment

import (
	"math"
	"math/rand/v2"
)

// sample is one training sample while it passes through the transforms.
type sample struct {
	shape    [3]int // (z, y, x); z is 1 in two dimensions
	channels int
	image    []float32 // (C, Z, Y, X)
	labels   []int16   // (Z, Y, X); -1 outside the case or its mask
	planar   bool      // rotated and scaled within slices only
	flat     bool      // two dimensions: the z axis does not exist
	recipe   *Recipe   // unless nil, what is drawn is noted there and nothing is done
	*scratch
}

// channel is channel c of the image.
func (s *sample) channel(c int) []float32 {
	n := len(s.labels)
	return s.image[c*n : (c+1)*n]
}

// Chances of the spatial transform.
const (
	rotationP = 0.2
	scalingP  = 0.2
)

// spatial fills the sample from the window with batchgeneratorsv2's
// SpatialTransform: rotation and scaling, each with its own chance, about the
// window's centre; where neither is drawn the centre is copied.
func spatial(s *sample, w window, g Geometry, factor float64, r *rand.Rand) {
	rotate, scale := r.Float64() < rotationP*factor, r.Float64() < scalingP*factor
	var angle [3]float64
	zoom := 1.0
	if rotate {
		for d := range angle {
			angle[d] = uniform(r, -g.Angle, g.Angle)
		}
	}
	if scale {
		zoom = uniform(r, scaleLo, scaleHi)
	}
	switch {
	case !rotate && !scale:
		crop(s, w)
	case g.Planar:
		warp(s, w, planarAffine(angle[2], zoom), true)
	default:
		warp(s, w, newAffine(angle, zoom), false)
	}
}

// crop copies the window's centre: from floor(size/2) - patch/2 on.
func crop(s *sample, w window) {
	var from [3]int
	for d := range 3 {
		from[d] = w.size[d]/2 - s.shape[d]/2
	}
	if s.recipe != nil {
		s.recipe.crop(s, w, from)
		return
	}
	s.cut(w, from)
}

// cut copies the part of the window that begins at the given voxel.
func (s *sample) cut(w window, from [3]int) {
	lo, hi := w.box()
	var start, stop [3]int // start..stop: the patch's voxels inside the box
	for d := range 3 {
		start[d] = min(max(lo[d]-from[d], 0), s.shape[d])
		stop[d] = max(min(hi[d]-from[d], s.shape[d]), start[d])
	}
	clear(s.image)
	for i := range s.labels {
		s.labels[i] = -1
	}
	n, rest := len(s.labels), w.c.Shape
	wide := stop[2] - start[2]
	for z := start[0]; z < stop[0]; z++ {
		for y := start[1]; y < stop[1]; y++ {
			to := (z*s.shape[1]+y)*s.shape[2] + start[2]
			at := ((z+from[0]+w.corner[0])*rest[1]+y+from[1]+w.corner[1])*rest[2] +
				start[2] + from[2] + w.corner[2]
			copy(s.labels[to:to+wide], w.c.Seg[at:])
			for c := range s.channels {
				copy(s.image[c*n+to:c*n+to+wide], w.c.Data[c*len(w.c.Seg)+at:])
			}
		}
	}
}

// warp samples the window at the affine image of the patch's voxels: the image
// by (tri)linear interpolation with zeros outside, the labels by the largest
// interpolated indicator. Only the final patch is computed, straight from the
// case; nnU-Net's intermediate patch is never made. Voxels are visited row by
// row; within a row those whose neighbours all lie inside the case take the
// short way.
func warp(s *sample, w window, a affine, planar bool) {
	if s.recipe != nil {
		s.recipe.warp(w, a)
		return
	}
	t := newTracer(s, w, a, planar)
	for z := range s.shape[0] {
		for y := range s.shape[1] {
			t.row(z, y)
		}
	}
}

// tracer holds what is constant over a warp.
type tracer struct {
	s      *sample
	w      window
	a      affine
	planar bool
	lo, hi [3]int     // of the case, in the window
	centre [3]float32 // of the window
	first  [3]float32 // offset of the patch's first voxel from its centre
	step   [3]int     // strides of the case
	base   [3]float32 // of the current row: offset at x's centre
	inner  limits     // all neighbours lie in the case
	outer  limits     // some neighbour does
}

func newTracer(s *sample, w window, a affine, planar bool) *tracer {
	t := &tracer{s: s, w: w, a: a, planar: planar}
	t.lo, t.hi = w.box()
	for d := range 3 {
		t.centre[d] = float32(w.size[d]-1) / 2
		t.first[d] = float32(1-s.shape[d]) / 2
		t.inner.lo[d], t.inner.hi[d] = float32(t.lo[d]), float32(t.hi[d]-1)
		t.outer.lo[d], t.outer.hi[d] = float32(t.lo[d]-1), float32(t.hi[d])
	}
	if planar { // slices are not interpolated
		t.inner.hi[0], t.outer.lo[0] = float32(t.hi[0]), float32(t.lo[0])
	}
	t.step = [3]int{w.c.Shape[1] * w.c.Shape[2], w.c.Shape[2], 1}
	return t
}

// at is the offset from the window's centre of voxel x of the current row.
func (t *tracer) at(d, x int) float32 {
	// The conversion keeps the product from being fused into the sum, so that
	// every caller gets the same bits on every processor.
	return t.base[d] + float32(t.a[d][2]*(t.first[2]+float32(x)))
}

// limits bound a voxel's place in the window: lo <= v < hi along each axis.
type limits struct{ lo, hi [3]float32 }

// holds tells whether voxel x of the current row lies within the limits.
func (t *tracer) holds(x int, l *limits) bool {
	for d := range 3 {
		if v := t.at(d, x) + t.centre[d]; v < l.lo[d] || v >= l.hi[d] {
			return false
		}
	}
	return true
}

// span gives the half-open run of voxels of the current row within the limits.
// It is solved for, then its ends are tried: along a row every coordinate is
// monotone, rounding included, so a run whose ends hold holds throughout.
func (t *tracer) span(l *limits) (start, stop int) {
	from, to := 0.0, float64(t.s.shape[2]-1)
	for d := range 3 {
		slope, v := float64(t.a[d][2]), float64(t.at(d, 0)+t.centre[d])
		lo, hi := float64(l.lo[d])-v, float64(l.hi[d])-v
		if slope == 0 {
			if lo > 0 || hi < 0 {
				return 0, 0
			}
			continue
		}
		lo, hi = lo/slope, hi/slope
		from, to = max(from, min(lo, hi)-1), min(to, max(lo, hi)+1)
	}
	if from > to {
		return 0, 0
	}
	start, stop = int(math.Ceil(from)), int(math.Floor(to))+1
	for start < stop && !t.holds(start, l) {
		start++
	}
	for stop > start && !t.holds(stop-1, l) {
		stop--
	}
	return start, stop
}

// row samples one row: voxels with all neighbours in the case take the short
// way, those with none in it are outside, and the few between look at each.
func (t *tracer) row(z, y int) {
	pz, py := t.first[0]+float32(z), t.first[1]+float32(y)
	for d := range 3 {
		t.base[d] = t.a[d][0]*pz + t.a[d][1]*py
	}
	to := (z*t.s.shape[1] + y) * t.s.shape[2]
	first, last := t.span(&t.outer)
	start, stop := t.span(&t.inner)
	if start < stop {
		first, last = min(first, start), max(last, stop)
	} else {
		start, stop = last, last
	}
	t.outside(to, 0, first)
	for x := first; x < start; x++ {
		t.edge(to, x)
	}
	if start < stop {
		if t.planar {
			t.bilinear(to, start, stop)
		} else {
			t.trilinear(to, start, stop)
		}
	}
	for x := stop; x < last; x++ {
		t.edge(to, x)
	}
	t.outside(to, last, t.s.shape[2])
}

// outside writes the voxels start..stop of the row that begins at to.
func (t *tracer) outside(to, start, stop int) {
	n := len(t.s.labels)
	for c := range t.s.channels {
		clear(t.s.image[c*n+to+start : c*n+to+stop])
	}
	for i := to + start; i < to+stop; i++ {
		t.s.labels[i] = -1
	}
}

// edge samples one voxel some of whose neighbours may lie outside, where the
// image is 0 and the label -1.
func (t *tracer) edge(to, x int) {
	var cell [3]int     // lower neighbour
	var part [3]float32 // weight of the upper one
	for d := range 3 {
		v := t.at(d, x) + t.centre[d]
		f := float32(math.Floor(float64(v)))
		cell[d], part[d] = int(f), v-f
	}
	n, m := len(t.s.labels), len(t.w.c.Seg)
	var weight [8]float32
	var voxel [8]int // -1: outside the case
	neighbours(t.w.corner, t.lo, t.hi, t.step, cell, part, &weight, &voxel)
	for c := range t.s.channels {
		sum := float32(0)
		for k, v := range voxel {
			if v >= 0 {
				sum += weight[k] * t.w.c.Data[c*m+v]
			}
		}
		t.s.image[c*n+to+x] = sum
	}
	var label [8]int16
	for k, v := range voxel {
		label[k] = -1
		if v >= 0 {
			label[k] = t.w.c.Seg[v]
		}
	}
	t.s.labels[to+x] = vote(&label, &weight, nearest(cell, part))
}

// neighbours lists the eight neighbours of a point in a window, z slowest: their
// weights and, as indices into the case, their places; -1 is outside the case,
// which lies from lo to hi in the window, whose lowest corner is given.
func neighbours[F float32 | float64](corner, lo, hi, step, cell [3]int, part [3]F, weight *[8]F, voxel *[8]int) {
	for k := range 8 {
		weight[k], voxel[k] = 1, 0
		in := true
		for d := range 3 {
			at, p := cell[d], 1-part[d]
			if k>>(2-d)&1 == 1 {
				at, p = at+1, part[d]
			}
			weight[k] *= p
			in = in && at >= lo[d] && at < hi[d]
			voxel[k] += (at + corner[d]) * step[d]
		}
		if !in {
			voxel[k] = -1
		}
	}
}

// nearest is the place, among the eight neighbours, of the one that is closest;
// halves go to the even voxel.
func nearest(cell [3]int, part [3]float32) int {
	k := 0
	for d := range 3 {
		k <<= 1
		if part[d] > 0.5 || part[d] == 0.5 && cell[d]&1 == 1 {
			k |= 1
		}
	}
	return k
}
