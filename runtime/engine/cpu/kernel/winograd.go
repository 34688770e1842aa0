package kernel

// Convolutions of stride 1 with three taps along H, and three or one along D,
// take Winograd's minimal filtering F(2,3) (Lavin and Gray 2016, equations 5
// to 8) along those two axes: two neighbouring outputs cost four
// multiplications instead of six, so a 3×3×3 kernel needs 2.25 times fewer.
// The innermost axis stays direct. The transforms then add and subtract whole
// lines [W,C], which needs no shuffling, and what is left are 16 independent
// products over the same micro-kernels, one for each pair of points:
//
//	out = Aᵀ[(G·w·Gᵀ) ⊙ (Bᵀ·in·B)]A   with the sum over channels inside ⊙
//
//	     1  0 −1  0        1  0  0
//	Bᵀ = 0  1  1  0    G = ½  ½  ½    Aᵀ = 1  1  1  0
//	     0 −1  1  0        ½ −½  ½         0  1 −1 −1
//	     0  1  0 −1        0  0  1
//
// The coefficients are small, and each sum is a ninth of the direct one's
// length: the measured error (root mean square, against float64) is 3e-7 of the
// result at 32 channels and 6e-7 at 128, where the direct way has 5e-7 and 1e-6.
type winograd struct {
	n, ci, co int
	in, out   [3]int
	pad       [3]int
	taps      int // along W
	deep      int // points along D: 4, or 1 for a kernel of depth 1
	tiles     [2]int
}

// minimalVoxels is the number of outputs below which transforming the weights
// costs more than it saves.
const minimalVoxels = 1024

// minimal reports whether the convolution is one for winograd, by its shape alone.
func (c *Conv) minimal() bool {
	return c.Stride == [3]int{1, 1, 1} && c.Kernel[1] == 3 && (c.Kernel[0] == 3 || c.Kernel[0] == 1) &&
		c.Ci%8 == 0 && c.Co%8 == 0 && c.N*volume(c.Out) >= minimalVoxels &&
		c.Pad[0] < c.Kernel[0] && c.Pad[1] < c.Kernel[1] && c.Pad[2] < c.Kernel[2]
}

// forward and backward are the convolution's and its input gradient's
// arithmetic; the latter is a convolution with the taps turned around.
func (c *Conv) forward() winograd {
	return newWinograd(winograd{n: c.N, ci: c.Ci, co: c.Co, in: c.In, out: c.Out, pad: c.Pad}, c.Kernel)
}

func (c *Conv) backward() winograd {
	w := winograd{n: c.N, ci: c.Co, co: c.Ci, in: c.Out, out: c.In}
	for a := range 3 {
		w.pad[a] = c.Kernel[a] - 1 - c.Pad[a]
	}
	return newWinograd(w, c.Kernel)
}

func newWinograd(w winograd, kernel [3]int) winograd {
	w.taps, w.deep = kernel[2], 1
	w.tiles = [2]int{w.out[0], (w.out[1] + 1) / 2}
	if kernel[0] == 3 {
		w.deep = 4
		w.tiles[0] = (w.out[0] + 1) / 2
	}
	return w
}

// lengths of a transformed line of input, of a line of output, and of one
// point's weights.
func (w *winograd) inLine() int  { return (w.in[2] + 2*w.pad[2]) * w.ci }
func (w *winograd) outLine() int { return w.out[2] * w.co }
func (w *winograd) weights() int { return w.taps * w.ci * w.co }

// tile gives tile i's sample and its first output line.
func (w *winograd) tile(i int) (n, d, h int) {
	d, h = i/w.tiles[1]%w.tiles[0], i%w.tiles[1]*2
	if w.deep == 4 {
		d *= 2
	}
	return i / (w.tiles[0] * w.tiles[1]), d, h
}

const winogradRows = 120 // outputs along W that one task computes at a time, about

// packed gives the weights [Kernel,ci,co] as run reads them, kept in k or scratch.
func (w *winograd) packed(p *Pool, k *Packed, weights []float32, tap func(kd, kh, kw int) int) []float32 {
	return k.fill(p, 4*w.deep*w.weights(), func(to []float32) { w.pack(p, to, weights, tap) })
}

// run computes y from x and packed weights.
func (w *winograd) run(p *Pool, x, packed, bias, y []float32) {
	points := 4 * w.deep
	tiles := w.n * w.tiles[0] * w.tiles[1]
	batch := min((winogradRows+w.out[2]-1)/w.out[2], (tiles+p.threads-1)/p.threads)
	panels, _ := panelsOf(w.co)
	middle := min(5, points-3) // the point that reaches every output with factor 1
	zeros := p.floats(slotZeros, w.in[2]*w.ci)
	runs := p.offsets(slotRuns, 1)
	runs[0] = 0
	p.Run((tiles+batch-1)/batch, func(worker, i int) {
		lo := i * batch
		count := min(batch, tiles-lo)
		l := &p.lanes[worker]
		in := resize(&l.left, points*count*w.inLine())
		out := resize(&l.right, points*count*w.outLine())
		for k := range count {
			w.spread(l, x, zeros, lo+k, in[k*w.inLine():], count*w.inLine())
		}
		aoff, coff := w.locate(l, count)
		for point := range points {
			g := product{
				a:      in[point*count*w.inLine():][:count*w.inLine()],
				c:      out[point*count*w.outLine():][:count*w.outLine()],
				runs:   runs,
				klen:   w.taps * w.ci,
				cols:   w.co,
				packed: packed[point*w.weights():][:w.weights()],
			}
			if point == middle {
				g.bias = bias
			}
			for q := range panels {
				g.block(l, panelAt(q, w.co), aoff, coff)
			}
		}
		for k := range count {
			w.gather(l, out[k*w.outLine():], count*w.outLine(), lo+k, y)
		}
	})
}

// locate gives the byte offsets of count tiles' outputs within one point.
func (w *winograd) locate(l *lane, count int) (aoff, coff []int64) {
	aoff, coff = resize(&l.aoff, count*w.out[2]), resize(&l.coff, count*w.out[2])
	for i := range aoff {
		k, v := i/w.out[2], i%w.out[2]
		aoff[i] = int64(4 * (k*w.inLine() + v*w.ci))
		coff[i] = int64(4 * i * w.co)
	}
	return aoff, coff
}

// lineAt is line (d,h) of sample n of x [n,size,ch], or zeros outside.
func lineAt(x, zeros []float32, size [3]int, ch, n, d, h int) []float32 {
	if d < 0 || d >= size[0] || h < 0 || h >= size[1] {
		return zeros
	}
	line := size[2] * ch
	return x[((n*size[0]+d)*size[1]+h)*line:][:line]
}

// spread writes Bᵀ·in·B of one tile: point i's line at i·step in dst.
func (w *winograd) spread(l *lane, x, zeros []float32, tile int, dst []float32, step int) {
	n, d, h := w.tile(tile)
	d, h = d-w.pad[0], h-w.pad[1]
	line := w.in[2] * w.ci
	half := resize(&l.lines, 16*line)
	var a, b [4][]float32
	for j := range 4 {
		for i := range w.deep {
			a[i] = lineAt(x, zeros, w.in, w.ci, n, d+i, h+j)
			b[i] = half[(4*i+j)*line:][:line]
		}
		if w.deep == 4 {
			active.spread(&a, &b)
		} else {
			copy(b[0], a[0])
		}
	}
	edge := w.pad[2] * w.ci
	for i := range w.deep {
		for j := range 4 {
			a[j] = half[(4*i+j)*line:][:line]
			to := dst[(4*i+j)*step:][:w.inLine()]
			clear(to[:edge])
			clear(to[edge+line:])
			b[j] = to[edge:][:line]
		}
		active.spread(&a, &b)
	}
}

// gather writes Aᵀ·out·A of one tile to its lines of y; point i's line is at
// i·step in src.
func (w *winograd) gather(l *lane, src []float32, step, tile int, y []float32) {
	n, d, h := w.tile(tile)
	line := w.outLine()
	half := resize(&l.lines, 9*line)
	spare := half[8*line:] // for outputs beyond the end
	var a [4][]float32
	for i := range w.deep {
		for j := range 4 {
			a[j] = src[(4*i+j)*step:][:line]
		}
		if w.deep == 1 {
			active.gather(&a, lineAt(y, spare, w.out, w.co, n, d, h), lineAt(y, spare, w.out, w.co, n, d, h+1))
			return
		}
		active.gather(&a, half[i*line:][:line], half[(4+i)*line:][:line])
	}
	for j := range 2 {
		for i := range 4 {
			a[i] = half[(4*j+i)*line:][:line]
		}
		active.gather(&a, lineAt(y, spare, w.out, w.co, n, d, h+j), lineAt(y, spare, w.out, w.co, n, d+1, h+j))
	}
}

// pack writes G·w·Gᵀ of every tap along W as the panels of each point. The
// weights of tap (kd,kh,kw) begin at src[tap(kd,kh,kw)] as [ci,co].
func (w *winograd) pack(p *Pool, dst, src []float32, tap func(kd, kh, kw int) int) {
	panels, _ := panelsOf(w.co)
	rows := w.taps * w.ci
	p.Run(panels*w.taps, func(_, i int) {
		q, kw := panelAt(i/w.taps, w.co), i%w.taps
		var at [3][3]int
		for kd := range (w.deep + 2) / 2 {
			for kh := range 3 {
				at[kd][kh] = tap(kd, kh, kw) + q.from
			}
		}
		for r := range w.ci {
			to := dst[rows*q.from+(kw*w.ci+r)*q.width:]
			for c := range q.width {
				var u [4]float32
				if w.deep == 1 {
					u = points(src[at[0][0]+c], src[at[0][1]+c], src[at[0][2]+c])
					for j, v := range u {
						to[j*w.weights()+c] = v
					}
					continue
				}
				var t [3][4]float32
				for kh := range 3 {
					t[kh] = points(src[at[0][kh]+c], src[at[1][kh]+c], src[at[2][kh]+c])
				}
				for i := range 4 {
					u = points(t[0][i], t[1][i], t[2][i])
					for j, v := range u {
						to[(4*i+j)*w.weights()+c] = v
					}
				}
			}
			for kd := range at {
				for kh := range 3 {
					at[kd][kh] += w.co
				}
			}
		}
	})
}

// points is G·g.
func points(g0, g1, g2 float32) [4]float32 {
	s := g0 + g2
	return [4]float32{g0, (s + g1) / 2, (s - g1) / 2, g2}
}

// spreadPortable is Bᵀ over four lines.
func spreadPortable(in, out *[4][]float32) {
	n := len(out[0])
	a, b, c, d := in[0][:n], in[1][:n], in[2][:n], in[3][:n]
	e, f, g, h := out[0], out[1][:n], out[2][:n], out[3][:n]
	for i := range e {
		e[i] = a[i] - c[i]
		f[i] = b[i] + c[i]
		g[i] = c[i] - b[i]
		h[i] = b[i] - d[i]
	}
}

// gatherPortable is Aᵀ over four lines.
func gatherPortable(in *[4][]float32, y0, y1 []float32) {
	n := len(y0)
	a, b, c, d := in[0][:n], in[1][:n], in[2][:n], in[3][:n]
	y1 = y1[:n]
	for i := range y0 {
		y0[i] = a[i] + b[i] + c[i]
		y1[i] = b[i] - c[i] - d[i]
	}
}
