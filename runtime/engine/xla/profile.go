package xla

import (
	"fmt"
	"slices"
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
		if !need[i] || !profiled(n) || whole.onlySliced(i) {
			continue
		}
		c, operands := whole.isolate(i)
		key := fmt.Sprintf("%T%+v%v%v", c.Op, c.Op, c.Shape, c.In)
		if j, seen := at[key]; seen {
			list[j].Count++
			continue
		}
		at[key] = len(list)
		c.Seconds, c.Err = e.alone(whole, i, operands, runs)
		list = append(list, c)
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

// onlySliced says whether a node is read by slices alone that do without it.
func (l *lowering) onlySliced(node int) bool {
	if _, ok := l.graph.Nodes[node].Op.(engine.ConvolutionInput); !ok {
		return false
	}
	readers, sliced := 0, 0
	for _, n := range l.graph.Nodes {
		if slices.Contains(n.In, node) {
			readers++
			if _, ok := n.Op.(engine.Slice); ok {
				sliced++
			}
		}
	}
	return readers > 0 && readers == sliced
}

// isolate says what a node is by itself, and the nodes that it reads. A slice of a
// convolution's gradient is a gradient by some of the channels (sliced).
func (l *lowering) isolate(node int) (c Cost, operands []int) {
	n := l.graph.Nodes[node]
	c, operands = Cost{Op: n.Op, Shape: n.Shape, Count: 1}, l.reads(node)
	slice, _ := n.Op.(engine.Slice)
	if whole := l.graph.Nodes[n.In[0]]; slice.Channels > 0 {
		if op, ok := whole.Op.(engine.ConvolutionInput); ok {
			c.Op, operands = op, whole.In
		}
	}
	for _, k := range operands {
		c.In = append(c.In, l.graph.Nodes[k].Shape)
		c.Bytes += l.values[k].bytes()
	}
	if _, ok := c.Op.(engine.ConvolutionInput); ok && slice.Channels > 0 {
		c.In[1] = slices.Clone(c.In[1])
		c.In[1][1] = slice.Channels
	}
	width := 4
	if len(n.Shape) == 5 && l.activations != f32 {
		width = 2
	}
	c.Bytes += float64(width * engine.Size(n.Shape))
	return c, operands
}

func (v value) bytes() float64 {
	width := 4
	if v.kind == bf16 || v.kind == f16 {
		width = 2
	}
	return float64(width * engine.Size(v.shape))
}

// alone runs a node as a program of its own, on the operands that it has in the
// whole.
func (e *Executor) alone(whole *lowering, node int, operands []int, runs int) (float64, error) {
	l := newLowering(e.program, e.program.Train, e.activations)
	var list, in []value
	for _, k := range operands {
		v := whole.values[k]
		list = append(list, v)
		l.values[k] = l.argument(v.kind, v.shape)
	}
	for _, k := range whole.reads(node) {
		in = append(in, l.values[k])
	}
	out, err := l.node(whole.graph.Nodes[node], in)
	if err != nil {
		return 0, err
	}
	x, err := e.client.Compile(l.module("alone", out, l.corner(out)), e.compiler.flags...)
	if err != nil {
		return 0, err
	}
	defer x.Close()
	made, err := e.madeUp(list)
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
