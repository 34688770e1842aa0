package augment

import (
	"math"
	"math/rand/v2"
)

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
		s.shade(c, func(h *Shade) { h.Zoom = scale }, func(x []float32) { coarsen(x, scale) })
	}
}

// coarsen takes the nearest voxels of a coarser grid, then interpolates them
// linearly on the old one (torch's "nearest-exact", and linear modes with
// align_corners off).
func (s *sample) coarsen(x []float32, scale [3]float64) {
	var coarse [3]int
	var down [3][]int
	for d := range 3 {
		coarse[d] = coarser(s.shape[d], scale[d])
		down[d] = nearestExact(s.shape[d], coarse[d])
	}
	s.other = resize(s.other, coarse[0]*coarse[1]*coarse[2])
	gather(s.other, x, s.shape, down)
	enlarge(x, s.other, s.shape, coarse)
}

// coarser is the number of voxels of a coarser axis.
func coarser(n int, scale float64) int {
	return max(1, int(math.RoundToEven(float64(n)*float64(float32(scale)))))
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
