package xla

import (
	"fmt"

	"runspec/runtime/engine"
)

// Weights lie on the device as (O, D, H, W, I), which cuDNN takes as they are;
// those of a transposed convolution as the strided convolution's whose gradient
// it is: O are the channels of low resolution, I those of high resolution. So
// every convolution is one of three forms that XLA recognises: forward, gradient
// by the input, gradient by the weights.

// window is the part of a convolution that says how the kernel moves.
type window struct {
	stride, left, right, dilateLeft, dilateRight [3]int
}

var ones = [3]int{1, 1, 1}

func (w window) String() string {
	pads := ""
	for a := range 3 {
		if a > 0 {
			pads += ", "
		}
		pads += fmt.Sprintf("[%d, %d]", w.left[a], w.right[a])
	}
	return fmt.Sprintf("{stride = %s, pad = [%s], lhs_dilate = %s, rhs_dilate = %s}",
		list(w.stride[:]), pads, list(w.dilateLeft[:]), list(w.dilateRight[:]))
}

func (e *emitter) convolve(a, b value, numbers string, w window, shape []int) value {
	return e.emit(a.kind, shape, "stablehlo.convolution(%s, %s) dim_numbers = %s, window = %s "+
		"{batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (%s, %s) -> %s",
		a.name, b.name, numbers, w, a.typ(), b.typ(), tensor(a.kind, shape))
}

// forward is the convolution of x (N, D, H, W, I) with w (O, D, H, W, I).
func (e *emitter) forward(x, w value, stride, pad [3]int, shape []int) value {
	return e.convolve(x, w, "[b, 0, 1, 2, f]x[o, 0, 1, 2, i]->[b, 0, 1, 2, f]",
		window{stride, pad, pad, ones, ones}, shape)
}

// inputGradient is forward's by x, from dy and w: a convolution of the dilated
// dy with the reversed kernel. Size is x's.
func (e *emitter) inputGradient(dy, w value, stride, pad, size [3]int) value {
	reversed := e.emit(w.kind, w.shape, "stablehlo.reverse %s, dims = [1, 2, 3] : %s", w.name, w.typ())
	var left, right [3]int
	for a := range 3 {
		k := w.shape[a+1]
		spread := (dy.shape[a+1]-1)*stride[a] + 1
		left[a] = k - 1 - pad[a]
		right[a] = size[a] - spread - left[a] + k - 1
	}
	shape := []int{dy.shape[0], size[0], size[1], size[2], w.shape[4]}
	return e.convolve(dy, reversed, "[b, 0, 1, 2, f]x[i, 0, 1, 2, o]->[b, 0, 1, 2, f]",
		window{ones, left, right, stride, ones}, shape)
}

// weightGradient is forward's by w, from x and dy: (O, D, H, W, I).
func (e *emitter) weightGradient(x, dy value, stride, pad, kernel [3]int) value {
	var right [3]int
	for a := range 3 {
		spread := (dy.shape[a+1]-1)*stride[a] + 1
		right[a] = kernel[a] - 1 - x.shape[a+1] - pad[a] + spread
	}
	shape := []int{dy.shape[4], kernel[0], kernel[1], kernel[2], x.shape[4]}
	return e.convolve(x, dy, "[f, 0, 1, 2, b]x[i, 0, 1, 2, o]->[f, 0, 1, 2, b]",
		window{ones, pad, right, ones, stride}, shape)
}

// biased adds a bias (C) to every voxel.
func (e *emitter) biased(y value, bias []value) value {
	if len(bias) == 0 {
		return y
	}
	b := e.convert(bias[0], y.kind)
	return e.add(y, e.broadcast(b, y.shape, 4))
}

// convolution lowers the operations of the convolution family; false for others.
func (l *lowering) convolution(n engine.Node, in []value) (value, bool) {
	e := l.emitter
	switch op := n.Op.(type) {
	case engine.Convolution:
		return e.biased(e.forward(in[0], l.weight(in[1]), op.Stride, op.Pad, n.Shape), in[2:]), true
	case engine.ConvolutionInput:
		return e.inputGradient(in[0], l.weight(in[1]), op.Stride, op.Pad, op.Size), true
	case engine.ConvolutionWeight:
		return e.convert(e.weightGradient(in[0], in[1], op.Stride, op.Pad, op.Kernel), f32), true
	case engine.BiasGradient:
		if _, ok := l.graph.Nodes[n.In[0]].Op.(engine.NormaliseInput); ok {
			// The norm behind takes the mean out, and with it all that a bias
			// does: other executors sum voxels to rounding noise here.
			return e.constant(0, f32, n.Shape), true
		}
		return e.sum(e.convert(in[0], f32), 0, 1, 2, 3), true
	case engine.Transposed:
		size := [3]int(n.Shape[1:4])
		return e.biased(e.inputGradient(in[0], l.weight(in[1]), stride(in[1]), [3]int{}, size), in[2:]), true
	case engine.TransposedInput:
		return e.forward(in[0], l.weight(in[1]), stride(in[1]), [3]int{}, n.Shape), true
	case engine.TransposedWeight:
		return e.convert(e.weightGradient(in[1], in[0], op.Kernel, [3]int{}, op.Kernel), f32), true
	}
	return value{}, false
}

// sliced is a slice of the channels of a convolution's gradient by its input: the
// gradient by those channels alone, from their part of the weights. The whole
// one, which nothing needs then, would be written once and read again for each
// slice; the convolution behind a concatenation has two.
func (l *lowering) sliced(op engine.Slice, node int) (value, bool) {
	whole := l.graph.Nodes[node]
	c, ok := whole.Op.(engine.ConvolutionInput)
	if !ok {
		return value{}, false
	}
	e, dy := l.emitter, l.values[whole.In[0]]
	w := e.slice(l.weight(l.values[whole.In[1]]), 4, op.Offset, op.Offset+op.Channels)
	return e.inputGradient(dy, w, c.Stride, c.Pad, c.Size), true
}

// stride of a transposed convolution is its kernel.
func stride(w value) [3]int { return [3]int(w.shape[1:4]) }

// weight is a parameter in the element type that activations have.
func (l *lowering) weight(w value) value { return l.emitter.convert(w, l.activations) }
