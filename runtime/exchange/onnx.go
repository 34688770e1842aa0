package exchange

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/train"
)

// ONNX files are protocol buffers; the few messages that a network needs are
// written here (onnx.proto3, IR version 8, operators of set 17).
const (
	onnxIR     = 8
	onnxOpset  = 17
	onnxFloat  = 1 // TensorProto.FLOAT
	onnxInts   = 7 // AttributeProto.INTS
	onnxInt    = 2
	onnxReal   = 1
	onnxString = 3
)

// message is a protocol buffer under construction.
type message []byte

func (m *message) tag(field, wire int) { *m = binary.AppendUvarint(*m, uint64(field<<3|wire)) }

func (m *message) int(field int, v int64) {
	m.tag(field, 0)
	*m = binary.AppendUvarint(*m, uint64(v))
}

func (m *message) bytes(field int, b []byte) {
	m.tag(field, 2)
	*m = append(binary.AppendUvarint(*m, uint64(len(b))), b...)
}

func (m *message) text(field int, s string) { m.bytes(field, []byte(s)) }

func (m *message) float(field int, v float32) {
	m.tag(field, 5)
	*m = binary.LittleEndian.AppendUint32(*m, math.Float32bits(v))
}

// graph builds an ONNX graph.
type graph struct {
	nodes, initializers []message
	dim                 int
	fold                Fold
	network             unet.Network
	values              []string // name of each block's output
	err                 error
}

// WriteONNX gives a fold's network as ONNX: "image" (batch, channels, [z,] y, x) to
// "logits" (batch, classes, [z,] y, x) of full resolution. Batch and extents are
// free, the latter multiples of the network's strides.
func WriteONNX(m Model, f Fold) ([]byte, error) {
	network, err := unet.Build(m.Configuration.Architecture)
	if err != nil {
		return nil, err
	}
	g := &graph{dim: network.Architecture.Dim, fold: f, network: network, values: make([]string, len(network.Blocks))}
	last := network.Outputs[0]
	for i, b := range network.Blocks {
		if b.Op == unet.Head && i != last {
			continue
		}
		g.block(i, b)
	}
	if g.err != nil {
		return nil, fmt.Errorf("onnx: %w", g.err)
	}
	return g.model(m, g.values[last]), nil
}

func (g *graph) model(m Model, logits string) []byte {
	g.node("Identity", []string{logits}, "logits")
	var body message
	for _, n := range g.nodes {
		body.bytes(1, n)
	}
	body.text(2, m.Plans.DatasetName+" "+m.Configuration.Name)
	for _, t := range g.initializers {
		body.bytes(5, t)
	}
	a := g.network.Architecture
	body.bytes(11, g.tensor("image", a.InputChannels))
	body.bytes(12, g.tensor("logits", a.Classes))
	var opset, out message
	opset.text(1, "")
	opset.int(2, onnxOpset)
	out.int(1, onnxIR)
	out.text(2, "runspec")
	out.bytes(7, body)
	out.bytes(8, opset)
	return out
}

// tensor describes an input or output with free batch and extents.
func (g *graph) tensor(name string, channels int) message {
	var shape message
	axes := []string{"batch", "", "z", "y", "x"}
	if g.dim == 2 {
		axes = []string{"batch", "", "y", "x"}
	}
	for _, axis := range axes {
		var d message
		if axis == "" {
			d.int(1, int64(channels))
		} else {
			d.text(2, axis)
		}
		shape.bytes(1, d)
	}
	var tensor, typ, info message
	tensor.int(1, onnxFloat)
	tensor.bytes(2, shape)
	typ.bytes(1, tensor)
	info.text(1, name)
	info.bytes(2, typ)
	return info
}

// attribute is a node's; v is []int, int, float64 or string.
func attribute(name string, v any) message {
	var m message
	m.text(1, name)
	switch v := v.(type) {
	case []int:
		for _, x := range v {
			m.int(8, int64(x))
		}
		m.int(20, onnxInts)
	case int:
		m.int(3, int64(v))
		m.int(20, onnxInt)
	case float64:
		m.float(2, float32(v))
		m.int(20, onnxReal)
	case string:
		m.text(4, v)
		m.int(20, onnxString)
	}
	return m
}

// node adds an operation; attributes come as names and values in turn.
func (g *graph) node(op string, in []string, out string, attributes ...any) string {
	var n message
	for _, name := range in {
		n.text(1, name)
	}
	n.text(2, out)
	n.text(3, out+"/"+op)
	n.text(4, op)
	for i := 0; i < len(attributes); i += 2 {
		n.bytes(5, attribute(attributes[i].(string), attributes[i+1]))
	}
	g.nodes = append(g.nodes, n)
	return out
}

// constant adds an initialiser.
func (g *graph) constant(name string, shape []int, data []float32) string {
	var t message
	for _, n := range shape {
		t.int(1, int64(n))
	}
	t.int(2, onnxFloat)
	t.text(8, name)
	raw := make([]byte, 0, 4*len(data))
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	t.bytes(9, raw)
	g.initializers = append(g.initializers, t)
	return name
}

// weight adds a parameter or buffer of the fold.
func (g *graph) weight(name string) string {
	t, ok := g.fold.Parameters[name]
	if !ok {
		t, ok = g.fold.Buffers[name]
	}
	if !ok {
		g.err = fmt.Errorf("the weights lack %s", name)
		return name
	}
	shape := t.Shape
	if g.dim == 2 && len(shape) == 5 {
		shape = slices.Delete(slices.Clone(shape), 2, 3)
	}
	return g.constant(name, shape, t.Data)
}

// axes are the spatial ones of a triple.
func (g *graph) axes(v [3]int) []int { return slices.Clone(v[3-g.dim:]) }

func (g *graph) block(i int, b unet.Block) {
	in := make([]string, len(b.In))
	for j, k := range b.In {
		if in[j] = "image"; k >= 0 {
			in[j] = g.values[k]
		}
	}
	g.values[i] = g.layer(b, in)
}

func (g *graph) layer(b unet.Block, in []string) string {
	switch b.Op {
	case unet.Conv, unet.Head:
		return g.convolution(b, in[0])
	case unet.Transpose:
		return g.node("ConvTranspose", []string{in[0], g.weight(b.Name + ".weight"), g.weight(b.Name + ".bias")}, b.Name,
			"kernel_shape", g.axes(b.Kernel), "strides", g.axes(b.Kernel))
	case unet.Normalise:
		return g.norm(b, in[0])
	case unet.Activate:
		return g.activation(b, in[0])
	case unet.Drop:
		return in[0] // only while training
	case unet.Concat:
		return g.node("Concat", in, b.Name, "axis", 1)
	case unet.Add:
		return g.node("Add", in, b.Name)
	case unet.AveragePool:
		return g.node("AveragePool", in, b.Name, "kernel_shape", g.axes(b.Kernel), "strides", g.axes(b.Kernel))
	}
	g.err = fmt.Errorf("block %s: no operator for %q", b.Name, b.Op)
	return b.Name
}

func (g *graph) convolution(b unet.Block, x string) string {
	in := []string{x, g.weight(b.Name + ".weight")}
	if !b.NoBias {
		in = append(in, g.weight(b.Name+".bias"))
	}
	kernel := g.axes(b.Kernel)
	var pads []int
	for range 2 {
		for _, k := range kernel {
			pads = append(pads, (k-1)/2)
		}
	}
	return g.node("Conv", in, b.Name, "kernel_shape", kernel, "strides", g.axes(b.Stride), "pads", pads)
}

func (g *graph) norm(b unet.Block, x string) string {
	in := []string{x, g.weight(b.Name + ".weight"), g.weight(b.Name + ".bias")}
	if b.Norm == unet.BatchNorm {
		in = append(in, g.weight(b.Name+".running_mean"), g.weight(b.Name+".running_var"))
		return g.node("BatchNormalization", in, b.Name, "epsilon", engine.NormEpsilon)
	}
	return g.node("InstanceNormalization", in, b.Name, "epsilon", engine.NormEpsilon)
}

func (g *graph) activation(b unet.Block, x string) string {
	one := func(name string, v float64) string { return g.constant(b.Name+name, nil, []float32{float32(v)}) }
	switch a := b.Activation; a {
	case unet.LeakyReLU:
		return g.node("LeakyRelu", []string{x}, b.Name, "alpha", engine.LeakySlope)
	case unet.ReLU:
		return g.node("Relu", []string{x}, b.Name)
	case unet.ELU:
		return g.node("Elu", []string{x}, b.Name, "alpha", 1.0)
	case unet.PReLU:
		slope := g.fold.Parameters[b.Name+".weight"]
		shape := append([]int{len(slope.Data)}, slices.Repeat([]int{1}, g.dim)...)
		return g.node("PRelu", []string{x, g.constant(b.Name+".slope", shape, slope.Data)}, b.Name)
	case unet.GELU: // x/2 * (1 + erf(x/sqrt 2))
		erf := g.node("Erf", []string{g.node("Mul", []string{x, one(".root", 1/math.Sqrt2)}, b.Name+".scaled")}, b.Name+".erf")
		sum := g.node("Add", []string{erf, one(".one", 1)}, b.Name+".cdf")
		return g.node("Mul", []string{g.node("Mul", []string{x, one(".half", 0.5)}, b.Name+".halved"), sum}, b.Name)
	default:
		g.err = fmt.Errorf("block %s: no operator for %q", b.Name, a)
	}
	return b.Name
}

// WriteSafetensors gives a fold's parameters and running statistics under PyTorch's
// names, with what they are of as metadata.
func WriteSafetensors(m Model, f Fold) ([]byte, error) {
	tensors := map[string]engine.Tensor{}
	for name, t := range f.Parameters {
		if m.Configuration.Architecture.Dim == 2 && len(t.Shape) == 5 {
			t.Shape = slices.Delete(slices.Clone(t.Shape), 2, 3)
		}
		tensors[name] = t
	}
	for name, t := range f.Buffers {
		tensors[name] = t
	}
	return train.EncodeTensors(tensors, map[string]string{
		"dataset": m.Plans.DatasetName, "configuration": m.Configuration.Name, "fold": f.Name,
		"trainer": m.Trainer, "labels": strings.Join(labelNames(m), ","),
	})
}

func labelNames(m Model) (out []string) {
	for _, l := range m.Dataset.Labels {
		out = append(out, l.Name)
	}
	return out
}
