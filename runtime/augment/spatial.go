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
	lo, hi := w.box()
	var from, start, stop [3]int // start..stop: the patch's voxels inside the box
	for d := range 3 {
		from[d] = w.size[d]/2 - s.shape[d]/2
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
	bound  [3]float32 // offset of the outer voxels' outer faces from the centre
	first  [3]float32 // offset of the patch's first voxel from its centre
	step   [3]int     // strides of the case
	base   [3]float32 // of the current row: offset at x's centre
}

func newTracer(s *sample, w window, a affine, planar bool) *tracer {
	t := &tracer{s: s, w: w, a: a, planar: planar}
	t.lo, t.hi = w.box()
	for d := range 3 {
		t.centre[d] = float32(w.size[d]-1) / 2
		t.bound[d] = float32(w.size[d]) / 2
		t.first[d] = float32(1-s.shape[d]) / 2
	}
	t.step = [3]int{w.c.Shape[1] * w.c.Shape[2], w.c.Shape[2], 1}
	return t
}

// at is the offset from the window's centre of voxel x of the current row.
func (t *tracer) at(d, x int) float32 {
	return t.base[d] + t.a[d][2]*(t.first[2]+float32(x))
}

// inside tells whether voxel x of the current row has all its neighbours in the
// case. In a row every coordinate is monotone, rounding included, so a run of
// voxels is inside if both its ends are.
func (t *tracer) inside(x int) bool {
	for d := range 3 {
		v := t.at(d, x) + t.centre[d]
		last := t.hi[d] - 1
		if t.planar && d == 0 {
			last++ // slices are not interpolated
		}
		if v < float32(t.lo[d]) || v >= float32(last) {
			return false
		}
	}
	return true
}

// span gives the half-open run of voxels of the current row that are inside.
func (t *tracer) span() (start, stop int) {
	n := t.s.shape[2]
	from, to := 0.0, float64(n-1)
	for d := range 3 {
		slope := float64(t.a[d][2])
		lo := float64(t.lo[d]) - float64(t.at(d, 0)+t.centre[d])
		hi := lo + float64(t.hi[d]-t.lo[d])
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
	for start < stop && !t.inside(start) {
		start++
	}
	for stop > start && !t.inside(stop-1) {
		stop--
	}
	return start, stop
}

func (t *tracer) row(z, y int) {
	pz, py := t.first[0]+float32(z), t.first[1]+float32(y)
	for d := range 3 {
		t.base[d] = t.a[d][0]*pz + t.a[d][1]*py
	}
	to := (z*t.s.shape[1] + y) * t.s.shape[2]
	start, stop := t.span()
	for x := range start {
		t.edge(to, x)
	}
	if start < stop {
		if t.planar {
			t.bilinear(to, start, stop)
		} else {
			t.trilinear(to, start, stop)
		}
	}
	for x := stop; x < t.s.shape[2]; x++ {
		t.edge(to, x)
	}
}

// edge samples one voxel some of whose neighbours may lie outside. Beyond the
// window's outer faces the label is -1; between the outermost voxels and the
// faces only voxels of the window vote, among them those outside the case, as -1.
func (t *tracer) edge(to, x int) {
	var cell [3]int     // lower neighbour
	var part [3]float32 // weight of the upper one
	in, near := true, true
	for d := range 3 {
		p := t.at(d, x)
		in = in && p <= t.bound[d] && p >= -t.bound[d]
		v := p + t.centre[d]
		f := float32(math.Floor(float64(v)))
		cell[d], part[d] = int(f), v-f
		near = near && cell[d] >= t.lo[d]-1 && cell[d] < t.hi[d]
	}
	n, m := len(t.s.labels), len(t.w.c.Seg)
	var weight [8]float32
	var voxel [8]int // -1: outside the case
	if near {
		t.corners(cell, part, &weight, &voxel)
	}
	for c := range t.s.channels {
		sum := float32(0)
		if near {
			for k, v := range voxel {
				if v >= 0 {
					sum += weight[k] * t.w.c.Data[c*m+v]
				}
			}
		}
		t.s.image[c*n+to+x] = sum
	}
	t.s.labels[to+x] = -1
	if !in || !near {
		return
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

// corners lists the eight neighbours of a point, z slowest.
func (t *tracer) corners(cell [3]int, part [3]float32, weight *[8]float32, voxel *[8]int) {
	for k := range 8 {
		weight[k], voxel[k] = 1, 0
		inCase, inWindow := true, true
		for d := range 3 {
			at, p := cell[d], 1-part[d]
			if k>>(2-d)&1 == 1 {
				at, p = at+1, part[d]
			}
			weight[k] *= p
			inCase = inCase && at >= t.lo[d] && at < t.hi[d]
			inWindow = inWindow && at >= 0 && at < t.w.size[d]
			voxel[k] += (at + t.w.corner[d]) * t.step[d]
		}
		if !inCase {
			voxel[k] = -1
		}
		if !inWindow {
			weight[k] = 0
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
