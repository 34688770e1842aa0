package xla

import (
	"fmt"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// Logits gives the logits of every output, full resolution first, for a whole
// batch, in training mode (batch statistics, dropout) or in evaluation mode.
// Nothing is learned from it; it serves comparisons between executors, and
// compiles its program anew each time.
func (e *Executor) Logits(image engine.Tensor, training bool) ([]engine.Tensor, error) {
	if err := e.program.CheckImage(image); err != nil {
		return nil, err
	}
	g := e.program.Evaluate
	if training {
		g = e.program.Train
	}
	x, err := e.compileLogits(engine.Graph{Nodes: g.Nodes, Loss: -1, Logits: g.Logits})
	if err != nil {
		return nil, fmt.Errorf("xla: %w", err)
	}
	defer x.Close()
	f := &flight{}
	defer f.land()
	err = e.load(f, engine.Batch{Image: image}, nil)
	if err == nil && training {
		err = e.drop(f)
	}
	if err != nil {
		return nil, fmt.Errorf("xla: %w", err)
	}
	out, err := x.Run(append(e.inputs(false), f.cargo...))
	if err != nil {
		return nil, fmt.Errorf("xla: %w", err)
	}
	defer release(out)
	var all []engine.Tensor
	for i, node := range g.Logits {
		t, err := download(out[i], g.Nodes[node].Shape)
		if err != nil {
			return nil, fmt.Errorf("xla: %w", err)
		}
		all = append(all, t)
	}
	return all, nil
}

func (e *Executor) compileLogits(g engine.Graph) (*pjrt.Executable, error) {
	l := newLowering(e.program, g, e.activations)
	l.declare(false)
	l.feed()
	if err := l.nodes(); err != nil {
		return nil, err
	}
	var out []value
	for _, node := range g.Logits {
		out = append(out, l.convert(l.values[node], f32))
	}
	return e.compiler.compile(l.module("logits", out...))
}

// Draw makes a batch of a resident data set and downloads it; it serves
// comparisons.
func (e *Executor) Draw(b engine.Batch) (engine.Batch, error) {
	m, ok := b.Made.(*made)
	if !ok {
		return b, nil
	}
	f := &flight{}
	defer f.land()
	if err := m.run(f); err != nil {
		return b, fmt.Errorf("xla: %w", err)
	}
	var out engine.Batch
	var err error
	if out.Image, err = download(f.cargo[0], m.drawing.shape); err != nil {
		return b, fmt.Errorf("xla: %w", err)
	}
	for i, taken := range m.drawing.taken {
		n := m.drawing.shape[0] * len(taken[0]) * len(taken[1]) * len(taken[2])
		wide, labels := make([]int32, n), make([]int16, n)
		if err := pjrt.Download(f.cargo[1+i], 4, wide); err != nil {
			return b, fmt.Errorf("xla: %w", err)
		}
		for j, l := range wide {
			labels[j] = int16(l)
		}
		out.Labels = append(out.Labels, labels)
	}
	return out, nil
}
