// Package hlo reads the program that XLA has made of ours: the optimised HLO of
// an executable, as the plug-in hands it out. From its entry computation follow
// what costs time on a GPU and can be seen without one: the kernels, the bytes
// each moves, how convolutions reach cuDNN, layouts that are changed, float32
// tensors between kernels (report.go).
//
// It reads the few fields of xla/service/hlo.proto and xla/xla_data.proto that
// this needs, and neither runs nor changes a program.
package hlo

import (
	"errors"
	"fmt"
	"strings"
)

// Module is a program.
type Module struct {
	Name  string
	Entry *Computation
}

// Computation is a function of a module.
type Computation struct {
	Name         string
	Instructions []*Instruction // operands first
	Root         *Instruction
}

// Instruction is one operation. At the entry it is a kernel, or costs nothing.
type Instruction struct {
	Name        string
	Opcode      string // "fusion", "custom-call", "copy", …
	Shape       Shape
	Operands    []*Instruction
	Called      []*Computation // a fusion's body
	Permutation []int64        // of a transpose
	FusionKind  string         // "kLoop", "kInput", "kCustom"
	Target      string         // of a custom call
	Labels      string         // of a convolution: "b012f_o012i->b012f"
	Window      []int64        // of a convolution: the kernel's extents
}

// Shape is an array's element type, axes and layout, or a tuple's elements.
type Shape struct {
	Type         string // "bf16", "f32", "pred", …; "tuple"
	Dims         []int64
	MinorToMajor []int64
	Elements     []Shape
}

// element types by their number in xla_data.proto's PrimitiveType, with their bytes.
var elementTypes = map[uint64]struct {
	name  string
	bytes int64
}{
	1: {"pred", 1}, 2: {"s8", 1}, 3: {"s16", 2}, 4: {"s32", 4}, 5: {"s64", 8},
	6: {"u8", 1}, 7: {"u16", 2}, 8: {"u32", 4}, 9: {"u64", 8},
	10: {"f16", 2}, 11: {"f32", 4}, 12: {"f64", 8}, 16: {"bf16", 2},
	13: {"tuple", 0}, 14: {"opaque", 0}, 15: {"c64", 8}, 17: {"token", 0},
}

// Size is the number of elements; a tuple's is 0.
func (s Shape) Size() int64 {
	if s.Type == "tuple" || s.Type == "token" {
		return 0
	}
	n := int64(1)
	for _, d := range s.Dims {
		n *= d
	}
	return n
}

// Bytes is what the shape takes in memory, a tuple's elements together.
func (s Shape) Bytes() int64 {
	total := int64(0)
	for _, e := range s.Elements {
		total += e.Bytes()
	}
	for _, t := range elementTypes {
		if t.name == s.Type {
			total += s.Size() * t.bytes
		}
	}
	return total
}

// arrays lists the shape, or the arrays of a tuple.
func (s Shape) arrays() []Shape {
	if s.Type != "tuple" {
		return []Shape{s}
	}
	var list []Shape
	for _, e := range s.Elements {
		list = append(list, e.arrays()...)
	}
	return list
}

// String is the shape as XLA writes it: bf16[9,40,56,40,32]{4,3,2,1,0}.
func (s Shape) String() string {
	if s.Type == "tuple" {
		var parts []string
		for _, e := range s.Elements {
			parts = append(parts, e.String())
		}
		return "(" + strings.Join(parts, ", ") + ")"
	}
	text := s.Type + "[" + commas(s.Dims) + "]"
	if len(s.MinorToMajor) > 0 {
		text += "{" + commas(s.MinorToMajor) + "}"
	}
	return text
}

func commas(list []int64) string {
	var parts []string
	for _, x := range list {
		parts = append(parts, fmt.Sprint(x))
	}
	return strings.Join(parts, ",")
}

// Read reads what PJRT_Executable_OptimizedProgram gives: format is
// "hlo_with_config" (HloModuleProtoWithConfig) or "hlo" (HloModuleProto).
func Read(code []byte, format string) (*Module, error) {
	switch format {
	case "hlo":
	case "hlo_with_config":
		var inner []byte
		err := fields(code, func(x field) error {
			if x.tag == 1 {
				inner = x.bytes
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("HloModuleProtoWithConfig: %w", err)
		}
		code = inner
	default:
		return nil, fmt.Errorf("an optimised program in format %q cannot be read, only hlo and hlo_with_config", format)
	}
	m, err := readModule(code)
	if err != nil {
		return nil, fmt.Errorf("HloModuleProto: %w", err)
	}
	if m.Entry == nil || len(m.Entry.Instructions) == 0 {
		return nil, errors.New("HloModuleProto: it has no entry computation")
	}
	return m, nil
}
