package kernel

import "fmt"

// Conv is the shape of a 3-D convolution (a cross-correlation, as PyTorch's
// Conv3d) x [N,In,Ci] → y [N,Out,Co] with weights [Kernel,Ci,Co]. Axes are D, H, W.
type Conv struct {
	N, Ci, Co        int
	In, Kernel       [3]int
	Stride, Pad, Out [3]int
}

// NewConv computes Out = (In + 2·Pad − Kernel)/Stride + 1. A shape with an
// axis that leaves no output is an error.
func NewConv(n, ci, co int, in, kernel, stride, pad [3]int) (Conv, error) {
	c := Conv{N: n, Ci: ci, Co: co, In: in, Kernel: kernel, Stride: stride, Pad: pad}
	if n < 1 || ci < 1 || co < 1 {
		return Conv{}, fmt.Errorf("convolution of %d samples from %d to %d channels: each must be at least 1", n, ci, co)
	}
	for a := range 3 {
		if in[a] < 1 || kernel[a] < 1 || stride[a] < 1 || pad[a] < 0 || in[a]+2*pad[a] < kernel[a] {
			return Conv{}, fmt.Errorf("convolution of size %v with kernel %v, stride %v and padding %v has no output along axis %d",
				in, kernel, stride, pad, a)
		}
		c.Out[a] = (in[a]+2*pad[a]-kernel[a])/stride[a] + 1
	}
	return c, nil
}

func volume(v [3]int) int { return v[0] * v[1] * v[2] }

// InputLen, OutputLen and WeightLen are the lengths of x, y and w.
func (c *Conv) InputLen() int  { return c.N * volume(c.In) * c.Ci }
func (c *Conv) OutputLen() int { return c.N * volume(c.Out) * c.Co }
func (c *Conv) WeightLen() int { return volume(c.Kernel) * c.Ci * c.Co }

// ForwardPacked computes y = conv(x, w) + bias; bias may be nil. The weights are
// packed in k, or to be packed there; with nil they are packed for this once.
func (c *Conv) ForwardPacked(p *Pool, x, w []float32, k *Packed, bias, y []float32) {
	mustLen("input of a convolution", len(x), c.InputLen())
	mustLen("weights of a convolution", len(w), c.WeightLen())
	mustLen("output of a convolution", len(y), c.OutputLen())
	if bias != nil {
		mustLen("bias of a convolution", len(bias), c.Co)
	}
	if c.minimal() {
		m := c.forward()
		m.run(p, x, m.packed(p, k, w, c.tapOffset), bias, y)
		return
	}
	c.product(p, x, w, k, bias, y)
}

// tapOffset is where the weights [Ci,Co] of a tap begin.
func (c *Conv) tapOffset(kd, kh, kw int) int {
	return ((kd*c.Kernel[1]+kh)*c.Kernel[2] + kw) * c.Ci * c.Co
}

// product is ForwardPacked without a look at the shape.
func (c *Conv) product(p *Pool, x, w []float32, k *Packed, bias, y []float32) {
	in, size := pad(p, x, c.N, c.In, c.Pad, c.Pad, c.Ci)
	rows := volume(c.Kernel) * c.Ci
	_, stored := panelsOf(c.Co)
	packed := k.fill(p, rows*stored, func(to []float32) {
		pack(p, to, w, rows, c.Co, func(r int) int { return r * c.Co })
	})
	g := product{
		a: in, c: y,
		grid:   [4]int{c.N, c.Out[0], c.Out[1], c.Out[2]},
		aStep:  steps(size, c.Stride, c.Ci),
		cStep:  steps(c.Out, [3]int{1, 1, 1}, c.Co),
		runs:   runs(p, [2]int{c.Kernel[0], c.Kernel[1]}, size, c.Ci),
		klen:   c.Kernel[2] * c.Ci,
		cols:   c.Co,
		packed: packed,
		bias:   packBias(p, bias),
	}
	run(p, []product{g})
}

// steps are the floats from one voxel to the next along N, D, H and W of a
// volume [size, ch] walked with a stride.
func steps(size, stride [3]int, ch int) [4]int {
	return [4]int{
		size[0] * size[1] * size[2] * ch,
		stride[0] * size[1] * size[2] * ch,
		stride[1] * size[2] * ch,
		stride[2] * ch,
	}
}

// runs are the byte offsets at which a window's kd×kh runs begin.
func runs(p *Pool, window [2]int, size [3]int, ch int) []int64 {
	r := p.offsets(slotRuns, window[0]*window[1])
	fillRuns(r, window[1], size, ch)
	return r
}

func fillRuns(r []int64, height int, size [3]int, ch int) {
	for i := range r {
		r[i] = int64(4 * (i/height*size[1] + i%height) * size[2] * ch)
	}
}

// pad copies x [n,in,ch] into the middle of zeros, lo before and hi after on
// each axis, and returns it with its size; without a border x itself.
func pad(p *Pool, x []float32, n int, in, lo, hi [3]int, ch int) ([]float32, [3]int) {
	if lo == ([3]int{}) && hi == ([3]int{}) {
		return x, in
	}
	var size [3]int
	for a := range size {
		size[a] = lo[a] + in[a] + hi[a]
	}
	out := p.floats(slotPadded, n*volume(size)*ch)
	plane, row, line := size[1]*size[2]*ch, size[2]*ch, in[2]*ch
	p.Run(n*size[0], func(_, i int) {
		dst := out[i*plane : (i+1)*plane]
		d := i%size[0] - lo[0]
		if d < 0 || d >= in[0] {
			clear(dst)
			return
		}
		src := x[(i/size[0]*in[0]+d)*in[1]*line:]
		clear(dst[:lo[1]*row])
		clear(dst[(lo[1]+in[1])*row:])
		for h := range in[1] {
			to := dst[(lo[1]+h)*row:][:row]
			clear(to[:lo[2]*ch])
			copy(to[lo[2]*ch:], src[h*line:][:line])
			clear(to[lo[2]*ch+line:])
		}
	})
	return out, size
}

// columns writes out each output voxel's inputs side by side, zeros behind
// them to at least atLeast, and returns the pointwise convolution that is left.
// It serves the weight gradient of few input channels where planarGrad does not.
func (c *Conv) columns(p *Pool, x []float32, atLeast int) ([]float32, Conv) {
	in, size := pad(p, x, c.N, c.In, c.Pad, c.Pad, c.Ci)
	rows := volume(c.Kernel) * c.Ci
	width := max(rows, atLeast)
	out := p.floats(slotColumns, c.N*volume(c.Out)*width)
	run := c.Kernel[2] * c.Ci
	step := steps(size, c.Stride, c.Ci)
	p.Run(c.N*c.Out[0], func(_, i int) {
		base := i/c.Out[0]*step[0] + i%c.Out[0]*step[1]
		dst := out[i*c.Out[1]*c.Out[2]*width:]
		for h := range c.Out[1] {
			for w := range c.Out[2] {
				d := dst[(h*c.Out[2]+w)*width:][:width]
				k := 0
				for kd := range c.Kernel[0] {
					for kh := range c.Kernel[1] {
						src := in[base+h*step[2]+w*step[3]+(kd*size[1]+kh)*size[2]*c.Ci:][:run]
						for j, v := range src {
							d[k+j] = v
						}
						k += run
					}
				}
				clear(d[k:])
			}
		}
	})
	one := [3]int{1, 1, 1}
	return out, Conv{N: c.N, Ci: width, Co: c.Co, In: c.Out, Kernel: one, Stride: one, Out: c.Out}
}
