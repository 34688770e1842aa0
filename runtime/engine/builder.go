package engine

import (
	"fmt"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Value is a node of the graph that a Builder builds.
type Value struct{ node *gorgonia.Node }

// Shape is the value's shape; nil after an error.
func (v Value) Shape() []int {
	if v.node == nil {
		return nil
	}
	return v.node.Shape()
}

// Builder makes one expression graph. The first error makes all later calls
// do nothing; Graph returns it.
type Builder struct {
	graph  *gorgonia.ExprGraph
	inputs map[int64]Op
	order  []*gorgonia.Node // parameters as they were introduced
	tape   tape
}

// NewBuilder returns a builder of an empty graph.
func NewBuilder() *Builder {
	return &Builder{graph: gorgonia.NewGraph(), inputs: map[int64]Op{}}
}

// Input introduces a value that comes from outside: op is Image, Labels,
// ParameterInput, BufferInput or Mask.
func (b *Builder) Input(op Op, shape ...int) (v Value) {
	defer b.recover(&v)
	if b.tape.err != nil {
		return Value{}
	}
	name := fmt.Sprintf("%T%+v", op, op)
	n := gorgonia.NewTensor(b.graph, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
	if _, again := b.inputs[n.ID()]; again {
		b.tape.err = fmt.Errorf("input %s exists already", name)
		return Value{}
	}
	b.inputs[n.ID()] = op
	if _, ok := op.(ParameterInput); ok {
		b.order = append(b.order, n)
	}
	return Value{n}
}

// Apply adds op(in...).
func (b *Builder) Apply(op Op, in ...Value) (v Value) {
	defer b.recover(&v)
	nodes := make([]*gorgonia.Node, len(in))
	for i := range in {
		nodes[i] = in[i].node
	}
	return Value{b.tape.apply(op, nodes...)}
}

func (b *Builder) recover(v *Value) {
	if r := recover(); r != nil {
		b.tape.err = fmt.Errorf("gorgonia: %v", r)
		*v = Value{}
	}
}

// Outputs are the values that a Graph is built for; all may be missing.
type Outputs struct {
	Loss       Value   // scalar
	Losses     []Value // per output, unweighted
	Logits     []Value // per output, full resolution first
	Parameters []Value // inputs to differentiate the loss by; empty Values are left out
	Moments    []Value // statistics that running ones follow
}

// gradient guards Gorgonia's Grad, which shares a constant node among graphs.
var gradient sync.Mutex

// Graph differentiates the loss and lists the nodes that the outputs need.
func (b *Builder) Graph(out Outputs) (g Graph, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("gorgonia: %v", r)
		}
	}()
	if b.tape.err != nil {
		return Graph{}, b.tape.err
	}
	grads := make(map[*gorgonia.Node]*gorgonia.Node)
	var by gorgonia.Nodes
	for _, p := range out.Parameters {
		if p.node != nil {
			by = append(by, p.node)
		}
	}
	if len(by) > 0 {
		gradient.Lock()
		nodes, err := gorgonia.Grad(out.Loss.node, by...)
		gradient.Unlock()
		if err != nil {
			return Graph{}, fmt.Errorf("differentiate: %w", err)
		}
		for i, p := range by {
			grads[p] = nodes[i]
		}
	}
	return b.lower(out, grads)
}

// Fail makes err the builder's error unless there is one already.
func (b *Builder) Fail(err error) Value {
	if b.tape.err == nil {
		b.tape.err = err
	}
	return Value{}
}
