package xla

import (
	"fmt"
	"slices"
	"strings"

	"runspec/runtime/engine"
)

// lowering turns the nodes of one graph into operations.
type lowering struct {
	*emitter
	program     *engine.Program
	graph       engine.Graph
	activations kind    // element type of activations at rest
	values      []value // per node
	arguments   arguments
	results     []value // that take an argument's memory
}

// arguments are the function's, in their order.
type arguments struct {
	parameters []value
	slots      map[string][]value // per optimiser state and parameter
	norms      [][2]value
	image      value
	labels     []value // per output
	masks      []value
	settings   value // of the optimiser
	totals     value // what is summed over several calls
	scaler     scaler
	list       []argument
}

// argument is one of the function's arguments.
type argument struct {
	value
	result int // that takes its memory; -1: none
}

// settingsSize: the learning rate, Adam's step size, the root of its second
// correction, weight decay, momentum.
const settingsSize = 5

// deviceShape is a parameter's on the device: weights lie as (O, D, H, W, I).
func deviceShape(p engine.Parameter) []int {
	if s := p.Shape; len(s) == 5 {
		return []int{s[0], s[2], s[3], s[4], s[1]}
	}
	return p.Shape
}

// toDevice lays a tensor in PyTorch's layout out for the device, fromDevice the
// other way.
func toDevice(p engine.Parameter, torch []float32) []float32 {
	out := make([]float32, len(torch))
	walk(p, func(t, d int) { out[d] = torch[t] })
	return out
}

func fromDevice(p engine.Parameter, device []float32) []float32 {
	out := make([]float32, len(device))
	walk(p, func(t, d int) { out[t] = device[d] })
	return out
}

// walk calls f with every element's place in both layouts.
func walk(p engine.Parameter, f func(torch, device int)) {
	s := p.Shape
	if len(s) != 5 {
		for i := range engine.Size(s) {
			f(i, i)
		}
		return
	}
	taps := s[2] * s[3] * s[4]
	for o := range s[0] {
		for i := range s[1] {
			for t := range taps {
				f((o*s[1]+i)*taps+t, (o*taps+t)*s[1]+i)
			}
		}
	}
}

func newLowering(p *engine.Program, g engine.Graph, activations kind) *lowering {
	return &lowering{emitter: &emitter{}, program: p, graph: g, activations: activations, values: make([]value, len(g.Nodes))}
}

// argument declares the next argument.
func (l *lowering) argument(k kind, shape []int) value {
	v := value{name: fmt.Sprintf("%%a%d", len(l.arguments.list)), shape: shape, kind: k}
	l.arguments.list = append(l.arguments.list, argument{value: v, result: -1})
	return v
}

// declare declares parameters, running statistics and, for training, the
// optimiser's state.
func (l *lowering) declare(training bool) {
	a := &l.arguments
	for _, q := range l.program.Parameters {
		a.parameters = append(a.parameters, l.argument(f32, deviceShape(q)))
	}
	for _, n := range l.program.Norms {
		c := []int{n.Channels}
		a.norms = append(a.norms, [2]value{l.argument(f32, c), l.argument(f32, c)})
	}
	if !training {
		return
	}
	a.slots = map[string][]value{}
	for _, name := range l.program.Optimizer.SlotNames() {
		slot := make([]value, len(l.program.Parameters))
		for i, q := range l.program.Parameters {
			if l.graph.Gradients[i] >= 0 {
				slot[i] = l.argument(f32, deviceShape(q))
			}
		}
		a.slots[name] = slot
	}
	l.declareScaler()
	a.settings = l.argument(f32, []int{settingsSize})
	a.totals = l.argument(f64, []int{stepTotals})
}

// feed declares what comes with every call: the image, labels, masks.
func (l *lowering) feed() {
	a := &l.arguments
	need := l.needed()
	for i, n := range l.graph.Nodes {
		switch op := n.Op.(type) {
		case engine.Image:
			a.image = l.argument(f32, n.Shape)
		case engine.Labels:
			if l.graph.Loss < 0 {
				continue
			}
			for len(a.labels) <= op.Output {
				a.labels = append(a.labels, value{})
			}
			a.labels[op.Output] = value{shape: n.Shape}
		case engine.Mask:
			if !need[i] {
				continue
			}
			for len(a.masks) <= op.Index {
				a.masks = append(a.masks, value{})
			}
			a.masks[op.Index] = value{shape: n.Shape}
		}
	}
	for i, v := range a.labels {
		a.labels[i] = l.argument(i32, v.shape)
	}
	for i, v := range a.masks {
		a.masks[i] = l.argument(f32, v.shape)
	}
}

// needed are the nodes that the function's results depend on.
func (l *lowering) needed() []bool {
	g := l.graph
	targets := append([]int{g.Loss}, g.Gradients...)
	targets = append(append(targets, g.Moments...), g.Logits...)
	return g.Needed(targets...)
}

// nodes lowers the nodes in their order.
func (l *lowering) nodes() error {
	need := l.needed()
	for i, n := range l.graph.Nodes {
		if !need[i] {
			continue
		}
		if _, ok := n.Op.(engine.Image); ok {
			l.values[i] = l.image(i)
			continue
		}
		var in []value
		for _, k := range l.reads(i) {
			in = append(in, l.values[k])
		}
		var err error
		if l.values[i], err = l.node(n, in); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	return nil
}

// reads are the nodes that a node is computed from. A convolution's bias is
// none where an instance norm takes it out again: without it every such
// convolution is one of cuDNN's plain ones, which all of its versions have.
func (l *lowering) reads(node int) []int {
	in := l.graph.Nodes[node].In
	if _, ok := l.graph.Nodes[node].Op.(engine.Convolution); ok && len(in) > 2 && l.centred(node) {
		return in[:2]
	}
	return in
}

// centred says whether a node is read by an instance norm, and by nothing else.
func (l *lowering) centred(node int) bool {
	measured := false
	for _, n := range l.graph.Nodes {
		if !slices.Contains(n.In, node) {
			continue
		}
		switch op := n.Op.(type) {
		case engine.Moments:
			if op.Batch { // its running mean shows the bias
				return false
			}
			measured = true
		case engine.Normalise, engine.NormaliseSums, engine.NormaliseInput:
		default:
			return false
		}
	}
	return measured
}

func (l *lowering) node(n engine.Node, in []value) (value, error) {
	a := &l.arguments
	switch op := n.Op.(type) {
	case engine.Labels:
		return a.labels[op.Output], nil
	case engine.ParameterInput:
		return a.parameters[op.Index], nil
	case engine.BufferInput:
		return a.norms[op.Index][op.Row], nil
	case engine.Mask:
		return a.masks[op.Index], nil
	case engine.Constant:
		return l.constant(op.Value, f32, nil), nil
	}
	for _, family := range []func(engine.Node, []value) (value, bool){l.convolution, l.norm, l.elementwise, l.loss} {
		if v, ok := family(n, in); ok {
			return v, nil
		}
	}
	return value{}, fmt.Errorf("operation %T has no lowering", n.Op)
}

// module closes the function over its results. Arguments with a result give it
// their memory.
func (l *lowering) module(name string, results ...value) string {
	var in, out, outTypes []string
	for _, a := range l.arguments.list {
		text := a.name + ": " + a.typ()
		if a.result >= 0 {
			text += fmt.Sprintf(" {tf.aliasing_output = %d : i32}", a.result)
		}
		in = append(in, text)
	}
	for _, r := range results {
		out, outTypes = append(out, r.name), append(outTypes, r.typ())
	}
	return fmt.Sprintf("module @%s {\n  func.func public @main(%s) -> (%s) {\n%s    return %s : %s\n  }\n}\n",
		name, strings.Join(in, ", "), strings.Join(outTypes, ", "), l.text.String(), strings.Join(out, ", "), strings.Join(outTypes, ", "))
}

// forward modules: loss and full-resolution logits, or the logits alone.
func lowerForward(p *engine.Program, g engine.Graph, activations kind) (string, error) {
	l := newLowering(p, g, activations)
	l.declare(false)
	l.feed()
	if err := l.nodes(); err != nil {
		return "", err
	}
	logits := l.convert(l.values[g.Logits[0]], f32)
	if g.Loss < 0 {
		return l.module("predict", logits), nil
	}
	return l.module("evaluate", l.values[g.Loss], logits), nil
}
