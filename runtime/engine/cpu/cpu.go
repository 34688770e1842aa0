// Package cpu runs a Program on the processor. It walks the graph's nodes in
// their order, one kernel of package kernel each, over memory that is planned
// once: every tensor has its place in one slab, shared by tensors that are
// never needed at the same time.
package cpu

import (
	"fmt"
	"math"
	"runtime"

	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu/kernel"
)

// Options are the executor's own; the zero value works.
type Options struct {
	Threads int // 0: as many as Go may use at once. Results do not depend on it.
}

// Executor implements engine.Executor.
type Executor struct {
	program *engine.Program
	weights *engine.Weights
	pool    *kernel.Pool
	slab    []float32   // of the pass that runs; grows to the largest one that ran
	grads   [][]float32 // per parameter, from the first step on
	logits  []float32   // of Predict on several images

	step, evaluate, predict *pass
}

// New compiles p. Memory for training, evaluation and prediction is taken when
// each is first asked for. Parameters are zero until Restore. A RUNSPEC_CPU that
// names no instruction set of this processor is an error.
func New(p *engine.Program, o Options) (engine.Executor, error) {
	if err := kernel.Check(); err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	e := &Executor{program: p, weights: engine.NewWeights(p), pool: kernel.NewPool(o.Threads)}
	t, v, q := p.Train, p.Evaluate, p.Predict
	var err error
	if e.step, err = e.compile(t, append([]int{t.Loss}, t.Moments...), true); err != nil {
		return nil, fmt.Errorf("cpu: compile the training step: %w", err)
	}
	if e.evaluate, err = e.compile(v, []int{v.Loss, v.Logits[0]}, false); err != nil {
		return nil, fmt.Errorf("cpu: compile the evaluation: %w", err)
	}
	if e.predict, err = e.compile(q, []int{q.Logits[0]}, false); err != nil {
		return nil, fmt.Errorf("cpu: compile the prediction: %w", err)
	}
	e.predict.kept = make([]kernel.Packed, len(q.Nodes))
	return e, nil
}

// Step implements engine.Executor.
func (e *Executor) Step(b engine.Batch, rate float64) (float64, error) {
	if err := e.program.CheckBatch(b); err != nil {
		return 0, err
	}
	e.needGradients()
	if err := e.run(e.step, feed{image: b.Image.Data, labels: b.Labels}); err != nil {
		return 0, err
	}
	loss := e.step.scalars[e.program.Train.Loss]
	square := 0.0
	for _, g := range e.grads {
		square += kernel.SumSquares(e.pool, g)
	}
	if finite := loss + square; math.IsNaN(finite) || math.IsInf(finite, 0) {
		return loss, engine.ErrNotFinite
	}
	e.update(math.Sqrt(square), rate)
	e.predict.forget()
	e.follow()
	return loss, nil
}

// needGradients takes memory for the gradients at the first step.
func (e *Executor) needGradients() {
	if e.grads != nil {
		return
	}
	e.grads = make([][]float32, len(e.weights.Values))
	for i, node := range e.program.Train.Gradients {
		if node >= 0 {
			e.grads[i] = make([]float32, len(e.weights.Values[i]))
			e.step.values[node] = e.grads[i]
		}
	}
}

// update takes one optimiser step; norm is the gradients' global norm.
func (e *Executor) update(norm, rate float64) {
	o, w := e.program.Optimizer, e.weights
	scale := float32(1)
	if o.Clip > 0 {
		scale = float32(min(1, o.Clip/(norm+1e-6)))
	}
	w.Steps++
	sgd := kernel.SGD{Rate: rate, Momentum: o.Momentum, Decay: o.WeightDecay, Nesterov: true}
	adam := kernel.Adam{
		Rate: rate, Beta1: engine.Beta1, Beta2: engine.Beta2, Eps: engine.AdamEpsilon,
		Decay: o.WeightDecay, Decoupled: o.Kind == engine.AdamW, AMSGrad: o.AMSGrad,
	}
	for i, g := range e.grads {
		switch {
		case g == nil:
		case o.Kind == engine.SGD:
			sgd.Step(e.pool, w.Values[i], g, w.Slots["momentum"][i], scale)
		default:
			var largest []float32
			if o.AMSGrad {
				largest = w.Slots["vmax"][i]
			}
			adam.Step(e.pool, w.Values[i], g, w.Slots["m"][i], w.Slots["v"][i], largest, w.Steps, scale)
		}
	}
}

// follow moves the running statistics of batch norms.
func (e *Executor) follow() {
	for i, node := range e.program.Train.Moments {
		moments := make([]float64, len(e.step.values[node]))
		for j, v := range e.step.values[node] {
			moments[j] = float64(v)
		}
		e.weights.Follow(i, moments)
	}
}

// Evaluate implements engine.Executor.
func (e *Executor) Evaluate(b engine.Batch) (float64, engine.Tensor, error) {
	if err := e.program.CheckBatch(b); err != nil {
		return 0, engine.Tensor{}, err
	}
	if err := e.run(e.evaluate, feed{image: b.Image.Data, labels: b.Labels}); err != nil {
		return 0, engine.Tensor{}, err
	}
	g := e.program.Evaluate
	return e.evaluate.scalars[g.Loss], e.evaluate.tensor(g.Logits[0]), nil
}

// Predict implements engine.Executor. Images go through one by one.
func (e *Executor) Predict(image engine.Tensor) (engine.Tensor, error) {
	if err := e.program.CheckImage(image); err != nil {
		return engine.Tensor{}, err
	}
	n := image.Shape[0]
	node := e.program.Predict.Logits[0]
	in := len(image.Data) / n
	var out engine.Tensor
	for i := range n {
		if err := e.run(e.predict, feed{image: image.Data[i*in:][:in]}); err != nil {
			return engine.Tensor{}, err
		}
		one := e.predict.tensor(node)
		if n == 1 {
			return one, nil
		}
		if i == 0 {
			out = engine.Tensor{Shape: append([]int{n}, one.Shape[1:]...)}
			if cap(e.logits) < n*len(one.Data) {
				e.logits = make([]float32, n*len(one.Data))
			}
			out.Data = e.logits[:n*len(one.Data)]
		}
		copy(out.Data[i*len(one.Data):], one.Data)
	}
	return out, nil
}

// Logits gives the logits of every output, full resolution first, for a whole
// batch, in training mode (batch statistics, dropout) or in evaluation mode.
// Nothing is learned from it; it serves comparisons between executors and
// plans its memory anew each time.
func (e *Executor) Logits(image engine.Tensor, training bool) ([]engine.Tensor, error) {
	if err := e.program.CheckImage(image); err != nil {
		return nil, err
	}
	g := e.program.Evaluate
	if training {
		g = e.program.Train
	}
	p, err := e.compile(g, g.Logits, false)
	if err != nil {
		return nil, err
	}
	if err := e.run(p, feed{image: image.Data}); err != nil {
		return nil, err
	}
	var all []engine.Tensor
	for _, node := range g.Logits {
		all = append(all, p.tensor(node))
	}
	return all, nil
}

// run executes a pass over the one slab. A kernel's panic, which only a wrong
// program can bring about, becomes an error.
func (e *Executor) run(p *pass, f feed) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cpu: %v", r)
		}
	}()
	if len(e.slab) < p.size {
		e.slab = nil
		e.slab = make([]float32, p.size)
	}
	p.bind(e.slab)
	return p.run(f)
}

// State implements engine.Executor.
func (e *Executor) State() engine.State { return e.weights.State() }

// Restore implements engine.Executor.
func (e *Executor) Restore(s engine.State) error {
	e.predict.forget()
	return e.weights.Restore(s)
}

// Close implements engine.Executor: the memory goes with the executor.
func (e *Executor) Close() error {
	e.slab, e.grads, e.logits = nil, nil, nil
	e.step, e.evaluate, e.predict = nil, nil, nil
	return nil
}
