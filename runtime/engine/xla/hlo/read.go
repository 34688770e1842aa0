package hlo

import (
	"fmt"
	"strconv"
)

// reader resolves the ids by which messages name one another. A computation
// stands behind those that it calls.
type reader struct{ computations map[int64]*Computation }

// readModule reads an HloModuleProto.
func readModule(code []byte) (*Module, error) {
	m := &Module{}
	r := reader{map[int64]*Computation{}}
	var entry int64
	err := fields(code, func(x field) (err error) {
		switch x.tag {
		case 1:
			m.Name = string(x.bytes)
		case 3:
			err = r.computation(x.bytes)
		case 6:
			entry = int64(x.number)
		}
		return err
	})
	m.Entry = r.computations[entry]
	return m, err
}

// computation reads an HloComputationProto.
func (r reader) computation(message []byte) error {
	c := &Computation{}
	byID := map[int64]*Instruction{}
	var id, root int64
	err := fields(message, func(x field) error {
		switch x.tag {
		case 1:
			c.Name = string(x.bytes)
		case 2:
			return r.instruction(x.bytes, c, byID)
		case 5:
			id = int64(x.number)
		case 6:
			root = int64(x.number)
		}
		return nil
	})
	c.Root = byID[root]
	r.computations[id] = c
	return err
}

// instruction reads an HloInstructionProto behind those of its operands.
func (r reader) instruction(message []byte, c *Computation, byID map[int64]*Instruction) error {
	n := &Instruction{}
	var id int64
	var operands, called []int64
	err := fields(message, func(x field) (err error) {
		switch x.tag {
		case 1:
			n.Name = string(x.bytes)
		case 2:
			n.Opcode = string(x.bytes)
		case 3:
			n.Shape, err = readShape(x.bytes)
		case 11:
			n.FusionKind = string(x.bytes)
		case 14:
			n.Permutation, err = x.numbers(n.Permutation)
		case 15:
			n.Window, err = readWindow(x.bytes)
		case 16:
			n.Labels, err = readLabels(x.bytes)
		case 28:
			n.Target = string(x.bytes)
		case 35:
			id = int64(x.number)
		case 36:
			operands, err = x.numbers(operands)
		case 38:
			called, err = x.numbers(called)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, k := range operands {
		operand := byID[k]
		if operand == nil {
			return fmt.Errorf("%s: operand %d does not stand before it", n.Name, k)
		}
		n.Operands = append(n.Operands, operand)
	}
	for _, k := range called {
		body := r.computations[k]
		if body == nil {
			return fmt.Errorf("%s: computation %d does not stand before it", n.Name, k)
		}
		n.Called = append(n.Called, body)
	}
	byID[id] = n
	c.Instructions = append(c.Instructions, n)
	return nil
}

// readShape reads a ShapeProto.
func readShape(message []byte) (s Shape, err error) {
	err = fields(message, func(x field) (err error) {
		switch x.tag {
		case 2:
			s.Type = elementTypes[x.number].name
			if s.Type == "" {
				s.Type = "type" + strconv.FormatUint(x.number, 10)
			}
		case 3:
			s.Dims, err = x.numbers(s.Dims)
		case 4:
			element, err := readShape(x.bytes)
			s.Elements = append(s.Elements, element)
			return err
		case 5:
			s.MinorToMajor, err = readLayout(x.bytes)
		}
		return err
	})
	return s, err
}

// readLayout reads a LayoutProto's order of axes.
func readLayout(message []byte) (order []int64, err error) {
	err = fields(message, func(x field) (err error) {
		if x.tag == 1 {
			order, err = x.numbers(order)
		}
		return err
	})
	return order, err
}

// readWindow reads the kernel's extents from a Window.
func readWindow(message []byte) (sizes []int64, err error) {
	err = fields(message, func(x field) error {
		if x.tag != 1 {
			return nil
		}
		return fields(x.bytes, func(dimension field) error {
			if dimension.tag == 1 {
				sizes = append(sizes, int64(dimension.number))
			}
			return nil
		})
	})
	return sizes, err
}

// readLabels writes a ConvolutionDimensionNumbers as XLA does:
// "b012f_o012i->b012f".
func readLabels(message []byte) (string, error) {
	place := map[int]int64{} // batch, feature, in, out; absent: 0
	lists := map[int][]int64{}
	err := fields(message, func(x field) (err error) {
		switch x.tag {
		case 6, 11, 12:
			lists[x.tag], err = x.numbers(lists[x.tag])
		default:
			place[x.tag] = int64(x.number)
		}
		return err
	})
	write := func(first, second byte, a, b int64, spatial []int64) string {
		out := make([]byte, len(spatial)+2)
		for i, at := range append([]int64{a, b}, spatial...) {
			if at >= int64(len(out)) {
				return "?"
			}
			switch i {
			case 0:
				out[at] = first
			case 1:
				out[at] = second
			default:
				out[at] = '0' + byte(i-2)
			}
		}
		return string(out)
	}
	return write('b', 'f', place[7], place[8], lists[11]) + "_" +
		write('o', 'i', place[4], place[3], lists[6]) + "->" +
		write('b', 'f', place[9], place[10], lists[12]), err
}
