package kernel

// Few input channels (an image's modalities, a small head) make runs too short
// for outer products. Their weight gradient takes the input one plane per
// channel instead: then the inputs of one tap along a line of outputs lie side
// by side, and dw is itself a product, of rows (tap, channel) and columns co,
// over the voxels.

// planar reports whether the weight gradient goes that way.
func (c *Conv) planar() bool { return c.Kernel[2]*c.Ci < widestTile && c.Stride[2] == 1 }

func (c *Conv) planarGrad(p *Pool, x, dy, dw []float32) {
	in, size := planes(p, x, c.N, c.In, c.Pad, c.Ci)
	rows := volume(c.Kernel) * c.Ci
	panels, stored := panelsOf(c.Co)
	lines := c.N * c.Out[0] * c.Out[1]
	chunks := gradChunks(lines * c.Out[2])
	part := rows * stored
	sums := chunkSums(p, dw, chunks, part, stored, c.Co)
	g := gradient{Conv: c, dy: dy, stored: stored, aoffs: p.offsets(slotRows, lines)}
	for r := range lines {
		n, d, h := r/(c.Out[0]*c.Out[1]), r/c.Out[1]%c.Out[0], r%c.Out[1]
		at := n*c.Ci*volume(size) + (d*c.Stride[0]*size[1]+h*c.Stride[1])*size[2]
		g.aoffs[r] = int64(4 * at)
	}
	p.Run(chunks*panels, func(worker, i int) {
		chunk, q := i/panels, panelAt(i%panels, c.Co)
		q.cols = q.width // the sums have room for whole panels
		l := &p.lanes[worker]
		dst := sums[chunk*part:][:part]
		for r := range rows {
			clear(dst[r*stored+q.from:][:q.width])
		}
		aoff, coff := c.tapRows(l, size, stored)
		block := max(1, outerVoxels/c.Out[2])
		right := resize(&l.right, block*c.Out[2]*q.width)
		out := product{c: dst}
		t := &l.tile
		t.a, t.b, t.klen, t.accumulate = &in[0], &right[0], int64(c.Out[2]), 1
		for lo, hi := chunk*lines/chunks, (chunk+1)*lines/chunks; lo < hi; lo += block {
			n := min(block, hi-lo)
			g.packRight(right, panelAt(i%panels, c.Co), lo, n)
			t.runs, t.nruns = &g.aoffs[lo], int64(n)
			out.tiles(l, q, aoff, coff)
		}
	})
	addChunks(p, dw, sums, rows, c.Co, stored, chunks)
}

// tapRows gives, for each row (kd,kh,kw,ci) of dw, the byte offsets of its
// inputs and of its sums.
func (c *Conv) tapRows(l *lane, size [3]int, stored int) (aoff, coff []int64) {
	rows := volume(c.Kernel) * c.Ci
	aoff, coff = resize(&l.aoff, rows), resize(&l.coff, rows)
	for r := range rows {
		ci, tap := r%c.Ci, r/c.Ci
		kd, kh, kw := tap/(c.Kernel[1]*c.Kernel[2]), tap/c.Kernel[2]%c.Kernel[1], tap%c.Kernel[2]
		aoff[r] = int64(4 * (ci*volume(size) + (kd*size[1]+kh)*size[2] + kw))
		coff[r] = int64(4 * r * stored)
	}
	return aoff, coff
}

// planes copies x [n,in,ch] into [n,ch,size], zeros around each plane.
func planes(p *Pool, x []float32, n int, in, border [3]int, ch int) ([]float32, [3]int) {
	var size [3]int
	for a := range size {
		size[a] = in[a] + 2*border[a]
	}
	out := p.floats(slotPadded, n*ch*volume(size))
	area := size[1] * size[2]
	p.Run(n*size[0], func(_, i int) {
		sample, d := i/size[0], i%size[0]-border[0]
		for c := range ch {
			dst := out[((sample*ch+c)*size[0]+i%size[0])*area:][:area]
			clear(dst)
			if d < 0 || d >= in[0] {
				continue
			}
			for h := range in[1] {
				to := dst[(h+border[1])*size[2]+border[2]:][:in[2]]
				from := x[((sample*in[0]+d)*in[1]+h)*in[2]*ch+c:]
				for w := range to {
					to[w] = from[w*ch]
				}
			}
		}
	})
	return out, size
}

// chunkSums is where the chunks of a weight gradient are summed: dw itself if
// there is one chunk and its columns are whole panels.
func chunkSums(p *Pool, dw []float32, chunks, part, stored, co int) []float32 {
	if chunks == 1 && stored == co {
		return dw
	}
	return p.floats(slotPartial, chunks*part)
}

// addChunks adds the chunks [rows,stored] in order into dw [rows,co].
func addChunks(p *Pool, dw, sums []float32, rows, co, stored, chunks int) {
	if chunks == 1 && stored == co {
		return
	}
	p.eachRange(rows, 256, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			d := dw[r*co:][:co]
			copy(d, sums[r*stored:])
			for k := 1; k < chunks; k++ {
				active.add(d, d, sums[(k*rows+r)*stored:][:co])
			}
		}
	})
}
