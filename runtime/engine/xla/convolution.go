package xla

import (
	"fmt"
	"slices"

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

// text writes the axes from the given one on.
func (w window) text(from int) string {
	pads := ""
	for a := from; a < 3; a++ {
		if a > from {
			pads += ", "
		}
		pads += fmt.Sprintf("[%d, %d]", w.left[a], w.right[a])
	}
	return fmt.Sprintf("{stride = %s, pad = [%s], lhs_dilate = %s, rhs_dilate = %s}",
		list(w.stride[from:]), pads, list(w.dilateLeft[from:]), list(w.dilateRight[from:]))
}

// numbers names the axes of a convolution's operands and result, %s its spatial ones.
type numbers string

const (
	forwardNumbers        numbers = "[b, %s, f]x[o, %s, i]->[b, %s, f]"
	inputGradientNumbers  numbers = "[b, %s, f]x[i, %s, o]->[b, %s, f]"
	weightGradientNumbers numbers = "[f, %s, b]x[i, %s, o]->[f, %s, b]"
)

// convolve emits a convolution. Where the first spatial axis is 1 long all over,
// as in 2-D networks, it is one of the other two axes: of a 3-D one XLA would not
// recognise the gradient by the weights.
func (e *emitter) convolve(a, b value, n numbers, w window, shape []int) value {
	flat := a.shape[1] == 1 && b.shape[1] == 1 && shape[1] == 1
	from, axes, out := 0, "0, 1, 2", shape
	if flat {
		from, axes = 1, "0, 1"
		a, b, out = e.flat(a), e.flat(b), without(shape, 1)
	}
	if n == inputGradientNumbers { // XLA looks for the reverse right before the convolution
		spatial := []int{1, 2, 3}[:3-from]
		b = e.emit(b.kind, b.shape, "stablehlo.reverse %s, dims = %s : %s", b.name, list(spatial), b.typ())
	}
	y := e.emit(a.kind, out, "stablehlo.convolution(%s, %s) dim_numbers = %s, window = %s "+
		"{batch_group_count = 1 : i64, feature_group_count = 1 : i64%s} : (%s, %s) -> %s",
		a.name, b.name, fmt.Sprintf(string(n), axes, axes, axes), w.text(from), products(a.kind), a.typ(), b.typ(), tensor(a.kind, out))
	if flat {
		return e.reshape(y, shape...)
	}
	return y
}

// products says how exactly a convolution multiplies: GPUs would round float32 to
// 10 bits (TF32), and the precision fp32 promises more.
func products(k kind) string {
	if k != f32 {
		return ""
	}
	const all = "#stablehlo<precision HIGHEST>"
	return ", precision_config = [" + all + ", " + all + "]"
}

// flat is a value without its first spatial axis, which is 1 long.
func (e *emitter) flat(a value) value { return e.reshape(a, without(a.shape, 1)...) }

// without is a shape without one axis.
func without(shape []int, axis int) []int {
	return append(append([]int{}, shape[:axis]...), shape[axis+1:]...)
}

// forward is the convolution of x (N, D, H, W, I) with w (O, D, H, W, I).
func (e *emitter) forward(x, w value, stride, pad [3]int, shape []int) value {
	return e.convolve(x, w, forwardNumbers, window{stride, pad, pad, ones, ones}, shape)
}

// inputGradient is forward's by x, from dy and w: a convolution of the dilated
// dy with the reversed kernel. Size is x's.
func (e *emitter) inputGradient(dy, w value, stride, pad, size [3]int) value {
	var left, right [3]int
	for a := range 3 {
		k := w.shape[a+1]
		spread := (dy.shape[a+1]-1)*stride[a] + 1
		left[a] = k - 1 - pad[a]
		right[a] = size[a] - spread - left[a] + k - 1
	}
	shape := []int{dy.shape[0], size[0], size[1], size[2], w.shape[4]}
	return e.convolve(dy, w, inputGradientNumbers, window{ones, left, right, stride, ones}, shape)
}

// weightGradient is forward's by w, from x and dy: (O, D, H, W, I).
func (e *emitter) weightGradient(x, dy value, stride, pad, kernel [3]int) value {
	dy = e.extended(dy, kernel)
	var right [3]int
	for a := range 3 {
		spread := (dy.shape[a+1]-1)*stride[a] + 1
		right[a] = kernel[a] - 1 - x.shape[a+1] - pad[a] + spread
	}
	shape := []int{dy.shape[4], kernel[0], kernel[1], kernel[2], x.shape[4]}
	return e.convolve(x, dy, weightGradientNumbers, window{ones, pad, right, ones, stride}, shape)
}

// extended puts zeros behind dy along axes that are no longer than the kernel:
// there XLA would take a gradient by the weights for a forward convolution with
// dy as its kernel. They change no sum. Only the lowest levels of small patches
// have such axes.
func (e *emitter) extended(dy value, kernel [3]int) value {
	shape := slices.Clone(dy.shape)
	for a := range 3 {
		if k := kernel[a]; k > 1 && dy.shape[a+1] <= k {
			shape[a+1] = k + 1
		}
	}
	return e.enlarge(dy, shape)
}

// enlarge puts zeros behind a along each axis, up to a shape.
func (e *emitter) enlarge(a value, shape []int) value {
	if slices.Equal(shape, a.shape) {
		return a
	}
	high := make([]int, len(shape))
	for i := range shape {
		high[i] = shape[i] - a.shape[i]
	}
	zero := e.constant(0, a.kind, nil)
	none := list(make([]int, len(shape)))
	return e.emit(a.kind, shape, "stablehlo.pad %s, %s, low = %s, high = %s, interior = %s : (%s, %s) -> %s",
		a.name, zero.name, none, list(high), none, a.typ(), zero.typ(), tensor(a.kind, shape))
}

// eight is the number of channels that tensor cores take at once.
const eight = 8

// image is a batch's, in the element type of activations. One of few channels,
// which only convolutions read, gets channels of zeros up to eight: with fewer
// cuDNN does without tensor cores.
func (l *lowering) image(node int) value {
	x := l.convert(l.arguments.image, l.activations)
	if l.activations == f32 || x.shape[4] >= eight {
		return x
	}
	for _, n := range l.graph.Nodes {
		if !slices.Contains(n.In, node) {
			continue
		}
		switch n.Op.(type) {
		case engine.Convolution, engine.ConvolutionWeight:
		default:
			return x
		}
	}
	return l.enlarge(x, append(slices.Clone(x.shape[:4]), eight))
}

// wide gives weights (O, D, H, W, I) as many channels as their convolution's input
// has.
func (e *emitter) wide(w value, channels int) value {
	return e.enlarge(w, append(slices.Clone(w.shape[:4]), channels))
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
		return e.biased(e.forward(in[0], e.wide(l.weight(in[1]), in[0].shape[4]), op.Stride, op.Pad, n.Shape), in[2:]), true
	case engine.ConvolutionInput:
		return e.inputGradient(in[0], l.weight(in[1]), op.Stride, op.Pad, op.Size), true
	case engine.ConvolutionWeight:
		dw := e.weightGradient(in[0], in[1], op.Stride, op.Pad, op.Kernel)
		if own := n.Shape[3]; own < dw.shape[4] {
			dw = e.slice(dw, 4, 0, own)
		}
		return e.convert(dw, f32), true
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
