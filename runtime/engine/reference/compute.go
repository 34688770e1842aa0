package reference

import (
	"fmt"
	"math"

	"runspec/runtime/engine"
)

// call is one operation with its operands.
type call struct {
	op     engine.Op
	in     [][]float64
	shapes [][]int
	out    []float64
	shape  []int
}

func (c *call) compute() error {
	switch op := c.op.(type) {
	case engine.Convolution:
		c.bias()
		taps(c.shapes[0], c.shapes[1], c.shape, op.Stride, op.Pad, c.forward)
	case engine.ConvolutionInput:
		taps(c.shape, c.shapes[1], c.shapes[0], op.Stride, op.Pad, c.inputGradient)
	case engine.ConvolutionWeight:
		taps(c.shapes[0], c.shape, c.shapes[1], op.Stride, op.Pad, c.weightGradient)
	case engine.BiasGradient:
		for i, v := range c.in[0] {
			c.out[i%len(c.out)] += v
		}
	case engine.Transposed:
		c.bias()
		blocks(c.shapes[0], c.shapes[1], c.forward)
	case engine.TransposedInput:
		blocks(c.shape, c.shapes[1], c.inputGradient)
	case engine.TransposedWeight:
		blocks(c.shapes[0], c.shape, c.weightGradient)
	case engine.Moments, engine.RunningMoments, engine.Normalise, engine.NormaliseSums,
		engine.NormaliseInput, engine.NormaliseParameter:
		c.norm()
	case engine.LossStatistics:
		c.statistics(op.Objective)
	case engine.LossValue:
		c.out[0] = value(op.Objective, c.in[2], c.shapes[0])
	case engine.LossGradient:
		c.lossGradient(op.Objective)
	case engine.WeightedSum:
		for i, w := range op.Weights {
			c.out[0] += w * c.in[i][0]
		}
	case engine.Scale:
		c.out[0] = op.Factor * c.in[0][0]
	default:
		return c.elementwise()
	}
	return nil
}

func (c *call) elementwise() error {
	switch op := c.op.(type) {
	case engine.Activate:
		for i, x := range c.in[0] {
			c.out[i], _ = function(op.Function, x, c.slope(1))
		}
	case engine.ActivateGradient:
		for i, x := range c.in[0] {
			_, d := function(op.Function, x, c.slope(2))
			c.out[i] = c.in[1][i] * d
		}
	case engine.SlopeGradient:
		for i, x := range c.in[0] {
			c.out[0] += c.in[1][i] * min(x, 0)
		}
	case engine.Add:
		for i := range c.out {
			c.out[i] = c.in[0][i] + c.in[1][i]
		}
	case engine.Concat:
		a, b := c.shapes[0][4], c.shapes[1][4]
		for v := range len(c.out) / (a + b) {
			copy(c.out[v*(a+b):], c.in[0][v*a:][:a])
			copy(c.out[v*(a+b)+a:], c.in[1][v*b:][:b])
		}
	case engine.Slice:
		all := c.shapes[0][4]
		for v := range len(c.in[0]) / all {
			copy(c.out[v*op.Channels:][:op.Channels], c.in[0][v*all+op.Offset:])
		}
	case engine.AveragePool:
		part := 1 / float64(op.Window[0]*op.Window[1]*op.Window[2])
		windows(c.shape, op.Window, func(small, large int) { c.out[small] += c.in[0][large] * part })
	case engine.AveragePoolGradient:
		part := 1 / float64(op.Window[0]*op.Window[1]*op.Window[2])
		windows(c.shapes[0], op.Window, func(small, large int) { c.out[large] = c.in[0][small] * part })
	case engine.Drop:
		channels := c.shape[4]
		each := len(c.out) / c.shape[0]
		for i, x := range c.in[0] {
			c.out[i] = x * c.in[1][i/each*channels+i%channels]
		}
	default:
		return fmt.Errorf("no loop for %T", c.op)
	}
	return nil
}

// slope is PReLU's, if there is one.
func (c *call) slope(operand int) float64 {
	if operand < len(c.in) {
		return c.in[operand][0]
	}
	return 0
}

// function gives f(x) and f'(x).
func function(f engine.Function, x, slope float64) (y, d float64) {
	switch f {
	case engine.Identity:
		return x, 1
	case engine.LeakyReLU:
		slope = engine.LeakySlope
	case engine.ReLU:
		slope = 0
	case engine.ELU:
		if x > 0 {
			return x, 1
		}
		return math.Expm1(x), math.Exp(x)
	case engine.GELU:
		cdf := 0.5 * math.Erfc(-x/math.Sqrt2)
		return x * cdf, cdf + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	}
	if x > 0 {
		return x, 1
	}
	return slope * x, slope
}

// bias fills the output with the third operand, if there is one.
func (c *call) bias() {
	if len(c.in) < 3 {
		return
	}
	for i := range c.out {
		c.out[i] = c.in[2][i%len(c.in[2])]
	}
}

// forward adds one input voxel's contribution to one output voxel through one
// tap of the kernel.
func (c *call) forward(x, tap, y int) {
	ci, co := c.shapes[1][3], c.shapes[1][4]
	out := c.out[y*co:][:co]
	for i := range ci {
		v := c.in[0][x*ci+i]
		for o, w := range c.in[1][(tap*ci+i)*co:][:co] {
			out[o] += v * w
		}
	}
}

// inputGradient is forward's adjoint in x, from dy and w.
func (c *call) inputGradient(x, tap, y int) {
	ci, co := c.shapes[1][3], c.shapes[1][4]
	dy := c.in[0][y*co:][:co]
	for i := range ci {
		for o, w := range c.in[1][(tap*ci+i)*co:][:co] {
			c.out[x*ci+i] += dy[o] * w
		}
	}
}

// weightGradient is forward's adjoint in w, from x and dy.
func (c *call) weightGradient(x, tap, y int) {
	ci, co := c.shape[3], c.shape[4]
	for i := range ci {
		v := c.in[0][x*ci+i]
		out := c.out[(tap*ci+i)*co:][:co]
		for o, d := range c.in[1][y*co:][:co] {
			out[o] += v * d
		}
	}
}

// taps calls f for every tap of a convolution that lies inside x: voxel of x,
// tap of the kernel, voxel of y. Shapes are x's, the weights' and y's.
func taps(x, w, y []int, stride, pad [3]int, f func(x, tap, y int)) {
	for out := range y[0] * y[1] * y[2] * y[3] {
		ow, oh, od := out%y[3], out/y[3]%y[2], out/(y[3]*y[2])%y[1]
		n := out / (y[3] * y[2] * y[1])
		for tap := range w[0] * w[1] * w[2] {
			d := od*stride[0] + tap/(w[1]*w[2]) - pad[0]
			h := oh*stride[1] + tap/w[2]%w[1] - pad[1]
			v := ow*stride[2] + tap%w[2] - pad[2]
			if d >= 0 && d < x[1] && h >= 0 && h < x[2] && v >= 0 && v < x[3] {
				f(((n*x[1]+d)*x[2]+h)*x[3]+v, tap, out)
			}
		}
	}
}

// blocks calls f for every tap of a transposed convolution: voxel of x, tap
// of the kernel, voxel of y. Shapes are x's and the weights'.
func blocks(x, w []int, f func(x, tap, y int)) {
	for in := range x[0] * x[1] * x[2] * x[3] {
		v, h, d := in%x[3], in/x[3]%x[2], in/(x[3]*x[2])
		for tap := range w[0] * w[1] * w[2] {
			// n and d are one axis here: samples lie behind each other.
			od, oh, ow := d*w[0]+tap/(w[1]*w[2]), h*w[1]+tap/w[2]%w[1], v*w[2]+tap%w[2]
			f(in, tap, (od*x[2]*w[1]+oh)*x[3]*w[2]+ow)
		}
	}
}

// windows calls f for every voxel and channel of a pooling: positions in the
// small and in the large array.
func windows(small []int, window [3]int, f func(small, large int)) {
	c := small[4]
	blocks(small, window[:], func(s, _, l int) {
		for ch := range c {
			f(s*c+ch, l*c+ch)
		}
	})
}
