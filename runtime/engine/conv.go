package engine

import (
	"fmt"

	"gorgonia.org/gorgonia"
)

// Convolution is the cross-correlation of x (N, D, H, W, Ci) with w
// (KD, KH, KW, Ci, Co), zero-padded, plus b (Co) if there is a third operand:
// (N, D', H', W', Co) with D' = (D + 2*Pad - KD)/Stride + 1.
type Convolution struct {
	all
	Stride, Pad [3]int
}

func (c Convolution) shape(in [][]int) ([]int, error) {
	if len(in) == 3 {
		if err := rank(in, 5, 5, 1); err != nil {
			return nil, err
		}
		if in[2][0] != in[1][4] {
			return nil, fmt.Errorf("bias of length %d for %d channels", in[2][0], in[1][4])
		}
	} else if err := rank(in, 5, 5); err != nil {
		return nil, err
	}
	x, w := in[0], in[1]
	if x[4] != w[3] {
		return nil, fmt.Errorf("%d channels meet a kernel for %d", x[4], w[3])
	}
	out := []int{x[0], 0, 0, 0, w[4]}
	for a := range 3 {
		if c.Stride[a] < 1 || c.Pad[a] < 0 || x[a+1]+2*c.Pad[a] < w[a] {
			return nil, fmt.Errorf("kernel of %d, stride %d, padding %d on axis %d of length %d",
				w[a], c.Stride[a], c.Pad[a], a, x[a+1])
		}
		out[a+1] = (x[a+1]+2*c.Pad[a]-w[a])/c.Stride[a] + 1
	}
	return out, nil
}

func (c Convolution) gradient(t *tape, in []*gorgonia.Node, _, dy *gorgonia.Node) []*gorgonia.Node {
	x, w := in[0], in[1]
	grads := []*gorgonia.Node{
		t.apply(ConvolutionInput{Stride: c.Stride, Pad: c.Pad, Size: spatial(x.Shape())}, dy, w),
		t.apply(ConvolutionWeight{Stride: c.Stride, Pad: c.Pad, Kernel: [3]int(w.Shape()[:3])}, x, dy),
	}
	if len(in) == 3 {
		grads = append(grads, t.apply(BiasGradient{}, dy))
	}
	return grads
}

// ConvolutionInput is a Convolution's gradient with respect to x, from dy and w.
type ConvolutionInput struct {
	final
	Stride, Pad [3]int
	Size        [3]int // of x: (D, H, W)
}

func (c ConvolutionInput) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5, 5); err != nil {
		return nil, err
	}
	return []int{in[0][0], c.Size[0], c.Size[1], c.Size[2], in[1][3]}, nil
}

// ConvolutionWeight is a Convolution's gradient with respect to w, from x and dy.
type ConvolutionWeight struct {
	final
	Stride, Pad [3]int
	Kernel      [3]int
}

func (c ConvolutionWeight) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5, 5); err != nil {
		return nil, err
	}
	return []int{c.Kernel[0], c.Kernel[1], c.Kernel[2], in[0][4], in[1][4]}, nil
}

// BiasGradient sums dy (N, D, H, W, C) over all but channels: (C).
type BiasGradient struct{ final }

func (BiasGradient) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5); err != nil {
		return nil, err
	}
	return []int{in[0][4]}, nil
}

// Transposed is the transposed convolution of x (N, D, H, W, Ci) with w
// (KD, KH, KW, Ci, Co) whose stride is its kernel, plus b (Co):
// (N, D*KD, H*KH, W*KW, Co). No two taps meet in one output voxel.
type Transposed struct{ all }

func (Transposed) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5, 5, 1); err != nil {
		return nil, err
	}
	x, w, b := in[0], in[1], in[2]
	if x[4] != w[3] || b[0] != w[4] {
		return nil, fmt.Errorf("channels do not agree")
	}
	return []int{x[0], x[1] * w[0], x[2] * w[1], x[3] * w[2], w[4]}, nil
}

func (Transposed) gradient(t *tape, in []*gorgonia.Node, _, dy *gorgonia.Node) []*gorgonia.Node {
	x, w := in[0], in[1]
	return []*gorgonia.Node{
		t.apply(TransposedInput{}, dy, w),
		t.apply(TransposedWeight{Kernel: [3]int(w.Shape()[:3])}, x, dy),
		t.apply(BiasGradient{}, dy),
	}
}

// TransposedInput is Transposed's gradient with respect to x, from dy and w.
type TransposedInput struct{ final }

func (TransposedInput) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5, 5); err != nil {
		return nil, err
	}
	dy, w := in[0], in[1]
	return []int{dy[0], dy[1] / w[0], dy[2] / w[1], dy[3] / w[2], w[3]}, nil
}

// TransposedWeight is Transposed's gradient with respect to w, from x and dy.
type TransposedWeight struct {
	final
	Kernel [3]int
}

func (o TransposedWeight) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5, 5); err != nil {
		return nil, err
	}
	return []int{o.Kernel[0], o.Kernel[1], o.Kernel[2], in[0][4], in[1][4]}, nil
}
