package cpu

import (
	"fmt"

	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu/kernel"
)

// pass is one graph compiled for some of its nodes, the targets.
type pass struct {
	executor *Executor
	graph    engine.Graph
	need     []bool
	of       []*buffer   // per node; nil where the memory lies outside the slab
	size     int         // of the slab, in floats
	values   [][]float32 // per node, once bound
	scalars  []float64   // per node with an empty shape
	steps    []func() error
	feed     feed
	bound    *float32        // the slab that values point into
	kept     []kernel.Packed // weights per node, where they stay from run to run
}

// feed is what comes from outside with one call.
type feed struct {
	image  []float32
	labels [][]int16
}

// compile plans the memory and picks the kernels. With training, the
// gradients are targets too, with memory of their own.
func (e *Executor) compile(g engine.Graph, targets []int, training bool) (*pass, error) {
	p := &pass{
		executor: e,
		graph:    g,
		values:   make([][]float32, len(g.Nodes)),
		scalars:  make([]float64, len(g.Nodes)),
	}
	outside := make([]bool, len(g.Nodes))
	all := targets
	if training {
		for _, node := range g.Gradients {
			if node >= 0 {
				all = append(all, node)
				outside[node] = true
			}
		}
	}
	p.need = g.Needed(all...)
	for i, n := range g.Nodes {
		outside[i] = outside[i] || p.outside(n)
	}
	var buffers []*buffer
	buffers, p.of = plan(g, p.need, outside, targets)
	p.size = place(buffers)
	for i, n := range g.Nodes {
		if !p.need[i] {
			continue
		}
		run, err := p.instruction(i, n)
		if err != nil {
			return nil, fmt.Errorf("node %d, %T of shape %v: %w", i, n.Op, n.Shape, err)
		}
		if run != nil {
			p.steps = append(p.steps, run)
		}
	}
	p.steps = append(p.steps, p.totals()...)
	return p, nil
}

// outside says which nodes take no place in the slab: inputs, scalars, and
// those whose work another node does.
func (p *pass) outside(n engine.Node) bool {
	switch n.Op.(type) {
	case engine.Image, engine.Labels, engine.ParameterInput, engine.BufferInput,
		engine.LossStatistics, engine.NormaliseSums:
		return true
	}
	return len(n.Shape) == 0
}

// bind points the values into the slab.
func (p *pass) bind(slab []float32) {
	if len(slab) == 0 || p.bound == &slab[0] {
		return
	}
	p.bound = &slab[0]
	for i, b := range p.of {
		if b != nil {
			n := engine.Size(p.graph.Nodes[i].Shape)
			p.values[i] = slab[b.offset:][:n:n]
		}
	}
}

func (p *pass) run(f feed) error {
	p.feed = f
	for _, run := range p.steps {
		if err := run(); err != nil {
			return err
		}
	}
	p.feed = feed{}
	return nil
}

// packed is where a convolution's packed weights are kept; nil: nowhere.
func (p *pass) packed(node int) *kernel.Packed {
	if p.kept == nil {
		return nil
	}
	return &p.kept[node]
}

// forget tells that weights have changed.
func (p *pass) forget() {
	for i := range p.kept {
		p.kept[i].Forget()
	}
}

func (p *pass) tensor(node int) engine.Tensor {
	return engine.Tensor{Shape: p.graph.Nodes[node].Shape, Data: p.values[node]}
}

// instruction is what node i does; nil where there is nothing to do.
func (p *pass) instruction(i int, n engine.Node) (func() error, error) {
	if run, ok := p.input(i, n); ok {
		return run, nil
	}
	if run, ok, err := p.loss(i, n); ok || err != nil {
		return run, err
	}
	run, err := p.convolution(i, n)
	if run == nil && err == nil {
		run, err = p.norm(i, n)
	}
	if run == nil && err == nil {
		run, err = p.elementwise(i, n)
	}
	if err != nil || run == nil {
		return nil, err
	}
	return func() error { run(p.executor.pool); return nil }, nil
}

// input binds what comes from outside.
func (p *pass) input(i int, n engine.Node) (run func() error, ok bool) {
	e := p.executor
	switch op := n.Op.(type) {
	case engine.Image:
		return func() error { p.values[i] = p.feed.image; return nil }, true
	case engine.ParameterInput:
		p.values[i] = e.weights.Values[op.Index]
		return nil, true
	case engine.BufferInput:
		p.values[i] = e.weights.Norms[op.Index][op.Row]
		return nil, true
	case engine.Mask:
		return func() error {
			engine.DropMask(p.values[i], e.program.Seed, e.weights.Steps, op.Index, op.Rate)
			return nil
		}, true
	case engine.Labels, engine.Constant:
		return nil, true
	}
	return nil, false
}

// kernelCall runs one kernel.
type kernelCall func(*kernel.Pool)
