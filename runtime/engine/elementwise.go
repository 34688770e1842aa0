package engine

import (
	"fmt"

	"gorgonia.org/gorgonia"
)

// Activate is Function(x); PReLU takes its slope (1) as second operand.
type Activate struct {
	all
	Function Function
}

func (a Activate) shape(in [][]int) ([]int, error) {
	if a.Function == PReLU {
		if err := rank(in, 5, 1); err != nil {
			return nil, err
		}
		if in[1][0] != 1 {
			return nil, fmt.Errorf("%d slopes", in[1][0])
		}
		return in[0], nil
	}
	return in[0], rank(in, 5)
}

func (a Activate) gradient(t *tape, in []*gorgonia.Node, _, dy *gorgonia.Node) []*gorgonia.Node {
	operands := append([]*gorgonia.Node{in[0], dy}, in[1:]...)
	grads := []*gorgonia.Node{t.apply(ActivateGradient{Function: a.Function}, operands...)}
	if a.Function == PReLU {
		grads = append(grads, t.apply(SlopeGradient{}, in[0], dy))
	}
	return grads
}

// ActivateGradient is dy*Function'(x), from x, dy and, for PReLU, the slope.
type ActivateGradient struct {
	final
	Function Function
}

func (a ActivateGradient) shape(in [][]int) ([]int, error) {
	want := []int{5, 5}
	if a.Function == PReLU {
		want = append(want, 1)
	}
	if err := rank(in, want...); err != nil {
		return nil, err
	}
	return in[0], same(in[0], in[1])
}

// SlopeGradient is PReLU's gradient with respect to its slope, from x and
// dy: the sum of dy*min(x, 0), (1).
type SlopeGradient struct{ final }

func (SlopeGradient) shape(in [][]int) ([]int, error) { return []int{1}, rank(in, 5, 5) }

// Add is a + b, elementwise; so are Gorgonia's own sums of gradients.
type Add struct{ all }

func (Add) shape(in [][]int) ([]int, error) {
	if len(in) != 2 {
		return nil, fmt.Errorf("%d operands", len(in))
	}
	return in[0], same(in[0], in[1])
}

func (Add) gradient(_ *tape, _ []*gorgonia.Node, _, dy *gorgonia.Node) []*gorgonia.Node {
	return []*gorgonia.Node{dy, dy}
}

// Concat joins a (N, D, H, W, A) and b (N, D, H, W, B) along channels.
type Concat struct{ all }

func (Concat) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5, 5); err != nil {
		return nil, err
	}
	a, b := in[0], in[1]
	return []int{a[0], a[1], a[2], a[3], a[4] + b[4]}, same(a[:4], b[:4])
}

func (Concat) gradient(t *tape, in []*gorgonia.Node, _, dy *gorgonia.Node) []*gorgonia.Node {
	a, b := in[0].Shape()[4], in[1].Shape()[4]
	return []*gorgonia.Node{
		t.apply(Slice{Offset: 0, Channels: a}, dy),
		t.apply(Slice{Offset: a, Channels: b}, dy),
	}
}

// Slice takes Channels channels of x (N, D, H, W, C) from Offset on.
type Slice struct {
	final
	Offset, Channels int
}

func (s Slice) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5); err != nil {
		return nil, err
	}
	x := in[0]
	if s.Offset < 0 || s.Offset+s.Channels > x[4] {
		return nil, fmt.Errorf("channels %d to %d of %d", s.Offset, s.Offset+s.Channels, x[4])
	}
	return []int{x[0], x[1], x[2], x[3], s.Channels}, nil
}

// AveragePool averages x (N, D, H, W, C) over windows that do not overlap and
// tile it.
type AveragePool struct {
	all
	Window [3]int
}

func (p AveragePool) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5); err != nil {
		return nil, err
	}
	x := in[0]
	for a, w := range p.Window {
		if w < 1 || x[a+1]%w != 0 {
			return nil, fmt.Errorf("window of %d on axis %d of length %d", w, a, x[a+1])
		}
	}
	return []int{x[0], x[1] / p.Window[0], x[2] / p.Window[1], x[3] / p.Window[2], x[4]}, nil
}

func (p AveragePool) gradient(t *tape, _ []*gorgonia.Node, _, dy *gorgonia.Node) []*gorgonia.Node {
	return []*gorgonia.Node{t.apply(AveragePoolGradient{Window: p.Window}, dy)}
}

// AveragePoolGradient spreads dy evenly over each window.
type AveragePoolGradient struct {
	final
	Window [3]int
}

func (p AveragePoolGradient) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5); err != nil {
		return nil, err
	}
	x := in[0]
	return []int{x[0], x[1] * p.Window[0], x[2] * p.Window[1], x[3] * p.Window[2], x[4]}, nil
}

// Drop multiplies whole channels of x (N, D, H, W, C) by a mask (N, C).
type Drop struct{}

func (Drop) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5, 2); err != nil {
		return nil, err
	}
	return in[0], same([]int{in[0][0], in[0][4]}, in[1])
}

func (Drop) differentiable(int) []bool { return []bool{true, false} }

func (Drop) gradient(t *tape, in []*gorgonia.Node, _, dy *gorgonia.Node) []*gorgonia.Node {
	return []*gorgonia.Node{t.apply(Drop{}, dy, in[1]), nil}
}
