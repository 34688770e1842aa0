package exchange

import (
	"encoding/binary"
	"fmt"
	"math"

	"runspec/runtime/engine"
	"runspec/runtime/exchange/pickle"
)

// element is a storage's element type.
type element struct {
	size  int
	value func([]byte) float64
}

// storages are PyTorch's storage classes by what their elements are.
var storages = map[string]element{
	"FloatStorage":  {4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }},
	"DoubleStorage": {8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }},
	"HalfStorage":   {2, func(b []byte) float64 { return half(binary.LittleEndian.Uint16(b)) }},
	"BFloat16Storage": {2, func(b []byte) float64 {
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
	}},
	"LongStorage":  {8, func(b []byte) float64 { return float64(int64(binary.LittleEndian.Uint64(b))) }},
	"IntStorage":   {4, func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) }},
	"ShortStorage": {2, func(b []byte) float64 { return float64(int16(binary.LittleEndian.Uint16(b))) }},
	"CharStorage":  {1, func(b []byte) float64 { return float64(int8(b[0])) }},
	"ByteStorage":  {1, func(b []byte) float64 { return float64(b[0]) }},
	"BoolStorage":  {1, func(b []byte) float64 { return float64(b[0]) }},
}

// half is a number of half precision.
func half(h uint16) float64 {
	sign := 1.0
	if h>>15 == 1 {
		sign = -1
	}
	exponent, fraction := int(h>>10&31), float64(h&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

// storage is one block of numbers of a file; tensors are views of it.
type storage struct {
	element
	class  string // PyTorch's
	data   []byte
	views  map[place]engine.Tensor // that were rebuilt
	viewed int64                   // their elements
}

// place is where a view lies in its storage.
type place struct {
	axes           int
	offset         int64
	shape, strides [axes]int64
}

func (s *storage) length() int { return len(s.data) / s.size }

// Limits of tensors.
const (
	largest = 1 << 34 // elements
	axes    = 8       // a convolution's weights have five
	// overlap is how many times over the different views of one storage may hold its
	// elements. Parameters hold theirs once, whether each has a storage or all share
	// one; a state_dict that names one several times repeats the same view.
	overlap = 4
)

// tensor is torch._utils._rebuild_tensor_v2(storage, offset, size, stride, …): the
// view's numbers as float32, in C order. The same view again is the same tensor.
func (*pth) tensor(args pickle.Tuple) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("%d arguments", len(args))
	}
	s, ok := args[0].(*storage)
	offset, okO := args[1].(int64)
	shape, err := integers(args[2])
	strides, errS := integers(args[3])
	if !ok || !okO || err != nil || errS != nil || len(shape) != len(strides) {
		return nil, fmt.Errorf("its arguments are not a storage with an offset, a size and strides")
	}
	at := place{axes: len(shape), offset: offset}
	copy(at.shape[:], shape)
	copy(at.strides[:], strides)
	if t, known := s.views[at]; known {
		return t, nil
	}
	t, err := s.view(offset, shape, strides)
	if err != nil {
		return nil, err
	}
	s.views[at] = t
	return t, nil
}

// view rebuilds one tensor.
func (s *storage) view(offset int64, shape, strides []int64) (engine.Tensor, error) {
	var t engine.Tensor
	last, count := int64(0), int64(1)
	for i, n := range shape {
		if n < 0 || strides[i] < 0 || n > 0 && count > largest/n || n > 1 && strides[i] > largest/n {
			return t, fmt.Errorf("a tensor of size %v and strides %v cannot be", shape, strides)
		}
		count *= n
		last += max(0, n-1) * strides[i]
	}
	if count > int64(s.length()) {
		return t, fmt.Errorf("a tensor of size %v of a storage of %d elements: expanded ones are not read", shape, s.length())
	}
	if offset < 0 || count > 0 && offset >= int64(s.length())-last {
		return t, fmt.Errorf("a tensor of size %v, strides %v from element %d on reaches beyond its storage of %d elements", shape, strides, offset, s.length())
	}
	if s.viewed += count; s.viewed > overlap*int64(s.length()) {
		return t, fmt.Errorf("its tensors show one storage of %d elements more than %d times over", s.length(), overlap)
	}
	t = engine.Tensor{Shape: make([]int, len(shape)), Data: make([]float32, count)}
	for i, n := range shape {
		t.Shape[i] = int(n)
	}
	straight := isStraight(shape, strides)
	for i := range t.Data {
		at, rest := offset+int64(i), int64(i)
		if !straight {
			at = offset
			for axis := len(shape) - 1; axis >= 0; axis-- {
				at += rest % shape[axis] * strides[axis]
				rest /= shape[axis]
			}
		}
		t.Data[i] = float32(s.value(s.data[int(at)*s.size:]))
	}
	return t, nil
}

// isStraight says whether a view's elements lie one behind the other in C order, as
// those of all parameters do.
func isStraight(shape, strides []int64) bool {
	next := int64(1)
	for axis := len(shape) - 1; axis >= 0; axis-- {
		if shape[axis] > 1 && strides[axis] != next {
			return false
		}
		next *= shape[axis]
	}
	return true
}

func integers(v any) ([]int64, error) {
	list, ok := v.(pickle.Tuple)
	if !ok {
		return nil, fmt.Errorf("%s where a tuple of integers is needed", pickle.Kind(v))
	}
	if len(list) > axes {
		return nil, fmt.Errorf("a tuple of %d integers: tensors of more than %d axes are not read", len(list), axes)
	}
	out := make([]int64, len(list))
	for i, x := range list {
		if out[i], ok = x.(int64); !ok {
			return nil, fmt.Errorf("%s among integers", pickle.Kind(x))
		}
	}
	return out, nil
}
