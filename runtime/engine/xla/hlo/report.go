package hlo

import (
	"slices"
	"strings"
)

// Kernel is an instruction that runs on the device, with the bytes of its
// operands and results.
type Kernel struct {
	*Instruction
	Read, Written int64
}

// Bytes is what the kernel moves if it touches every operand and result once.
func (k Kernel) Bytes() int64 { return k.Read + k.Written }

// free are the opcodes that cost nothing at run time.
var free = []string{"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id", "replica-id"}

// Kernels lists what the entry computation runs, and what it calls without
// fusing it.
func (m *Module) Kernels() []Kernel { return kernels(m.Entry) }

func kernels(c *Computation) (list []Kernel) {
	for _, n := range c.Instructions {
		switch {
		case slices.Contains(free, n.Opcode) || strings.HasSuffix(n.Opcode, "-done"):
			continue
		case n.Opcode == "call" || n.Opcode == "conditional" || n.Opcode == "while" || n.Opcode == "async-start":
			for _, called := range n.Called {
				list = append(list, kernels(called)...)
			}
			continue
		}
		k := Kernel{Instruction: n, Written: n.Shape.Bytes()}
		for _, in := range n.Operands {
			k.Read += in.Shape.Bytes()
		}
		list = append(list, k)
	}
	return list
}

// Convolution is one call of a convolution.
type Convolution struct {
	Kernel
	Kind string // "forward", "backward-input", "backward-filter"; "": none of cuDNN's
}

// kinds are cuDNN's by the custom call's target.
var kinds = map[string]string{
	"__cudnn$convForward":               "forward",
	"__cudnn$convBiasActivationForward": "forward",
	"__cudnn$convForwardGraph":          "forward",
	"__cudnn$convBackwardInput":         "backward-input",
	"__cudnn$convBackwardFilter":        "backward-filter",
}

// widest is the largest extent that a kernel of a network has. A forward
// convolution with a larger one is a weight gradient that XLA did not recognise.
const widest = 11

// Convolutions lists the convolutions among the kernels; one that XLA left as an
// instruction of its own, or inside a fusion, has no kind.
func (m *Module) Convolutions() (list []Convolution) {
	for _, k := range m.Kernels() {
		kind, ok := kinds[k.Target]
		if ok && kind == "forward" && len(k.Window) > 0 && slices.Max(k.Window) > widest {
			kind = ""
		}
		if ok || k.contains("convolution") {
			list = append(list, Convolution{k, kind})
		}
	}
	return list
}

// contains says whether the instruction, or one that it fuses, has an opcode.
func (n *Instruction) contains(opcode string) bool {
	found := n.Opcode == opcode
	for _, body := range n.Called {
		for _, inner := range body.Instructions {
			found = found || inner.contains(opcode)
		}
	}
	return found
}

// Relayouts lists the kernels that write an array of one of the given numbers of
// elements in another order of axes than they read it: a transpose or a copy,
// alone or fused.
func (m *Module) Relayouts(sizes []Size) (list []Kernel) {
	for _, k := range m.Kernels() {
		if k.relayout(sizes) {
			list = append(list, k)
		}
	}
	return list
}

func (n *Instruction) relayout(sizes []Size) bool {
	if n.moves() && slices.ContainsFunc(sizes, func(x Size) bool { return x.Elements == n.Shape.Size() }) {
		return true
	}
	for _, body := range n.Called {
		if slices.ContainsFunc(body.Instructions, func(inner *Instruction) bool { return inner.relayout(sizes) }) {
			return true
		}
	}
	return false
}

// moves says whether a copy or a transpose changes the order in memory.
func (n *Instruction) moves() bool {
	if len(n.Operands) != 1 || (n.Opcode != "copy" && n.Opcode != "transpose") {
		return false
	}
	from := n.Operands[0].Shape
	var before, after []int64 // the operand's axes that are longer than 1, innermost first
	for _, axis := range from.MinorToMajor {
		if at(from.Dims, axis) > 1 {
			before = append(before, axis)
		}
	}
	for _, axis := range n.Shape.MinorToMajor {
		if n.Opcode == "transpose" {
			axis = at(n.Permutation, axis)
		}
		if at(from.Dims, axis) > 1 {
			after = append(after, axis)
		}
	}
	return !slices.Equal(before, after)
}

// at is an element of a list, -1 behind its end.
func at(list []int64, i int64) int64 {
	if i < 0 || i >= int64(len(list)) {
		return -1
	}
	return list[i]
}

// Size is what tells an activation from other arrays: elements and channels.
type Size struct{ Elements, Channels int64 }

// AtRest lists the kernels that write an array of an element type whose elements
// and last axis are among the given ones.
func (m *Module) AtRest(elementType string, sizes []Size) (list []Kernel) {
	is := func(s Shape) bool {
		return s.Type == elementType && slices.ContainsFunc(sizes, func(x Size) bool {
			return s.Size() == x.Elements && len(s.Dims) > 1 && s.Dims[len(s.Dims)-1] == x.Channels
		})
	}
	for _, k := range m.Kernels() {
		if slices.ContainsFunc(k.Shape.arrays(), is) {
			list = append(list, k)
		}
	}
	return list
}

// Bytes is what all kernels move.
func (m *Module) Bytes() (total int64) {
	for _, k := range m.Kernels() {
		total += k.Bytes()
	}
	return total
}
