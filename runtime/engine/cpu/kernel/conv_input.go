package kernel

// InputGrad computes dx, the gradient of the input, from dy.
//
// Input i takes part in output o with tap k where i = o·stride + k − pad. The
// inputs with the same (i+pad) mod stride therefore use the same taps, each
// stride-th one, and their gradients are an ordinary convolution of dy with
// those taps in reverse: one such product per class of remainders and axis.
func (c *Conv) InputGrad(p *Pool, dy, w, dx []float32) {
	mustLen("output gradient of a convolution", len(dy), c.OutputLen())
	mustLen("weights of a convolution", len(w), c.WeightLen())
	mustLen("input gradient of a convolution", len(dx), c.InputLen())
	if c.minimal() {
		turned := p.floats(slotTurned, len(w))
		turn(turned, w, volume(c.Kernel), c.Ci, c.Co)
		m := c.backward()
		packed := m.packed(p, nil, turned, func(kd, kh, kw int) int {
			return c.tapOffset(c.Kernel[0]-1-kd, c.Kernel[1]-1-kh, c.Kernel[2]-1-kw)
		})
		m.run(p, dy, packed, nil, dx)
		return
	}
	c.inputProducts(p, dy, w, dx)
}

// inputProducts is InputGrad as one product per class.
func (c *Conv) inputProducts(p *Pool, dy, w, dx []float32) {
	var classes [3][]tapClass
	var lo, hi [3]int
	whole := true // every input belongs to a class with taps
	for a := range 3 {
		classes[a] = c.tapClasses(a)
		lo[a], hi[a] = c.gradBorder(a, classes[a])
		whole = whole && c.Stride[a] <= c.Kernel[a]
	}
	if !whole {
		clear(dx)
	}
	in, size := pad(p, dy, c.N, c.Out, lo, hi, c.Co)
	_, stored := panelsOf(c.Ci)
	packed := p.floats(slotPacked, volume(c.Kernel)*c.Co*stored)
	lines := p.offsets(slotRuns, c.Kernel[0]*c.Kernel[1]*min(c.Kernel[2], c.Stride[2]))
	var all []product
	for _, d := range classes[0] {
		for _, h := range classes[1] {
			for _, v := range classes[2] {
				q := inputClass{d, h, v}
				g := c.inputProduct(q, lo, size)
				g.a, g.c = in, dx
				g.packed, packed = cut(packed, q.taps()*c.Co*stored)
				g.runs, lines = cut(lines, d.taps*h.taps)
				fillRuns(g.runs, h.taps, size, c.Co)
				c.packClass(p, q, g.packed, w)
				all = append(all, g)
			}
		}
	}
	run(p, all)
}

// cut parts the first n elements from the rest.
func cut[T any](s []T, n int) (first, rest []T) { return s[:n], s[n:] }

// tapClass is, along one axis, the inputs first, first+stride, … (count of
// them) and their taps tap, tap+stride, … (taps of them). Input number j reads
// the outputs out+j, out+j−1, …, one for each tap.
type tapClass struct{ first, count, tap, taps, out int }

func (c *Conv) tapClasses(a int) []tapClass {
	s, k := c.Stride[a], c.Kernel[a]
	var all []tapClass
	for tap := 0; tap < min(s, k); tap++ {
		first := ((tap-c.Pad[a])%s + s) % s
		if first >= c.In[a] {
			continue
		}
		all = append(all, tapClass{
			first: first,
			count: (c.In[a] - first + s - 1) / s,
			tap:   tap,
			taps:  (k - tap + s - 1) / s,
			out:   (first + c.Pad[a] - tap) / s,
		})
	}
	return all
}

// gradBorder is how far the classes reach beyond dy, before and after.
func (c *Conv) gradBorder(a int, classes []tapClass) (lo, hi int) {
	for _, q := range classes {
		lo = max(lo, q.taps-1-q.out)
		hi = max(hi, q.out+q.count-c.Out[a])
	}
	return lo, hi
}

// inputClass is a class of inputs: one along each axis.
type inputClass [3]tapClass

func (q *inputClass) taps() int { return q[0].taps * q[1].taps * q[2].taps }

// packClass stores the weights of a class's taps as panels, the taps in
// falling order, which is the order of rising outputs.
func (c *Conv) packClass(p *Pool, q inputClass, packed, w []float32) {
	packTransposed(p, packed, w, q.taps(), c.Co, c.Ci, func(t int) int {
		d := q[0].taps - 1 - t/(q[1].taps*q[2].taps)
		h := q[1].taps - 1 - t/q[2].taps%q[1].taps
		v := q[2].taps - 1 - t%q[2].taps
		return c.tapOffset(q[0].tap+d*c.Stride[0], q[1].tap+h*c.Stride[1], q[2].tap+v*c.Stride[2])
	})
}

// inputProduct is the geometry of a class's product, dy having a border of lo
// and the given size with it.
func (c *Conv) inputProduct(q inputClass, lo, size [3]int) product {
	one := [3]int{1, 1, 1}
	g := product{
		grid:  [4]int{c.N, q[0].count, q[1].count, q[2].count},
		aStep: steps(size, one, c.Co),
		cStep: steps(c.In, c.Stride, c.Ci),
		klen:  q[2].taps * c.Co,
		cols:  c.Ci,
	}
	unit := steps(c.In, one, c.Ci)
	for a := range 3 {
		g.aBase += (q[a].out - (q[a].taps - 1) + lo[a]) * g.aStep[a+1]
		g.cBase += q[a].first * unit[a+1]
	}
	return g
}
