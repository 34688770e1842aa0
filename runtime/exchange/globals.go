package exchange

import (
	"encoding/binary"
	"fmt"
	"math"

	"runspec/runtime/engine"
	"runspec/runtime/exchange/pickle"
)

// allowed are the names that a checkpoint may refer to: what rebuilds tensors and
// plain values, and nothing else.
func (p *pth) allowed() map[pickle.Global]pickle.Builder {
	out := map[pickle.Global]pickle.Builder{
		{Module: "collections", Name: "OrderedDict"}:             dictionary,
		{Module: "torch._utils", Name: "_rebuild_tensor_v2"}:     p.tensor,
		{Module: "torch._utils", Name: "_rebuild_parameter"}:     parameter,
		{Module: "torch", Name: "device"}:                        device,
		{Module: "torch", Name: "Size"}:                          size,
		{Module: "_codecs", Name: "encode"}:                      p.latin1,
		{Module: "numpy", Name: "dtype"}:                         newKind,
		{Module: "numpy.core.multiarray", Name: "scalar"}:        scalar,
		{Module: "numpy._core.multiarray", Name: "scalar"}:       scalar,
		{Module: "numpy.core.multiarray", Name: "_reconstruct"}:  opaque,
		{Module: "numpy._core.multiarray", Name: "_reconstruct"}: opaque,
		{Module: "numpy", Name: "ndarray"}:                       nil,
	}
	for name := range storages {
		out[pickle.Global{Module: "torch", Name: name}] = nil
	}
	return out
}

func dictionary(args pickle.Tuple) (any, error) {
	if len(args) > 0 {
		return nil, fmt.Errorf("an ordered dictionary with contents is not read")
	}
	return &pickle.Dict{}, nil
}

// parameter is the tensor that it holds.
func parameter(args pickle.Tuple) (any, error) {
	if len(args) > 0 {
		if t, ok := args[0].(engine.Tensor); ok {
			return t, nil
		}
	}
	return nil, fmt.Errorf("a parameter without a tensor")
}

// device is a kind of device, and a number where there are several: "cuda:1".
func device(args pickle.Tuple) (any, error) {
	if len(args) == 1 || len(args) == 2 {
		if kind, ok := args[0].(string); ok {
			if len(args) == 1 {
				return kind, nil
			}
			if n, ok := args[1].(int64); ok {
				return fmt.Sprintf("%s:%d", kind, n), nil
			}
		}
	}
	return nil, fmt.Errorf("a device without a name")
}

func size(args pickle.Tuple) (any, error) {
	if len(args) == 1 {
		if t, ok := args[0].(pickle.Tuple); ok {
			return t, nil
		}
	}
	return nil, fmt.Errorf("a size without a tuple")
}

// latin1 gives the bytes that Python 2's way of pickling writes as text. The file
// has a text for each, so one that decodes more than it holds repeats itself to
// fill the memory.
func (p *pth) latin1(args pickle.Tuple) (any, error) {
	if len(args) == 2 {
		if text, ok := args[0].(string); ok && args[1] == "latin1" {
			if p.decoded += len(text); p.decoded > p.size {
				return nil, fmt.Errorf("more text than the file has")
			}
			var out []byte
			for _, r := range text {
				if r > 255 {
					return nil, fmt.Errorf("text beyond Latin-1")
				}
				out = append(out, byte(r))
			}
			return out, nil
		}
	}
	return nil, fmt.Errorf("only Latin-1 text is decoded")
}

// numberKind is a numpy dtype.
type numberKind struct{ name string }

// SetState passes over byte order and alignment: a dtype of another than little
// endian names itself otherwise.
func (k *numberKind) SetState(state any) error {
	if t, ok := state.(pickle.Tuple); ok && len(t) > 1 {
		if order, ok := t[1].(string); ok && order == ">" {
			return fmt.Errorf("numbers with the big end first are not read")
		}
	}
	return nil
}

func newKind(args pickle.Tuple) (any, error) {
	if len(args) > 0 {
		if name, ok := args[0].(string); ok {
			return &numberKind{name}, nil
		}
	}
	return nil, fmt.Errorf("a dtype without a name")
}

// scalar is a numpy number: a float64 or an int64.
func scalar(args pickle.Tuple) (any, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("%d arguments", len(args))
	}
	kind, okK := args[0].(*numberKind)
	b, okB := args[1].([]byte)
	if !okK || !okB {
		return nil, fmt.Errorf("a number without dtype or bytes")
	}
	widths := map[string]int{"f4": 4, "f8": 8, "i4": 4, "i8": 8, "f2": 2, "b1": 1, "u1": 1}
	if w, known := widths[kind.name]; !known || w != len(b) {
		return nil, fmt.Errorf("a number of dtype %.20q in %d bytes", kind.name, len(b))
	}
	var wide [8]byte
	copy(wide[:], b)
	bits := binary.LittleEndian.Uint64(wide[:])
	switch kind.name {
	case "f4":
		return float64(math.Float32frombits(uint32(bits))), nil
	case "f8":
		return math.Float64frombits(bits), nil
	case "f2":
		return half(uint16(bits)), nil
	case "i4":
		return int64(int32(bits)), nil
	}
	return int64(bits), nil
}

// array is a numpy array, which nothing here looks into.
type array struct{}

func (*array) SetState(any) error { return nil }

func opaque(pickle.Tuple) (any, error) { return &array{}, nil }
