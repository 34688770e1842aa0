package kernel

// The weight gradient of a convolution that takes winograd is, by the same
// coefficients, dw = Gᵀ[(Bᵀ·in·B) ⊙ (A·dy·Aᵀ)]G with the sum over tiles and W
// inside ⊙: outer products of transformed lines, point by point. The last row
// of A, (0 −1), is taken as (0 1) and the sign put into G.

// minimalGrad reports whether the weight gradient takes winograd.
func (c *Conv) minimalGrad() bool {
	return c.minimal() && c.Kernel[2]*c.Ci >= widestTile
}

const winogradGradRows = 96 // outputs along W whose products are summed in one go, about

// weightGrad computes dw. A task is one chunk of the tiles, with all rows of
// points along D so that the lines read stay in cache, or with one row where
// the sums would not stay there or the chunks are too few for the threads;
// each sum is the same either way.
func (w *winograd) weightGrad(p *Pool, x, dy, dw []float32) {
	tiles := w.n * w.tiles[0] * w.tiles[1]
	chunks := gradChunks(w.n * volume(w.out))
	points := 4 * w.deep
	part := points * w.weights()
	sums := p.floats(slotPartial, chunks*part)
	zeros := p.floats(slotZeros, max(w.in[2]*w.ci, w.outLine()))
	together := w.deep
	if 4*part > 1<<19 || p.threads > 1 && chunks < 3*p.threads {
		together = 1
	}
	groups := w.deep / together
	p.Run(chunks*groups, func(worker, i int) {
		chunk, row := i/groups, i%groups*together
		dst := sums[chunk*part+4*row*w.weights():][:4*together*w.weights()]
		clear(dst)
		w.sumTiles(&p.lanes[worker], x, dy, zeros, dst, row, row+together, chunk*tiles/chunks, (chunk+1)*tiles/chunks)
	})
	w.combine(p, sums, part, chunks, dw)
}

// gradChunks is the number of chunks a weight gradient over so many outputs is
// cut into.
func gradChunks(voxels int) int { return min(chunkCount, max(1, voxels/chunkVoxels)) }

// sumTiles adds to dst [rows,4,taps·ci,co] the products of tiles [lo, hi) for
// rows [first, end) of points.
func (w *winograd) sumTiles(l *lane, x, dy, zeros, dst []float32, first, end, lo, hi int) {
	batch := max(1, winogradGradRows/w.out[2])
	in := resize(&l.left, 4*batch*w.inLine())
	out := resize(&l.right, 4*batch*w.outLine())
	aoffs, boffs := resize(&l.aoff, batch), resize(&l.coff, batch)
	for k := range batch {
		aoffs[k], boffs[k] = int64(4*k*w.inLine()), int64(4*k*w.outLine())
	}
	t := &l.outer
	t.aoffs, t.boffs = &aoffs[0], &boffs[0]
	t.astride, t.bstride, t.cstride = int64(4*w.ci), int64(4*w.co), int64(4*w.co)
	t.width = int64(w.out[2])
	panels, _ := panelsOf(w.co)
	for ; lo < hi; lo += batch {
		n := min(batch, hi-lo)
		t.rows = int64(n)
		for row := first; row < end; row++ {
			for k := range n {
				w.spreadRow(l, x, zeros, lo+k, row, in[k*w.inLine():], batch*w.inLine())
				w.spreadGrad(l, dy, zeros, lo+k, row, out[k*w.outLine():], batch*w.outLine())
			}
			for j := range 4 {
				a, b := in[j*batch*w.inLine():], out[j*batch*w.outLine():]
				point := dst[(4*(row-first)+j)*w.weights():][:w.weights()]
				for i := range panels {
					w.multiply(l, panelAt(i, w.co), a, b, point)
				}
			}
		}
	}
}

// multiply adds one point's and panel's outer products to dst [taps·ci,co].
func (w *winograd) multiply(l *lane, q panel, a, b, dst []float32) {
	m, t := active.wide[q.micro], &l.outer
	rows := w.taps * w.ci
	t.b = &b[q.from]
	for k := 0; k < rows; k += m.rows {
		from := min(k, rows-m.rows)
		t.a = &a[from]
		if from == k {
			t.c, t.cstride = &dst[k*w.co+q.from], int64(4*w.co)
			m.run(t)
			continue
		}
		overlap(l, q, dst, w.co, k, from)
	}
}

// spreadRow writes one row of points of Bᵀ·in·B, four lines a step apart.
func (w *winograd) spreadRow(l *lane, x, zeros []float32, tile, row int, dst []float32, step int) {
	n, d, h := w.tile(tile)
	d, h = d-w.pad[0], h-w.pad[1]
	line := w.in[2] * w.ci
	half := resize(&l.lines, 4*line)
	edge := w.pad[2] * w.ci
	var a, b [4][]float32
	for j := range 4 {
		at := func(i int) []float32 { return lineAt(x, zeros, w.in, w.ci, n, d+i, h+j)[:line] }
		a[j] = half[j*line:][:line]
		switch {
		case w.deep == 1:
			a[j] = at(0)
		case row == 0:
			active.sub(a[j], at(0), at(2))
		case row == 1:
			active.add(a[j], at(1), at(2))
		case row == 2:
			active.sub(a[j], at(2), at(1))
		default:
			active.sub(a[j], at(1), at(3))
		}
		to := dst[j*step:][:w.inLine()]
		clear(to[:edge])
		clear(to[edge+line:])
		b[j] = to[edge:][:line]
	}
	active.spread(&a, &b)
}

// spreadGrad writes one row of points of A·dy·Aᵀ, four lines a step apart.
func (w *winograd) spreadGrad(l *lane, dy, zeros []float32, tile, row int, dst []float32, step int) {
	n, d, h := w.tile(tile)
	line := w.outLine()
	half := resize(&l.lines, 2*line)
	var a [2][]float32
	for j := range 2 {
		at := func(i int) []float32 { return lineAt(dy, zeros, w.out, w.co, n, d+i, h+j)[:line] }
		a[j] = half[j*line:][:line]
		switch {
		case row == 0:
			a[j] = at(0)
		case row == 1:
			active.add(a[j], at(0), at(1))
		case row == 2:
			active.sub(a[j], at(0), at(1))
		default:
			a[j] = at(1)
		}
	}
	copy(dst[:line], a[0])
	active.add(dst[step:][:line], a[0], a[1])
	active.sub(dst[2*step:][:line], a[0], a[1])
	copy(dst[3*step:][:line], a[1])
}

// combine adds the chunks in order and turns each point's sums into taps.
func (w *winograd) combine(p *Pool, sums []float32, part, chunks int, dw []float32) {
	points := 4 * w.deep
	p.Run(w.taps*w.ci, func(worker, r int) {
		u := resize(&p.lanes[worker].lines, points*w.co)
		for i := range points {
			to := u[i*w.co:][:w.co]
			at := i*w.weights() + r*w.co
			copy(to, sums[at:])
			for k := 1; k < chunks; k++ {
				active.add(to, to, sums[k*part+at:][:w.co])
			}
		}
		w.unspread(u, r, dw)
	})
}

// unspread writes Gᵀ·u·G of row r = (kw, ci), u being [points,co], to dw.
func (w *winograd) unspread(u []float32, r int, dw []float32) {
	for c := range w.co {
		var t [3][4]float32 // along D done, [kd][point along H]
		for j := range 4 {
			if w.deep == 1 {
				t[0][j] = u[j*w.co+c]
				continue
			}
			t[0][j], t[1][j], t[2][j] = taps(u[j*w.co+c], u[(4+j)*w.co+c], u[(8+j)*w.co+c], u[(12+j)*w.co+c])
		}
		for kd := range (w.deep + 2) / 2 {
			g0, g1, g2 := taps(t[kd][0], t[kd][1], t[kd][2], t[kd][3])
			at := kd*3*w.weights() + r*w.co + c
			dw[at], dw[at+w.weights()], dw[at+2*w.weights()] = g0, g1, g2
		}
	}
}

// taps is Gᵀ·u with the last column's sign turned.
func taps(u0, u1, u2, u3 float32) (g0, g1, g2 float32) {
	s := (u1 + u2) / 2
	return u0 + s, (u1 - u2) / 2, s - u3
}
