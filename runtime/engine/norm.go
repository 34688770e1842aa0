package engine

import (
	"fmt"

	"gorgonia.org/gorgonia"
)

// NormEpsilon is added to every norm's variance.
const NormEpsilon = 1e-5

// Moments gives mean and 1/sqrt(variance + NormEpsilon) of x (N, D, H, W, C), with
// the biased variance, over the voxels of each sample (instance norm) or of
// the whole batch: (2, R, C), means first, where R is N or 1.
type Moments struct {
	final
	Batch bool
}

func (m Moments) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5); err != nil {
		return nil, err
	}
	if m.Batch {
		return []int{2, 1, in[0][4]}, nil
	}
	return []int{2, in[0][0], in[0][4]}, nil
}

// RunningMoments gives Moments, (2, 1, C), from a batch norm's running mean
// and running variance, each (C).
type RunningMoments struct{ final }

func (RunningMoments) shape(in [][]int) ([]int, error) {
	if err := rank(in, 1, 1); err != nil {
		return nil, err
	}
	return []int{2, 1, in[0][0]}, same(in[0], in[1])
}

// Function is an activation. The empty one is the identity.
type Function string

// The activations of compiler/unet, by the same names.
const (
	Identity  Function = ""
	LeakyReLU Function = "LeakyReLU" // slope 0.01
	ReLU      Function = "ReLU"
	ELU       Function = "ELU"   // alpha 1
	GELU      Function = "GELU"  // exact, by erf
	PReLU     Function = "PReLU" // one slope, an operand of its own; never fused
)

// LeakySlope is LeakyReLU's slope below zero, PyTorch's default.
const LeakySlope = 0.01

// Normalise is f((x - mean)*inverse*gamma + beta) of x (N, D, H, W, C),
// moments (2, R, C), gamma (C) and beta (C). Its gradient with respect to x
// includes the way through the moments, unless Fixed.
type Normalise struct {
	Function Function
	Fixed    bool // moments are constants: running statistics
}

func (Normalise) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5, 3, 1, 1); err != nil {
		return nil, err
	}
	x, m := in[0], in[1]
	if m[0] != 2 || (m[1] != 1 && m[1] != x[0]) || m[2] != x[4] || in[2][0] != x[4] || in[3][0] != x[4] {
		return nil, fmt.Errorf("channels or samples do not agree")
	}
	return x, nil
}

func (Normalise) differentiable(int) []bool { return []bool{true, false, true, true} }

func (o Normalise) gradient(t *tape, in []*gorgonia.Node, _, dy *gorgonia.Node) []*gorgonia.Node {
	if o.Fixed {
		t.err = fmt.Errorf("a norm with running statistics is for evaluation and has no gradient")
		return nil
	}
	x, m, gamma, beta := in[0], in[1], in[2], in[3]
	sums := t.apply(NormaliseSums{Function: o.Function}, x, m, gamma, beta, dy)
	return []*gorgonia.Node{
		t.apply(NormaliseInput{Function: o.Function}, x, m, gamma, beta, dy, sums),
		nil,
		t.apply(NormaliseParameter{Row: 0}, sums),
		t.apply(NormaliseParameter{Row: 1}, sums),
	}
}

// NormaliseSums gives, from x, moments, gamma, beta and dy, the sums over the
// voxels that share moments of g*x^ and of g, where g = dy*f' is the gradient
// before the activation and x^ the normalised x: (2, R, C).
type NormaliseSums struct {
	final
	Function Function
}

func (NormaliseSums) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5, 3, 1, 1, 5); err != nil {
		return nil, err
	}
	return in[1], same(in[0], in[4])
}

// NormaliseInput is Normalise's gradient with respect to x, from x, moments,
// gamma, beta, dy and NormaliseSums:
// gamma*inverse*(g - mean(g) - x^*mean(g*x^)).
type NormaliseInput struct {
	final
	Function Function
}

func (NormaliseInput) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5, 3, 1, 1, 5, 3); err != nil {
		return nil, err
	}
	return in[0], same(in[1], in[5])
}

// NormaliseParameter is the gradient with respect to gamma (Row 0) or beta
// (Row 1): the row of NormaliseSums (2, R, C) summed over R.
type NormaliseParameter struct {
	final
	Row int
}

func (NormaliseParameter) shape(in [][]int) ([]int, error) {
	if err := rank(in, 3); err != nil {
		return nil, err
	}
	return in[0][2:], nil
}
