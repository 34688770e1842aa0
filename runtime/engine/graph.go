package engine

import (
	"fmt"
	"strings"

	"gorgonia.org/gorgonia"
)

// Image is the input (N, D, H, W, C).
type Image struct{ input }

// Labels are the labels of one output, (N, D, H, W); outputs are numbered
// from full resolution down.
type Labels struct {
	input
	Output int
}

// ParameterInput is Program.Parameters[Index] in the graph's layout.
type ParameterInput struct {
	input
	Index int
}

// BufferInput is the running mean (Row 0) or variance (Row 1) of
// Program.Norms[Index].
type BufferInput struct {
	input
	Index, Row int
}

// Mask holds the factors (N, C) of a Drop: DropMask(seed, step, Index, Rate).
type Mask struct {
	input
	Index int
	Rate  float64
}

// Constant is a scalar.
type Constant struct {
	input
	Value float64
}

// input is embedded in operations without operands.
type input struct{ final }

func (input) shape([][]int) ([]int, error) { return nil, fmt.Errorf("an input has no operands") }

// Node is one operation of a Graph.
type Node struct {
	Op    Op
	In    []int // operands: indices of earlier nodes
	Shape []int // of the output; empty for a scalar
}

// Graph is what an executor runs: the nodes of the expression graph, with
// gradients, as plain data. Every node stands behind its operands; the order
// is depth-first from the loss and then from the gradients of the last layers
// to those of the first, which keeps few tensors alive at a time.
type Graph struct {
	Nodes     []Node
	Loss      int   // -1: none
	Losses    []int // per output, unweighted
	Logits    []int // per output, full resolution first
	Gradients []int // per Program.Parameters; -1: gets no gradient
	Moments   []int // per Program.Norms
}

// Needed says which nodes the targets depend on, themselves included.
func (g Graph) Needed(targets ...int) []bool {
	need := make([]bool, len(g.Nodes))
	for _, t := range targets {
		if t >= 0 {
			need[t] = true
		}
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		if need[i] {
			for _, j := range g.Nodes[i].In {
				need[j] = true
			}
		}
	}
	return need
}

// lower lists the nodes behind the outputs.
func (b *Builder) lower(out Outputs, grads map[*gorgonia.Node]*gorgonia.Node) (Graph, error) {
	l := &lowering{builder: b, index: map[int64]int{}, wanted: map[int64]bool{}}
	roots := []*gorgonia.Node{out.Loss.node}
	for i := len(b.order) - 1; i >= 0; i-- {
		roots = append(roots, grads[b.order[i]])
	}
	for _, list := range [][]Value{out.Losses, out.Logits, out.Moments} {
		for _, v := range list {
			roots = append(roots, v.node)
		}
	}
	for _, n := range roots {
		l.mark(n)
	}
	for _, n := range roots {
		l.visit(n)
	}
	if l.err != nil {
		return Graph{}, l.err
	}
	g := Graph{
		Nodes:   l.nodes,
		Loss:    l.find(out.Loss.node),
		Losses:  l.findAll(out.Losses),
		Logits:  l.findAll(out.Logits),
		Moments: l.findAll(out.Moments),
	}
	for _, p := range out.Parameters {
		g.Gradients = append(g.Gradients, l.find(grads[p.node]))
	}
	return g, nil
}

type lowering struct {
	builder *Builder
	nodes   []Node
	index   map[int64]int
	wanted  map[int64]bool
	err     error
}

func (l *lowering) find(n *gorgonia.Node) int {
	if n == nil {
		return -1
	}
	return l.index[n.ID()]
}

func (l *lowering) findAll(values []Value) []int {
	var list []int
	for _, v := range values {
		list = append(list, l.find(v.node))
	}
	return list
}

func (l *lowering) operands(n *gorgonia.Node) []*gorgonia.Node {
	var list []*gorgonia.Node
	for it := l.builder.graph.From(n.ID()); it.Next(); {
		list = append(list, it.Node().(*gorgonia.Node))
	}
	return list
}

func (l *lowering) mark(n *gorgonia.Node) {
	if n == nil || l.wanted[n.ID()] {
		return
	}
	l.wanted[n.ID()] = true
	for _, c := range l.operands(n) {
		l.mark(c)
	}
}

func (l *lowering) visit(n *gorgonia.Node) {
	if n == nil || l.err != nil {
		return
	}
	if _, done := l.index[n.ID()]; done {
		return
	}
	var in []int
	var shapes [][]int
	for _, c := range l.operands(n) {
		l.visit(c)
		in = append(in, l.find(c))
		shapes = append(shapes, c.Shape())
	}
	if _, done := l.index[n.ID()]; done || l.err != nil { // a Slice, visited right after its operand
		return
	}
	op, err := l.op(n)
	if err == nil && len(in) > 0 {
		var shape []int
		if shape, err = op.shape(shapes); err == nil {
			err = same(shape, n.Shape())
		}
	}
	if err != nil {
		l.err = fmt.Errorf("node %v: %w", n.Op(), err)
		return
	}
	l.index[n.ID()] = len(l.nodes)
	l.nodes = append(l.nodes, Node{Op: op, In: in, Shape: append([]int{}, n.Shape()...)})
	l.slices(n)
}

// slices visits the slices of n at once: n, which is larger, can then go.
func (l *lowering) slices(n *gorgonia.Node) {
	for it := l.builder.graph.To(n.ID()); it.Next(); {
		user := it.Node().(*gorgonia.Node)
		o, ok := user.Op().(*operation)
		if !ok || !l.wanted[user.ID()] {
			continue
		}
		if _, ok := o.Op.(Slice); ok {
			l.visit(user)
		}
	}
}

// op is n's operation; those of Gorgonia's own have unexported types, which
// only their text tells apart.
func (l *lowering) op(n *gorgonia.Node) (Op, error) {
	if op, ok := l.builder.inputs[n.ID()]; ok {
		return op, nil
	}
	if o, ok := n.Op().(*operation); ok {
		return o.Op, nil
	}
	if n.Op() != nil && strings.HasPrefix(n.Op().String(), "+ ") {
		return Add{}, nil
	}
	if v := n.Value(); v != nil && len(n.Shape()) == 0 {
		if x, ok := v.Data().(float32); ok {
			return Constant{Value: float64(x)}, nil
		}
	}
	return nil, fmt.Errorf("an operation that no executor knows")
}
