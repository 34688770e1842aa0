package xla

import (
	"fmt"
	"strings"
)

// take takes rows of a table (V, C), or elements of a list, at indices of any
// shape; the rows' axis comes last.
func (e *emitter) take(table, indices value) value {
	shape, offset, sizes := indices.shape, "[]", "1"
	if len(table.shape) == 2 {
		shape = append(append([]int{}, shape...), table.shape[1])
		offset, sizes = list([]int{len(indices.shape)}), fmt.Sprintf("1, %d", table.shape[1])
	}
	return e.emit(table.kind, shape, `"stablehlo.gather"(%s, %s) <{dimension_numbers = #stablehlo.gather<offset_dims = %s, collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = %d>, slice_sizes = array<i64: %s>}> : (%s, %s) -> %s`,
		table.name, indices.name, offset, len(indices.shape), sizes, table.typ(), indices.typ(), tensor(table.kind, shape))
}

// boxes takes a box of the given sizes from a at each of the starts (N, R), which
// are of its first R axes: (N, sizes…).
func (e *emitter) boxes(a, starts value, sizes []int) value {
	axes := make([]int, len(sizes))
	for i := range axes {
		axes[i] = i + 1
	}
	var each []string
	for _, n := range sizes {
		each = append(each, fmt.Sprint(n))
	}
	mapped := make([]int, starts.shape[1])
	for i := range mapped {
		mapped[i] = i
	}
	shape := append([]int{starts.shape[0]}, sizes...)
	return e.emit(a.kind, shape, `"stablehlo.gather"(%s, %s) <{dimension_numbers = #stablehlo.gather<offset_dims = %s, start_index_map = %s, index_vector_dim = 1>, slice_sizes = array<i64: %s>}> : (%s, %s) -> %s`,
		a.name, starts.name, list(axes), list(mapped), strings.Join(each, ", "), a.typ(), starts.typ(), tensor(a.kind, shape))
}

// integers is a list of constants.
func (e *emitter) integers(xs []int) value {
	var parts []string
	for _, x := range xs {
		parts = append(parts, fmt.Sprint(x))
	}
	shape := []int{len(xs)}
	return e.emit(i32, shape, "stablehlo.constant dense<[%s]> : %s", strings.Join(parts, ", "), tensor(i32, shape))
}

// both is a and b.
func (e *emitter) both(a, b value) value { return e.binary("and", a, b) }

// rounded rounds to half precision, in float32.
func (e *emitter) rounded(a value) value {
	return e.emit(a.kind, a.shape, "stablehlo.reduce_precision %s, format = e5m10 : %s", a.name, a.typ())
}

// bits reads an integer's bits as an unsigned one's.
func (e *emitter) bits(a value) value {
	return e.emit(u32, a.shape, "stablehlo.bitcast_convert %s : (%s) -> %s", a.name, a.typ(), tensor(u32, a.shape))
}
