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
		m.run(p, dy, turned, nil, dx, func(kd, kh, kw int) int {
			return c.tapOffset(c.Kernel[0]-1-kd, c.Kernel[1]-1-kh, c.Kernel[2]-1-kw)
		})
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
	for _, d := range classes[0] {
		for _, h := range classes[1] {
			for _, w3 := range classes[2] {
				c.inputClass(p, [3]tapClass{d, h, w3}, in, w, dx, lo, size)
			}
		}
	}
}

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

func (c *Conv) inputClass(p *Pool, q [3]tapClass, in, w, dx []float32, lo, size [3]int) {
	taps := q[0].taps * q[1].taps * q[2].taps
	_, stored := panelsOf(c.Ci)
	packed := p.floats(slotPacked, taps*c.Co*stored)
	packTransposed(p, packed, w, taps, c.Co, c.Ci, func(t int) int {
		// Outputs in rising order are taps in falling order.
		d := q[0].taps - 1 - t/(q[1].taps*q[2].taps)
		h := q[1].taps - 1 - t/q[2].taps%q[1].taps
		v := q[2].taps - 1 - t%q[2].taps
		kd, kh, kw := q[0].tap+d*c.Stride[0], q[1].tap+h*c.Stride[1], q[2].tap+v*c.Stride[2]
		return c.tapOffset(kd, kh, kw)
	})
	one := [3]int{1, 1, 1}
	g := product{
		a: in, c: dx,
		grid:   [4]int{c.N, q[0].count, q[1].count, q[2].count},
		aStep:  steps(size, one, c.Co),
		cStep:  steps(c.In, c.Stride, c.Ci),
		runs:   runs(p, [2]int{q[0].taps, q[1].taps}, size, c.Co),
		klen:   q[2].taps * c.Co,
		cols:   c.Ci,
		packed: packed,
	}
	unit := steps(c.In, one, c.Ci)
	for a := range 3 {
		g.aBase += (q[a].out - (q[a].taps - 1) + lo[a]) * g.aStep[a+1]
		g.cBase += q[a].first * unit[a+1]
	}
	g.run(p)
}
