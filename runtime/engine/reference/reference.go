// Package reference runs a Program with plain loops in float64: slow, short
// and easy to check by eye. The other executors are tested against it.
package reference

import (
	"fmt"
	"math"

	"runspec/runtime/engine"
)

// Executor implements engine.Executor. Every call allocates what it needs.
type Executor struct {
	program *engine.Program
	weights *engine.Weights
}

// New compiles p, which here means nothing. Parameters are zero until Restore.
func New(p *engine.Program) (engine.Executor, error) {
	return &Executor{program: p, weights: engine.NewWeights(p)}, nil
}

// Step implements engine.Executor.
func (e *Executor) Step(b engine.Batch, rate float64) (float64, error) {
	p := e.program
	if err := p.CheckBatch(b); err != nil {
		return 0, err
	}
	g := p.Train
	targets := append([]int{g.Loss}, g.Gradients...)
	values, err := e.run(g, feed{image: b.Image.Data, labels: b.Labels}, append(targets, g.Moments...)...)
	if err != nil {
		return 0, err
	}
	loss := values[g.Loss][0]
	grads := make([][]float64, len(g.Gradients))
	square := 0.0
	for i, k := range g.Gradients {
		if k < 0 {
			continue
		}
		grads[i] = values[k]
		for _, v := range values[k] {
			square += v * v
		}
	}
	if finite := loss + square; math.IsNaN(finite) || math.IsInf(finite, 0) {
		return loss, engine.ErrNotFinite
	}
	scale := 1.0
	if c := p.Optimizer.Clip; c > 0 {
		scale = min(1, c/(math.Sqrt(square)+1e-6))
	}
	e.update(grads, scale, rate)
	for i, k := range g.Moments {
		e.weights.Follow(i, values[k])
	}
	return loss, nil
}

// Evaluate implements engine.Executor.
func (e *Executor) Evaluate(b engine.Batch) (float64, engine.Tensor, error) {
	if err := e.program.CheckBatch(b); err != nil {
		return 0, engine.Tensor{}, err
	}
	g := e.program.Evaluate
	values, err := e.run(g, feed{image: b.Image.Data, labels: b.Labels}, g.Loss, g.Logits[0])
	if err != nil {
		return 0, engine.Tensor{}, err
	}
	return values[g.Loss][0], tensor(g, g.Logits[0], values), nil
}

// Predict implements engine.Executor.
func (e *Executor) Predict(image engine.Tensor) (engine.Tensor, error) {
	if err := e.program.CheckImage(image); err != nil {
		return engine.Tensor{}, err
	}
	g := e.program.Predict
	var out engine.Tensor
	n := image.Shape[0]
	each := len(image.Data) / n
	for i := range n {
		values, err := e.run(g, feed{image: image.Data[i*each:][:each]}, g.Logits[0])
		if err != nil {
			return engine.Tensor{}, err
		}
		one := tensor(g, g.Logits[0], values)
		out.Shape = append([]int{n}, one.Shape[1:]...)
		out.Data = append(out.Data, one.Data...)
	}
	return out, nil
}

// Logits gives the logits of every output, full resolution first, for a whole
// batch, in training mode (batch statistics, dropout) or in evaluation mode.
// Nothing is learned from it; it serves comparisons between executors.
func (e *Executor) Logits(image engine.Tensor, training bool) ([]engine.Tensor, error) {
	if err := e.program.CheckImage(image); err != nil {
		return nil, err
	}
	g := e.program.Evaluate
	if training {
		g = e.program.Train
	}
	values, err := e.run(g, feed{image: image.Data}, g.Logits...)
	if err != nil {
		return nil, err
	}
	var all []engine.Tensor
	for _, k := range g.Logits {
		all = append(all, tensor(g, k, values))
	}
	return all, nil
}

// State implements engine.Executor.
func (e *Executor) State() engine.State { return e.weights.State() }

// Restore implements engine.Executor.
func (e *Executor) Restore(s engine.State) error { return e.weights.Restore(s) }

// Close implements engine.Executor.
func (e *Executor) Close() error { return nil }

func tensor(g engine.Graph, node int, values [][]float64) engine.Tensor {
	t := engine.Tensor{Shape: g.Nodes[node].Shape, Data: make([]float32, len(values[node]))}
	for i, v := range values[node] {
		t.Data[i] = float32(v)
	}
	return t
}

// feed is what comes from outside with one call.
type feed struct {
	image  []float32
	labels [][]int16
}

// run computes the nodes that the targets need.
func (e *Executor) run(g engine.Graph, f feed, targets ...int) ([][]float64, error) {
	need := g.Needed(targets...)
	values := make([][]float64, len(g.Nodes))
	for i, n := range g.Nodes {
		if !need[i] {
			continue
		}
		c := call{op: n.Op, shape: n.Shape, out: make([]float64, engine.Size(n.Shape))}
		for _, k := range n.In {
			c.in = append(c.in, values[k])
			c.shapes = append(c.shapes, g.Nodes[k].Shape)
		}
		if e.input(&c, f) {
			values[i] = c.out
			continue
		}
		if err := c.compute(); err != nil {
			return nil, fmt.Errorf("node %d: %w", i, err)
		}
		values[i] = c.out
	}
	return values, nil
}

// input fills in what comes from outside the graph; false for other operations.
func (e *Executor) input(c *call, f feed) bool {
	switch op := c.op.(type) {
	case engine.Image:
		widen(c.out, f.image)
	case engine.Labels:
		for i, l := range f.labels[op.Output] {
			c.out[i] = float64(l)
		}
	case engine.ParameterInput:
		widen(c.out, e.weights.Values[op.Index])
	case engine.BufferInput:
		widen(c.out, e.weights.Norms[op.Index][op.Row])
	case engine.Mask:
		mask := make([]float32, len(c.out))
		engine.DropMask(mask, e.program.Seed, e.weights.Steps, op.Index, op.Rate)
		widen(c.out, mask)
	case engine.Constant:
		c.out[0] = op.Value
	default:
		return false
	}
	return true
}

func widen(to []float64, from []float32) {
	for i, v := range from {
		to[i] = float64(v)
	}
}
