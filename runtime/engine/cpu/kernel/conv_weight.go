package kernel

// outer is the argument of a microOuter: for i < rows of the micro-kernel
//
//	c[i·cstride] += Σ_r Σ_{k<width} a[aoffs[r]+k·astride+i] · b[boffs[r]+k·bstride]
//
// where b and c are as wide as the micro-kernel, each c one sum in the order of
// r and k. Strides and offsets are in bytes. The assembly reads the fields by name.
type outer struct {
	a, b, c                   *float32
	astride, bstride, cstride int64
	aoffs, boffs              *int64
	rows, width               int64 // lines, and voxels in a line
}

const (
	outerVoxels = 160  // output voxels whose products are summed in one go
	chunkVoxels = 4096 // a chunk of a weight gradient holds at least so many
	chunkCount  = 8    // and there are at most so many
	widestTile  = 12   // rows of the tallest microOuter
)

// WeightGrad computes dw from the input and the output's gradient.
func (c *Conv) WeightGrad(p *Pool, x, dy, dw []float32) {
	mustLen("input of a convolution", len(x), c.InputLen())
	mustLen("output gradient of a convolution", len(dy), c.OutputLen())
	mustLen("weight gradient of a convolution", len(dw), c.WeightLen())
	if c.planar() {
		c.planarGrad(p, x, dy, dw)
		return
	}
	if c.Kernel[2]*c.Ci < widestTile {
		columns, flat := c.columns(p, x, widestTile)
		wide := p.floats(slotWeights, flat.WeightLen())
		flat.weightGrad(p, columns, dy, wide)
		copy(dw, wide)
		return
	}
	if c.minimalGrad() {
		m := c.forward()
		m.weightGrad(p, x, dy, dw)
		return
	}
	c.weightGrad(p, x, dy, dw)
}

// weightGrad sums outer products of the input's runs and dy. The voxels are
// cut into chunks by the shape alone, whose sums are added in order.
func (c *Conv) weightGrad(p *Pool, x, dy, dw []float32) {
	in, size := pad(p, x, c.N, c.In, c.Pad, c.Pad, c.Ci)
	panels, stored := panelsOf(c.Co)
	lines := c.N * c.Out[0] * c.Out[1]
	chunks := gradChunks(lines * c.Out[2])
	part := volume(c.Kernel) * c.Ci * stored
	sums := chunkSums(p, dw, chunks, part, stored, c.Co)
	g := gradient{Conv: c, in: in, dy: dy, stored: stored, aoffs: p.offsets(slotRows, lines)}
	g.locate(size)
	depth := part / c.Kernel[0]
	p.Run(chunks*c.Kernel[0], func(_, i int) { clear(sums[i*depth : (i+1)*depth]) })
	p.Run(chunks*c.Kernel[0]*panels, func(worker, i int) {
		chunk, kd, q := i/panels/c.Kernel[0], i/panels%c.Kernel[0], panelAt(i%panels, c.Co)
		lo, hi := chunk*lines/chunks, (chunk+1)*lines/chunks
		dst := sums[chunk*part+kd*depth:][:depth]
		shift := kd * size[1] * size[2] * c.Ci
		g.sum(&p.lanes[worker], dst, q, lo, hi, shift, size[2]*c.Ci)
	})
	addChunks(p, dw, sums, part/stored, c.Co, stored, chunks)
}

// gradient is one call of weightGrad.
type gradient struct {
	*Conv
	in, dy []float32
	stored int
	aoffs  []int64 // bytes: where each line of outputs begins in the padded input
}

func (g *gradient) locate(size [3]int) {
	step := steps(size, g.Stride, g.Ci)
	for r := range g.N * g.Out[0] * g.Out[1] {
		n, d, h := r/(g.Out[0]*g.Out[1]), r/g.Out[1]%g.Out[0], r%g.Out[1]
		g.aoffs[r] = int64(4 * (n*step[0] + d*step[1] + h*step[2]))
	}
}

// sum adds the products of lines [lo, hi) for one depth of the kernel and one
// panel of output channels to dst [KH,KW·Ci,stored]. shift and row are the
// floats to that depth and from one kernel row to the next.
func (g *gradient) sum(l *lane, dst []float32, q panel, lo, hi, shift, row int) {
	m, t, line := active.wide[q.micro], &l.outer, g.Out[2]
	block := max(1, outerVoxels/line)
	right := resize(&l.right, block*line*q.width)
	boffs := resize(&l.coff, block)
	for i := range boffs {
		boffs[i] = int64(4 * i * line * q.width)
	}
	run := g.Kernel[2] * g.Ci
	t.astride, t.bstride = int64(4*g.Stride[2]*g.Ci), int64(4*q.width)
	t.b, t.boffs, t.width = &right[0], &boffs[0], int64(line)
	for ; lo < hi; lo += block {
		n := min(block, hi-lo)
		t.aoffs, t.rows = &g.aoffs[lo], int64(n)
		g.packRight(right, q, lo, n)
		for kh := range g.Kernel[1] {
			for k := 0; k < run; k += m.rows {
				from := min(k, run-m.rows)
				t.a = &g.in[shift+kh*row+from]
				if from == k {
					t.c, t.cstride = &dst[(kh*run+k)*g.stored+q.from], int64(4*g.stored)
					m.run(t)
					continue
				}
				overlap(l, q, dst[kh*run*g.stored:], g.stored, k, from)
			}
		}
	}
}

// packRight copies n lines of dy's panel q side by side.
func (g *gradient) packRight(right []float32, q panel, lo, n int) {
	if q.cols == g.Co {
		if q.cols == q.width {
			copy(right, g.dy[lo*g.Out[2]*g.Co:][:n*g.Out[2]*g.Co])
			return
		}
	}
	src := g.dy[lo*g.Out[2]*g.Co+q.from:]
	for v := range n * g.Out[2] {
		d := right[v*q.width:][:q.width]
		clear(d[copy(d[:q.cols], src[v*g.Co:]):])
	}
}

// overlap serves the last rows of a run, fewer than a tile: the tile is moved
// back onto rows already done, and runs on a copy of dst [rows,stored] of which
// only the others return. They begin as dst's, not as zeros, so that an
// element's sum has one order, whatever the tile's height.
func overlap(l *lane, q panel, dst []float32, stored, k, from int) {
	m, t := active.wide[q.micro], &l.outer
	temp := l.temp[:m.rows*q.width]
	for i := range m.rows {
		copy(temp[i*q.width:][:q.width], dst[(from+i)*stored+q.from:])
	}
	t.c, t.cstride = &temp[0], int64(4*q.width)
	m.run(t)
	for i := k - from; i < m.rows; i++ {
		copy(dst[(from+i)*stored+q.from:][:q.width], temp[i*q.width:])
	}
}

// BiasGrad sums dy [V, Co] over its voxels into db [Co].
func BiasGrad(p *Pool, dy, db []float32) {
	n := Norm{Groups: 1, Voxels: len(dy) / len(db), Channels: len(db)}
	n.sums(p, dy, nil, func(_, c int, sum, _ float64) { db[c] = float32(sum) })
}
