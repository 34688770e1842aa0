package xla

import (
	"fmt"
	"time"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// Cost is what one operation of a training step takes by itself.
type Cost struct {
	Op      engine.Op
	Shape   []int // of its result, in the engine's layout
	In      [][]int
	Count   int     // operations of the step that are like it
	Seconds float64 // of one
	Bytes   float64 // operands and result, at the precision that they have at rest
	Err     error   // why it could not be timed
}

// Profile times the operations of a training step one by one, each as a program
// of its own on made-up operands, the mean of some runs. What XLA fuses in a
// whole step is apart here, so the sum is more than the step; it shows where the
// time goes, and how far each operation is from the device's limits. Losses and
// what works on parameters alone are left out.
func (e *Executor) Profile(runs int) ([]Cost, error) {
	whole := newLowering(e.program, e.program.Train, e.activations)
	whole.declare(true)
	whole.feed()
	if err := whole.nodes(); err != nil {
		return nil, fmt.Errorf("xla: %w", err)
	}
	var list []Cost
	at := map[string]int{}
	need := whole.needed()
	for i, n := range e.program.Train.Nodes {
		if !need[i] || !profiled(n) {
			continue
		}
		key := fmt.Sprintf("%T%+v%v", n.Op, n.Op, n.Shape)
		for _, k := range n.In {
			key += fmt.Sprint(whole.values[k].kind, whole.values[k].shape)
		}
		if j, seen := at[key]; seen {
			list[j].Count++
			continue
		}
		at[key] = len(list)
		list = append(list, e.cost(whole, i, runs))
	}
	return list, nil
}

// profiled says whether a node moves activations.
func profiled(n engine.Node) bool {
	switch n.Op.(type) {
	case engine.Image, engine.Labels, engine.ParameterInput, engine.BufferInput, engine.Mask, engine.Constant,
		engine.LossStatistics, engine.LossValue, engine.LossGradient, engine.WeightedSum, engine.NormaliseParameter:
		return false
	}
	return true
}

// cost times one node.
func (e *Executor) cost(whole *lowering, i, runs int) Cost {
	n := e.program.Train.Nodes[i]
	c := Cost{Op: n.Op, Shape: n.Shape, Count: 1}
	var operands []value
	for _, k := range n.In {
		operands = append(operands, whole.values[k])
		c.In = append(c.In, e.program.Train.Nodes[k].Shape)
		c.Bytes += whole.values[k].bytes()
	}
	c.Bytes += whole.values[i].bytes()
	c.Seconds, c.Err = e.alone(n, operands, runs)
	return c
}

func (v value) bytes() float64 {
	width := 4
	if v.kind == bf16 {
		width = 2
	}
	return float64(width * engine.Size(v.shape))
}

// alone runs a node as a program of its own.
func (e *Executor) alone(n engine.Node, operands []value, runs int) (float64, error) {
	l := newLowering(e.program, e.program.Train, e.activations)
	var in []value
	for _, v := range operands {
		in = append(in, l.argument(v.kind, v.shape))
	}
	out, err := l.node(n, in)
	if err != nil {
		return 0, err
	}
	x, err := e.client.Compile(l.module("alone", out, l.corner(out)), e.compiler.flags...)
	if err != nil {
		return 0, err
	}
	defer x.Close()
	made, err := e.madeUp(operands)
	defer release(made)
	if err != nil {
		return 0, err
	}
	if err := repeat(x, made, 2); err != nil { // takes the memory
		return 0, err
	}
	began := time.Now()
	err = repeat(x, made, runs)
	return time.Since(began).Seconds() / float64(runs), err
}

// corner is one element of a value, to be waited for.
func (l *lowering) corner(v value) value {
	flat := l.reshape(v, engine.Size(v.shape))
	return l.convert(l.slice(flat, 0, 0, 1), f32)
}

// repeat starts a program so many times, and waits for the last.
func repeat(x *pjrt.Executable, in []*pjrt.Buffer, runs int) error {
	var last [1]float32
	for i := range runs {
		out, err := x.Run(in)
		if err != nil {
			return err
		}
		if i == runs-1 {
			err = pjrt.Download(out[1], 1, last[:])
		}
		release(out)
		if err != nil {
			return err
		}
	}
	return nil
}

// madeUp makes operands on the device: a wave, so that nothing is 0 or the same.
func (e *Executor) madeUp(operands []value) ([]*pjrt.Buffer, error) {
	l := newLowering(e.program, e.program.Train, e.activations)
	var out []value
	for _, v := range operands {
		size := engine.Size(v.shape)
		wave := l.unary("sine", l.iota(f32, 0, []int{size}))
		out = append(out, l.convert(l.reshape(wave, v.shape...), v.kind))
	}
	x, err := e.client.Compile(l.module("operands", out...), e.compiler.flags...)
	if err != nil {
		return nil, err
	}
	defer x.Close()
	return x.Run(nil)
}
