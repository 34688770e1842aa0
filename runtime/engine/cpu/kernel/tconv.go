package kernel

import "fmt"

// TransposedConv is the shape of a transposed convolution whose kernel is its
// stride, x [N,In,Ci] → y [N,Out,Co], Out = In·Stride, weights [Stride,Ci,Co]:
// each input voxel becomes a block of outputs of its own.
type TransposedConv struct {
	N, Ci, Co       int
	In, Stride, Out [3]int
}

// NewTransposedConv computes Out; sizes below 1 are an error.
func NewTransposedConv(n, ci, co int, in, stride [3]int) (TransposedConv, error) {
	if n < 1 || ci < 1 || co < 1 || volume(in) < 1 || min(stride[0], stride[1], stride[2]) < 1 {
		return TransposedConv{}, fmt.Errorf("transposed convolution of %d samples of size %v from %d to %d channels with stride %v: each must be at least 1",
			n, in, ci, co, stride)
	}
	c := TransposedConv{N: n, Ci: ci, Co: co, In: in, Stride: stride}
	for a := range 3 {
		c.Out[a] = in[a] * stride[a]
	}
	return c, nil
}

// InputLen, OutputLen and WeightLen are the lengths of x, y and w.
func (c *TransposedConv) InputLen() int  { return c.N * volume(c.In) * c.Ci }
func (c *TransposedConv) OutputLen() int { return c.N * volume(c.Out) * c.Co }
func (c *TransposedConv) WeightLen() int { return volume(c.Stride) * c.Ci * c.Co }

// adjoint is the convolution from y to x whose input gradient ForwardPacked is; its
// weights are [Stride,Co,Ci].
func (c *TransposedConv) adjoint() Conv {
	return Conv{N: c.N, Ci: c.Co, Co: c.Ci, In: c.Out, Kernel: c.Stride, Stride: c.Stride, Out: c.In}
}

// ForwardPacked computes y; bias may be nil. Each place in the block is a pointwise
// product of its own. The weights are packed in k, or to be packed there; with nil
// they are packed for this once.
func (c *TransposedConv) ForwardPacked(p *Pool, x, w []float32, k *Packed, bias, y []float32) {
	mustLen("input of a transposed convolution", len(x), c.InputLen())
	mustLen("weights of a transposed convolution", len(w), c.WeightLen())
	mustLen("output of a transposed convolution", len(y), c.OutputLen())
	if bias != nil {
		mustLen("bias of a transposed convolution", len(bias), c.Co)
	}
	_, stored := panelsOf(c.Co)
	taps := volume(c.Stride)
	packed := k.fill(p, taps*c.Ci*stored, func(to []float32) {
		for tap := range taps {
			pack(p, to[tap*c.Ci*stored:][:c.Ci*stored], w[tap*c.Ci*c.Co:], c.Ci, c.Co, func(r int) int { return r * c.Co })
		}
	})
	one := [3]int{1, 1, 1}
	unit := steps(c.Out, one, c.Co)
	all := make([]product, taps)
	for tap := range all {
		d, h, v := tap/(c.Stride[1]*c.Stride[2]), tap/c.Stride[2]%c.Stride[1], tap%c.Stride[2]
		g := product{
			a: x, c: y,
			grid:   [4]int{c.N, c.In[0], c.In[1], c.In[2]},
			aStep:  steps(c.In, one, c.Ci),
			cStep:  steps(c.Out, c.Stride, c.Co),
			cBase:  d*unit[1] + h*unit[2] + v*unit[3],
			runs:   runs(p, [2]int{1, 1}, c.In, c.Ci),
			klen:   c.Ci,
			cols:   c.Co,
			packed: packed[tap*c.Ci*stored:][:c.Ci*stored],
			bias:   packBias(p, bias),
		}
		all[tap] = g
	}
	run(p, all)
}

// InputGrad computes dx, a convolution of dy with the weights transposed.
func (c *TransposedConv) InputGrad(p *Pool, dy, w, dx []float32) {
	mustLen("output gradient of a transposed convolution", len(dy), c.OutputLen())
	mustLen("weights of a transposed convolution", len(w), c.WeightLen())
	mustLen("input gradient of a transposed convolution", len(dx), c.InputLen())
	turned := p.floats(slotWeights, len(w))
	turn(turned, w, volume(c.Stride), c.Ci, c.Co)
	a := c.adjoint()
	a.product(p, dy, turned, nil, nil, dx)
}

// WeightGrad computes dw.
func (c *TransposedConv) WeightGrad(p *Pool, x, dy, dw []float32) {
	mustLen("input of a transposed convolution", len(x), c.InputLen())
	mustLen("output gradient of a transposed convolution", len(dy), c.OutputLen())
	mustLen("weight gradient of a transposed convolution", len(dw), c.WeightLen())
	a := c.adjoint()
	turned := p.floats(slotTurned, len(dw))
	a.WeightGrad(p, dy, x, turned)
	turn(dw, turned, volume(c.Stride), c.Co, c.Ci)
}

// turn transposes each of n matrices [rows,cols].
func turn(dst, src []float32, n, rows, cols int) {
	for i := range n {
		d, s := dst[i*rows*cols:][:rows*cols], src[i*rows*cols:][:rows*cols]
		for r := range rows {
			for c, v := range s[r*cols:][:cols] {
				d[c*rows+r] = v
			}
		}
	}
}
