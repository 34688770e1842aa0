package engine

import (
	"fmt"
	"hash"
	"hash/fnv"
	"sync/atomic"

	"github.com/chewxy/hm"
	_ "go4.org/unsafe/assume-no-moving-gc" // Gorgonia 0.9.18 needs the newest one to start on today's Go
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Op says what a node computes: one of this package's operation structs,
// whose fields are all that an executor needs beside the operands' shapes.
// Comments on the structs name the operands in order.
//
// An operation has one output. What a gradient needs from the forward pass
// and is not worth computing twice is a node of its own (Moments,
// LossStatistics), so an executor keeps no hidden state.
type Op interface {
	// shape is the output's shape for operands of shapes in.
	shape(in [][]int) ([]int, error)
	// differentiable says which of n operands have a gradient.
	differentiable(n int) []bool
	// gradient applies the operations that compute the gradient of the loss
	// with respect to each operand (nil where there is none), given the
	// operands, the output and the gradient dy with respect to the output.
	gradient(t *tape, in []*gorgonia.Node, out, dy *gorgonia.Node) []*gorgonia.Node
}

// final is embedded in operations that nothing differentiates: inputs,
// statistics and the gradients themselves.
type final struct{}

func (final) differentiable(n int) []bool { return make([]bool, n) }

func (final) gradient(_ *tape, in []*gorgonia.Node, _, _ *gorgonia.Node) []*gorgonia.Node {
	return make([]*gorgonia.Node, len(in))
}

// all says that every operand is differentiable.
type all struct{}

func (all) differentiable(n int) []bool {
	d := make([]bool, n)
	for i := range d {
		d[i] = true
	}
	return d
}

// operation makes an Op an operation of Gorgonia's.
type operation struct {
	Op
	id  int64 // in the hash: two operations are never the same one to Gorgonia
	in  []tensor.Shape
	out tensor.Shape
}

var (
	_ gorgonia.SDOp = (*operation)(nil)

	operations atomic.Int64
)

func (o *operation) Arity() int { return len(o.in) }

func (o *operation) Type() hm.Type {
	types := make([]hm.Type, 0, len(o.in)+1)
	for _, s := range append(append([]tensor.Shape{}, o.in...), o.out) {
		if len(s) == 0 {
			types = append(types, tensor.Float32)
		} else {
			types = append(types, gorgonia.TensorType{Dims: len(s), Of: tensor.Float32})
		}
	}
	return hm.NewFnType(types...)
}

func (o *operation) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return o.out.Clone(), nil
}

// Do would be called by Gorgonia's own machines, which this project never uses.
func (o *operation) Do(...gorgonia.Value) (gorgonia.Value, error) {
	return nil, fmt.Errorf("%s runs in an engine.Executor only", o)
}

func (o *operation) ReturnsPtr() bool      { return false }
func (o *operation) CallsExtern() bool     { return false }
func (o *operation) OverwritesInput() int  { return -1 }
func (o *operation) WriteHash(h hash.Hash) { fmt.Fprintf(h, "%T#%d", o.Op, o.id) }
func (o *operation) String() string        { return fmt.Sprintf("%T#%d", o.Op, o.id) }

func (o *operation) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o *operation) DiffWRT(n int) []bool { return o.differentiable(n) }

func (o *operation) SymDiff(in gorgonia.Nodes, out, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	t := &tape{}
	grads := o.gradient(t, in, out, dy)
	return grads, t.err
}

// tape applies operations to Gorgonia nodes until the first error, which it keeps.
type tape struct{ err error }

// apply adds the node op(in...) to the graph of in.
func (t *tape) apply(op Op, in ...*gorgonia.Node) *gorgonia.Node {
	if t.err != nil {
		return nil
	}
	o := &operation{Op: op}
	shapes := make([][]int, len(in))
	for i, n := range in {
		if n == nil {
			t.err = fmt.Errorf("%T: operand %d is missing", op, i)
			return nil
		}
		o.in = append(o.in, n.Shape())
		shapes[i] = n.Shape()
	}
	out, err := op.shape(shapes)
	if err != nil {
		t.err = fmt.Errorf("%T of %v: %w", op, shapes, err)
		return nil
	}
	o.out = out
	for {
		o.id = operations.Add(1)
		n, err := gorgonia.ApplyOp(o, in...)
		if err != nil {
			t.err = fmt.Errorf("%T of %v: %w", op, shapes, err)
			return nil
		}
		// Gorgonia takes two nodes for the same if their 32-bit hashes agree.
		if n.Op() == gorgonia.Op(o) {
			return n
		}
	}
}

// rank checks the operands' numbers of axes.
func rank(in [][]int, ranks ...int) error {
	if len(in) != len(ranks) {
		return fmt.Errorf("%d operands, not %d", len(ranks), len(in))
	}
	for i, r := range ranks {
		if len(in[i]) != r {
			return fmt.Errorf("operand %d has %d axes, not %d", i, len(in[i]), r)
		}
	}
	return nil
}

func same(a, b []int) error {
	if len(a) != len(b) {
		return fmt.Errorf("shapes %v and %v differ", a, b)
	}
	for i := range a {
		if a[i] != b[i] {
			return fmt.Errorf("shapes %v and %v differ", a, b)
		}
	}
	return nil
}

func spatial(shape []int) [3]int { return [3]int{shape[1], shape[2], shape[3]} }

// Size is the number of elements of a shape; 1 for a scalar.
func Size(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}
