package kernel

// tile is the argument of a microGemm: for each row i
//
//	c[coff[i]] (+)= bias + Σ_run Σ_k a[aoff[i]+run+k] · b[run·klen+k]
//
// where b's rows and the outputs are as wide as the micro-kernel, each output
// one sum in the order of runs and k. All offsets are in bytes. The assembly
// reads the fields by name.
type tile struct {
	a, b, c, bias *float32 // bias nil: zero
	runs          *int64
	nruns         int64
	klen          int64 // floats in a run
	accumulate    int64 // 1: start from c, not from bias
	rows          int64 // in use; the offsets of the others repeat the last one's
	aoff, coff    [12]int64
}

// product is a matrix product with rows gathered from a and results scattered
// into c: for every voxel (n,d,h,w) of grid, cols outputs at
// cBase + n·cStep[0] + … from the runs at aBase + n·aStep[0] + …, all in floats.
type product struct {
	a, c         []float32
	grid         [4]int
	aStep, cStep [4]int
	aBase, cBase int
	runs         []int64 // bytes from a row's start
	klen         int     // floats in a run
	cols         int
	packed       []float32 // the right side, see panels
	bias         []float32 // as long as the panels, or nil
}

// panel is a strip of the right side's columns, stored as [rows][width].
type panel struct {
	from, cols, width int // first column, columns in use, columns stored
	micro             int // index of the micro-kernel of that width
}

// nextPanel cuts the next panel off columns from `from` on; at the end the
// panel's cols are 0. The widest micro-kernel that leaves less than the
// narrowest one's width unused is taken.
func nextPanel(widths []microGemm, from, cols int) panel {
	rest := cols - from
	if rest <= 0 {
		return panel{}
	}
	narrow := widths[len(widths)-1].cols
	for i, m := range widths {
		if m.cols-rest < narrow {
			return panel{from: from, cols: min(rest, m.cols), width: m.cols, micro: i}
		}
	}
	i := len(widths) - 1
	return panel{from: from, cols: rest, width: narrow, micro: i}
}

// panelsOf counts the panels of cols columns and the columns they store.
func panelsOf(cols int) (count, stored int) {
	for q := nextPanel(active.gemm, 0, cols); q.cols > 0; q = nextPanel(active.gemm, q.from+q.width, cols) {
		count++
		stored += q.width
	}
	return count, stored
}

// panelAt gives the i-th panel of cols columns.
func panelAt(i, cols int) panel {
	q := nextPanel(active.gemm, 0, cols)
	for ; i > 0; i-- {
		q = nextPanel(active.gemm, q.from+q.width, cols)
	}
	return q
}

const (
	voxelBlock = 240   // voxels one task computes, a multiple of every tile's rows
	panelRows  = 48    // and at least so many of each of several products
	panelBytes = 24576 // of a panel used at a time, to stay in the first-level cache
)

// voxels is the number of rows.
func (g *product) voxels() int { return g.grid[0] * g.grid[1] * g.grid[2] * g.grid[3] }

// run computes products that write interleaved parts of one result, all of the
// same columns, side by side, so that the parts of a cache line meet. The
// order of each output's sum depends on the shape alone, so the threads are
// free to share out the voxels.
func run(p *Pool, all []product) {
	most := 0
	for i := range all {
		most = max(most, all[i].voxels())
	}
	panels, _ := panelsOf(all[0].cols)
	size := max(panelRows, voxelBlock/len(all))
	blocks := (most + size - 1) / size
	p.Run(blocks*panels, func(worker, i int) {
		lo, l := i/panels*size, &p.lanes[worker]
		for k := range all {
			g := &all[k]
			if n := min(size, g.voxels()-lo); n > 0 {
				aoff, coff := resize(&l.aoff, n), resize(&l.coff, n)
				g.locate(lo, aoff, coff)
				g.block(l, panelAt(i%panels, g.cols), aoff, coff)
			}
		}
	})
}

// locate fills in the byte offsets of the voxels from lo on.
func (g *product) locate(lo int, aoff, coff []int64) {
	w := lo % g.grid[3]
	h := lo / g.grid[3] % g.grid[2]
	d := lo / (g.grid[3] * g.grid[2]) % g.grid[1]
	n := lo / (g.grid[3] * g.grid[2] * g.grid[1])
	for i := 0; i < len(aoff); {
		a := g.aBase + n*g.aStep[0] + d*g.aStep[1] + h*g.aStep[2] + w*g.aStep[3]
		c := g.cBase + n*g.cStep[0] + d*g.cStep[1] + h*g.cStep[2] + w*g.cStep[3]
		for ; w < g.grid[3] && i < len(aoff); w, i = w+1, i+1 {
			aoff[i], coff[i] = int64(4*a), int64(4*c)
			a += g.aStep[3]
			c += g.cStep[3]
		}
		w = 0
		if h++; h == g.grid[2] {
			h = 0
			if d++; d == g.grid[1] {
				d = 0
				n++
			}
		}
	}
}

// block computes one panel's columns of the voxels at the given offsets,
// a few runs at a time so that their part of the panel stays in cache.
func (g *product) block(l *lane, q panel, aoff, coff []int64) {
	t := &l.tile
	rows := len(g.runs) * g.klen
	right := g.packed[rows*q.from : rows*(q.from+q.width)]
	t.bias = nil
	if g.bias != nil {
		t.bias = &g.bias[q.from]
	}
	step := min(len(g.runs), max(1, panelBytes/(4*g.klen*q.width)))
	piece := min(g.klen, max(32, panelBytes/(4*q.width))) // of a run too long in itself
	t.accumulate = 0
	for r := 0; r < len(g.runs); r += step {
		t.runs, t.nruns = &g.runs[r], int64(min(step, len(g.runs)-r))
		for k := 0; k < g.klen; k += piece {
			t.a, t.klen = &g.a[k], int64(min(piece, g.klen-k))
			t.b = &right[(r*g.klen+k)*q.width]
			g.tiles(l, q, aoff, coff)
			t.accumulate = 1
		}
	}
}

// tiles runs the micro-kernel over the voxels.
func (g *product) tiles(l *lane, q panel, aoff, coff []int64) {
	t, m := &l.tile, active.gemm[q.micro]
	for v := 0; v < len(aoff); v += m.rows {
		n := copy(t.aoff[:m.rows], aoff[v:])
		t.rows = int64(n)
		for i := n; i < m.rows; i++ {
			t.aoff[i] = aoff[len(aoff)-1]
		}
		if q.cols == q.width {
			copy(t.coff[:m.rows], coff[v:])
			for i := n; i < m.rows; i++ {
				t.coff[i] = coff[len(coff)-1]
			}
			t.c = &g.c[q.from]
			m.run(t)
			continue
		}
		g.narrow(l, q, coff[v:v+n])
	}
}

// narrow computes a tile of which only some columns exist, by way of a buffer.
func (g *product) narrow(l *lane, q panel, coff []int64) {
	t, m := &l.tile, active.gemm[q.micro]
	for i := range m.rows {
		t.coff[i] = int64(4 * i * q.width)
	}
	if t.accumulate != 0 {
		for i, c := range coff {
			copy(l.temp[i*q.width:][:q.cols], g.c[int(c/4)+q.from:])
		}
	}
	t.c = &l.temp[0]
	m.run(t)
	for i, c := range coff {
		copy(g.c[int(c/4)+q.from:][:q.cols], l.temp[i*q.width:])
	}
}

// pack stores a right side of rows×cols as panels; row r begins at src[at(r)].
func pack(p *Pool, dst, src []float32, rows, cols int, at func(r int) int) {
	count, _ := panelsOf(cols)
	const strip = 64
	strips := (rows + strip - 1) / strip
	p.Run(count*strips, func(_, i int) {
		q := panelAt(i%count, cols)
		lo := i / count * strip
		for r := lo; r < min(rows, lo+strip); r++ {
			d := dst[rows*q.from+r*q.width:][:q.width]
			clear(d[copy(d[:q.cols], src[at(r)+q.from:]):])
		}
	})
}

// packTransposed stores as panels the right side whose rows are (tap, j) and
// whose columns i, of which src holds [taps][cols][inner] blocks: the block of
// row group t begins at src[at(t)].
func packTransposed(p *Pool, dst, src []float32, taps, inner, cols int, at func(t int) int) {
	count, _ := panelsOf(cols)
	rows := taps * inner
	p.Run(count*taps, func(_, i int) {
		q := panelAt(i%count, cols)
		t := i / count
		d := dst[rows*q.from+t*inner*q.width:][:inner*q.width]
		for l := range q.width {
			if l >= q.cols {
				for j := range inner {
					d[j*q.width+l] = 0
				}
				continue
			}
			for j, v := range src[at(t)+(q.from+l)*inner:][:inner] {
				d[j*q.width+l] = v
			}
		}
	})
}

// packBias lengthens a bias to whole panels; nil stays nil.
func packBias(p *Pool, bias []float32) []float32 {
	_, stored := panelsOf(len(bias))
	if stored == len(bias) {
		if len(bias) == 0 {
			return nil
		}
		return bias
	}
	b := p.floats(slotBias, stored)
	clear(b[copy(b, bias):])
	return b
}
