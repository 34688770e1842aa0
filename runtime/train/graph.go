package train

import (
	"fmt"

	"runspec/compiler/unet"
	"runspec/runtime/engine"
)

// GraphOptions says what a network is trained on and how.
type GraphOptions struct {
	Batch     int
	Patch     [3]int // (z, y, x), a multiple of the network's strides
	Loss      engine.Loss
	Optimizer engine.Optimizer
	Seed      uint64 // of the dropout masks
}

// Build turns a network with loss and optimiser into the program that an
// executor compiles. Loss.Weights may be nil: nnU-Net's deep-supervision
// weights then.
func Build(network unet.Network, o GraphOptions) (*engine.Program, error) {
	p, err := newProgram(network, o)
	if err != nil {
		return nil, err
	}
	for _, part := range []struct {
		name  string
		graph *engine.Graph
		walk  walk
	}{
		{"training", &p.Train, walk{batch: o.Batch, training: true}},
		{"evaluation", &p.Evaluate, walk{batch: o.Batch}},
		{"prediction", &p.Predict, walk{batch: 1, predicting: true}},
	} {
		w := part.walk
		w.network, w.program, w.b = network, p, engine.NewBuilder()
		if *part.graph, err = w.graph(); err != nil {
			return nil, fmt.Errorf("%s graph: %w", part.name, err)
		}
	}
	return p, nil
}

func newProgram(n unet.Network, o GraphOptions) (*engine.Program, error) {
	if o.Batch < 1 {
		return nil, fmt.Errorf("batch of %d: it must be at least 1", o.Batch)
	}
	shapes, err := n.Shapes(o.Patch)
	if err != nil {
		return nil, err
	}
	if o.Loss.Weights == nil {
		o.Loss.Weights = n.DeepSupervisionWeights()
	}
	if err := checkLoss(n, o.Loss); err != nil {
		return nil, err
	}
	switch o.Optimizer.Kind {
	case engine.SGD, engine.Adam, engine.AdamW:
	default:
		return nil, fmt.Errorf("unknown optimiser %q", o.Optimizer.Kind)
	}
	p := &engine.Program{
		Batch: o.Batch, Patch: o.Patch, Seed: o.Seed,
		Channels: n.Architecture.InputChannels, Classes: n.Architecture.Classes,
		Loss: o.Loss, Optimizer: o.Optimizer,
	}
	for _, q := range n.Parameters {
		p.Parameters = append(p.Parameters, engine.Parameter{
			Name: q.Name, Shape: q.Shape, Transposed: n.Blocks[q.Block].Op == unet.Transpose,
		})
	}
	for i, blk := range n.Blocks {
		if blk.Norm == unet.BatchNorm {
			p.Norms = append(p.Norms, engine.Norm{
				Name: blk.Name, Channels: blk.Channels[1],
				Count: o.Batch * engine.Size(shapes[i][:]),
			})
		}
	}
	return p, nil
}

func checkLoss(n unet.Network, l engine.Loss) error {
	switch l.Kind {
	case engine.DiceCE, engine.Dice, engine.CE, engine.TopK:
	default:
		return fmt.Errorf("unknown loss %q", l.Kind)
	}
	if len(l.Weights) != len(n.Outputs) {
		return fmt.Errorf("%d loss weights for %d outputs", len(l.Weights), len(n.Outputs))
	}
	switch classes := n.Architecture.Classes; {
	case len(l.Regions) > 0 && l.Kind == engine.TopK:
		return fmt.Errorf("%s ranks voxels by the cross-entropy of exclusive classes, and the data set has regions; choose another loss", l.Kind)
	case len(l.Regions) > 0 && len(l.Regions) != classes:
		return fmt.Errorf("%d regions for %d outputs", len(l.Regions), classes)
	case len(l.Regions) == 0 && classes < 2:
		return fmt.Errorf("a loss over %d classes: background and at least one label are needed", classes)
	}
	for _, weight := range l.Weights {
		if weight != 0 {
			return nil
		}
	}
	return fmt.Errorf("no output's loss has a weight")
}

// walk makes one graph from the network's blocks.
type walk struct {
	network    unet.Network
	program    *engine.Program
	batch      int
	training   bool
	predicting bool

	b          *engine.Builder
	values     []engine.Value // per block
	parameters []engine.Value // per parameter, where used
	moments    []engine.Value // of batch norms
	norms      int
	drops      int
}

func (w *walk) graph() (engine.Graph, error) {
	p := w.program
	w.parameters = make([]engine.Value, len(p.Parameters))
	w.values = make([]engine.Value, len(w.network.Blocks))
	image := w.b.Input(engine.Image{}, w.batch, p.Patch[0], p.Patch[1], p.Patch[2], p.Channels)
	fused := w.fused()
	for i, blk := range w.network.Blocks {
		in := make([]engine.Value, len(blk.In))
		for j, k := range blk.In {
			if in[j] = image; k >= 0 {
				in[j] = w.values[k]
			}
		}
		if blk.Op == unet.Head && w.predicting && i != w.network.Outputs[0] {
			continue
		}
		w.values[i] = w.block(i, blk, in, fused[i])
	}
	return w.b.Graph(w.outputs())
}

// outputs adds the loss and gathers what the graph is for.
func (w *walk) outputs() engine.Outputs {
	var out engine.Outputs
	loss := w.program.Loss
	objective := engine.Objective{Kind: loss.Kind, BatchDice: loss.BatchDice, Ignore: loss.Ignore, Regions: loss.Regions}
	for i, block := range w.network.Outputs {
		logits := w.values[block]
		out.Logits = append(out.Logits, logits)
		if w.predicting {
			return out
		}
		shape := logits.Shape()
		if shape == nil {
			return out // an earlier error
		}
		labels := w.b.Input(engine.Labels{Output: i}, shape[:4]...)
		statistics := w.b.Apply(engine.LossStatistics{Objective: objective}, logits, labels)
		out.Losses = append(out.Losses, w.b.Apply(engine.LossValue{Objective: objective}, logits, labels, statistics))
	}
	out.Loss = w.total(out.Losses)
	if w.training {
		out.Parameters, out.Moments = w.trained(), w.moments
	}
	return out
}

// total is the weighted sum of the losses that have a weight.
func (w *walk) total(losses []engine.Value) engine.Value {
	var sum engine.WeightedSum
	var weighted []engine.Value
	for i, weight := range w.program.Loss.Weights {
		if weight != 0 {
			sum.Weights = append(sum.Weights, weight)
			weighted = append(weighted, losses[i])
		}
	}
	return w.b.Apply(sum, weighted...)
}

// trained are the parameters to differentiate by: all of blocks that lead to
// an output whose loss has a weight.
func (w *walk) trained() []engine.Value {
	leads := make([]bool, len(w.network.Blocks))
	for i, block := range w.network.Outputs {
		leads[block] = w.program.Loss.Weights[i] != 0
	}
	for i := len(leads) - 1; i >= 0; i-- {
		for _, k := range w.network.Blocks[i].In {
			if leads[i] && k >= 0 {
				leads[k] = true
			}
		}
	}
	list := make([]engine.Value, len(w.parameters))
	for j, q := range w.network.Parameters {
		if leads[q.Block] {
			list[j] = w.parameters[j]
		}
	}
	return list
}

// fused says for each norm which activation follows it alone, so that both
// are one operation; the activation's own block is then only a name for it.
func (w *walk) fused() []engine.Function {
	f := make([]engine.Function, len(w.network.Blocks))
	users := make([]int, len(w.network.Blocks))
	for _, blk := range w.network.Blocks {
		for _, k := range blk.In {
			if k >= 0 {
				users[k]++
			}
		}
	}
	for i, blk := range w.network.Blocks {
		function := engine.Function(blk.Activation)
		if blk.Op != unet.Activate || function != engine.LeakyReLU && function != engine.ReLU {
			continue
		}
		if k := blk.In[0]; k >= 0 && w.network.Blocks[k].Op == unet.Normalise && users[k] == 1 {
			f[i], f[k] = function, function
		}
	}
	return f
}

// block applies one block's operations. fused is the activation that a norm
// takes in, or that an activation has already been taken in as.
func (w *walk) block(i int, blk unet.Block, in []engine.Value, fused engine.Function) engine.Value {
	switch blk.Op {
	case unet.Conv, unet.Head:
		operands := []engine.Value{in[0], w.parameter(i, ".weight")}
		if !blk.NoBias {
			operands = append(operands, w.parameter(i, ".bias"))
		}
		var pad [3]int
		for a, k := range blk.Kernel {
			pad[a] = (k - 1) / 2
		}
		return w.b.Apply(engine.Convolution{Stride: blk.Stride, Pad: pad}, operands...)
	case unet.Transpose:
		return w.b.Apply(engine.Transposed{}, in[0], w.parameter(i, ".weight"), w.parameter(i, ".bias"))
	case unet.Normalise:
		return w.normalise(i, in[0], fused)
	case unet.Activate:
		if fused != engine.Identity {
			return in[0]
		}
		function := engine.Function(blk.Activation)
		if function == engine.PReLU {
			in = append(in, w.parameter(i, ".weight"))
		}
		return w.b.Apply(engine.Activate{Function: function}, in...)
	case unet.Drop:
		return w.drop(in[0], blk.Rate)
	case unet.Concat:
		return w.b.Apply(engine.Concat{}, in...)
	case unet.Add:
		return w.b.Apply(engine.Add{}, in...)
	case unet.AveragePool:
		return w.b.Apply(engine.AveragePool{Window: blk.Kernel}, in[0])
	}
	return w.b.Fail(fmt.Errorf("block %s: no operation %q", blk.Name, blk.Op))
}

// parameter introduces the parameter of block i that ends so.
func (w *walk) parameter(i int, suffix string) engine.Value {
	name := w.network.Blocks[i].Name + suffix
	for j, q := range w.program.Parameters {
		if q.Name == name {
			w.parameters[j] = w.b.Input(engine.ParameterInput{Index: j}, q.GraphShape()...)
			return w.parameters[j]
		}
	}
	return w.b.Fail(fmt.Errorf("the network has no parameter %s", name))
}

func (w *walk) normalise(i int, x engine.Value, fused engine.Function) engine.Value {
	batch := w.network.Blocks[i].Norm == unet.BatchNorm
	var moments engine.Value
	if batch && !w.training {
		mean := w.b.Input(engine.BufferInput{Index: w.norms, Row: 0}, w.network.Blocks[i].Channels[1])
		variance := w.b.Input(engine.BufferInput{Index: w.norms, Row: 1}, w.network.Blocks[i].Channels[1])
		moments = w.b.Apply(engine.RunningMoments{}, mean, variance)
	} else {
		moments = w.b.Apply(engine.Moments{Batch: batch}, x)
	}
	if batch {
		w.norms++
		w.moments = append(w.moments, moments)
	}
	op := engine.Normalise{Function: fused, Fixed: batch && !w.training}
	return w.b.Apply(op, x, moments, w.parameter(i, ".weight"), w.parameter(i, ".bias"))
}

func (w *walk) drop(x engine.Value, rate float64) engine.Value {
	if !w.training {
		return x
	}
	shape := x.Shape()
	if shape == nil {
		return x // an earlier error
	}
	mask := w.b.Input(engine.Mask{Index: w.drops, Rate: rate}, shape[0], shape[4])
	w.drops++
	return w.b.Apply(engine.Drop{}, x, mask)
}
