package augment

// run is the geometry of a row's inner voxels: where the lower neighbour of
// each lies in the case, and how far beyond it the point is. It is found once
// and used for every channel and the labels.
type run struct {
	voxel   []int32
	z, y, x []float32
}

func (r *run) grow(n int) {
	if cap(r.voxel) < n {
		r.voxel = make([]int32, n)
		r.z, r.y, r.x = make([]float32, n), make([]float32, n), make([]float32, n)
	}
	r.voxel, r.z, r.y, r.x = r.voxel[:n], r.z[:n], r.y[:n], r.x[:n]
}

// locate fills the run for the voxels start..stop of the current row.
func (t *tracer) locate(start, stop int) *run {
	r := &t.s.run
	r.grow(stop - start)
	var shift [3]int
	for d := range 3 {
		shift[d] = t.w.corner[d]
	}
	sz, sy := t.step[0], t.step[1]
	for i := range r.voxel {
		vz := t.at(0, start+i) + t.centre[0]
		vy := t.at(1, start+i) + t.centre[1]
		vx := t.at(2, start+i) + t.centre[2]
		iz, iy, ix := int(vz), int(vy), int(vx) // inside, so none is negative
		r.z[i], r.y[i], r.x[i] = vz-float32(iz), vy-float32(iy), vx-float32(ix)
		r.voxel[i] = int32((iz+shift[0])*sz + (iy+shift[1])*sy + ix + shift[2])
	}
	return r
}

// trilinear samples the voxels start..stop of the row that begins at to.
func (t *tracer) trilinear(to, start, stop int) {
	r := t.locate(start, stop)
	n, m := len(t.s.labels), len(t.w.c.Seg)
	sz, sy := t.step[0], t.step[1]
	for c := range t.s.channels {
		out := t.s.image[c*n+to+start : c*n+to+stop]
		data := t.w.c.Data[c*m : (c+1)*m]
		for i, v := range r.voxel {
			x := r.x[i]
			d := data[int(v) : int(v)+sz+sy+2]
			a := d[0] + x*(d[1]-d[0])
			b := d[sy] + x*(d[sy+1]-d[sy])
			e := d[sz] + x*(d[sz+1]-d[sz])
			f := d[sz+sy] + x*(d[sz+sy+1]-d[sz+sy])
			a += r.y[i] * (b - a)
			e += r.y[i] * (f - e)
			out[i] = a + r.z[i]*(e-a)
		}
	}
	out := t.s.labels[to+start : to+stop]
	for i, v := range r.voxel {
		l := t.w.c.Seg[int(v) : int(v)+sz+sy+2]
		first := l[0]
		if l[1] == first && l[sy] == first && l[sy+1] == first &&
			l[sz] == first && l[sz+1] == first && l[sz+sy] == first && l[sz+sy+1] == first {
			out[i] = first
			continue
		}
		label := [8]int16{l[0], l[1], l[sy], l[sy+1], l[sz], l[sz+1], l[sz+sy], l[sz+sy+1]}
		out[i] = t.mixed(&label, start+i, r.z[i], r.y[i], r.x[i])
	}
}

// bilinear is trilinear within one slice.
func (t *tracer) bilinear(to, start, stop int) {
	r := t.locate(start, stop)
	n, m := len(t.s.labels), len(t.w.c.Seg)
	sy := t.step[1]
	for c := range t.s.channels {
		out := t.s.image[c*n+to+start : c*n+to+stop]
		data := t.w.c.Data[c*m : (c+1)*m]
		for i, v := range r.voxel {
			d := data[int(v) : int(v)+sy+2]
			a := d[0] + r.x[i]*(d[1]-d[0])
			b := d[sy] + r.x[i]*(d[sy+1]-d[sy])
			out[i] = a + r.y[i]*(b-a)
		}
	}
	out := t.s.labels[to+start : to+stop]
	for i, v := range r.voxel {
		l := t.w.c.Seg[int(v) : int(v)+sy+2]
		if l[1] == l[0] && l[sy] == l[0] && l[sy+1] == l[0] {
			out[i] = l[0]
			continue
		}
		label := [8]int16{l[0], l[1], l[sy], l[sy+1], l[0], l[1], l[sy], l[sy+1]}
		out[i] = t.mixed(&label, start+i, 0, r.y[i], r.x[i])
	}
}

// mixed votes for a voxel of the current row whose neighbours differ.
func (t *tracer) mixed(label *[8]int16, x int, fz, fy, fx float32) int16 {
	var cell [3]int
	for d := range 3 {
		cell[d] = int(t.at(d, x) + t.centre[d])
	}
	gz, gy, gx := 1-fz, 1-fy, 1-fx
	weight := [8]float32{
		gz * gy * gx, gz * gy * fx, gz * fy * gx, gz * fy * fx,
		fz * gy * gx, fz * gy * fx, fz * fy * gx, fz * fy * fx,
	}
	return vote(label, &weight, nearest(cell, [3]float32{fz, fy, fx}))
}
