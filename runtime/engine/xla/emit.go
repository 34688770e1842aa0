package xla

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"runspec/runtime/engine"
)

// kind is an element type, as StableHLO writes it.
type kind string

// The element types that programs use.
const (
	f32     kind = "f32"
	f64     kind = "f64"
	bf16    kind = "bf16"
	i16     kind = "i16"
	f16     kind = "f16"
	i32     kind = "i32"
	u32     kind = "ui32"
	boolean kind = "i1"
)

// value is an SSA value of the program under construction.
type value struct {
	name  string
	shape []int
	kind  kind
}

// tensor is a type's text.
func tensor(k kind, shape []int) string {
	var b strings.Builder
	b.WriteString("tensor<")
	for _, n := range shape {
		fmt.Fprintf(&b, "%dx", n)
	}
	return b.String() + string(k) + ">"
}

func (v value) typ() string { return tensor(v.kind, v.shape) }

// emitter writes one function's operations, each a line.
type emitter struct {
	text strings.Builder
	next int
}

// emit writes an operation with one result: text is everything between "=" and
// the end of the line.
func (e *emitter) emit(k kind, shape []int, format string, args ...any) value {
	v := value{name: "%v" + strconv.Itoa(e.next), shape: shape, kind: k}
	e.next++
	fmt.Fprintf(&e.text, "    %s = %s\n", v.name, fmt.Sprintf(format, args...))
	return v
}

// unary and binary are elementwise operations without attributes.
func (e *emitter) unary(op string, a value) value {
	return e.emit(a.kind, a.shape, "stablehlo.%s %s : %s", op, a.name, a.typ())
}

func (e *emitter) binary(op string, a, b value) value {
	return e.emit(a.kind, a.shape, "stablehlo.%s %s, %s : %s", op, a.name, b.name, a.typ())
}

func (e *emitter) add(a, b value) value { return e.binary("add", a, b) }
func (e *emitter) sub(a, b value) value { return e.binary("subtract", a, b) }
func (e *emitter) mul(a, b value) value { return e.binary("multiply", a, b) }
func (e *emitter) div(a, b value) value { return e.binary("divide", a, b) }

// barriers are values that XLA takes for others than these: what is computed
// from the ones is not kept in memory for what is computed from the others.
func (e *emitter) barriers(values ...value) []value {
	var names, types []string
	for _, v := range values {
		names, types = append(names, v.name), append(types, v.typ())
	}
	all := fmt.Sprintf("%%v%d", e.next)
	e.next++
	fmt.Fprintf(&e.text, "    %s:%d = stablehlo.optimization_barrier %s : %s\n", all, len(values), strings.Join(names, ", "), strings.Join(types, ", "))
	out := append([]value{}, values...)
	for i := range out {
		out[i].name = fmt.Sprintf("%s#%d", all, i)
	}
	return out
}

// constant is a tensor of one number.
func (e *emitter) constant(x float64, k kind, shape []int) value {
	text := strconv.FormatFloat(x, 'e', 17, 64)
	if k == i32 || k == u32 {
		text = strconv.FormatInt(int64(x), 10)
	}
	return e.emit(k, shape, "stablehlo.constant dense<%s> : %s", text, tensor(k, shape))
}

func (e *emitter) like(x float64, a value) value { return e.constant(x, a.kind, a.shape) }

// scaled is a times a number.
func (e *emitter) scaled(a value, x float64) value { return e.mul(a, e.like(x, a)) }

// convert changes the element type.
func (e *emitter) convert(a value, k kind) value {
	if a.kind == k {
		return a
	}
	return e.emit(k, a.shape, "stablehlo.convert %s : (%s) -> %s", a.name, a.typ(), tensor(k, a.shape))
}

// broadcast lays the axes of a along the named axes of a shape.
func (e *emitter) broadcast(a value, shape []int, axes ...int) value {
	return e.emit(a.kind, shape, "stablehlo.broadcast_in_dim %s, dims = %s : (%s) -> %s", a.name, list(axes), a.typ(), tensor(a.kind, shape))
}

func (e *emitter) reshape(a value, shape ...int) value {
	return e.emit(a.kind, shape, "stablehlo.reshape %s : (%s) -> %s", a.name, a.typ(), tensor(a.kind, shape))
}

// reduce folds axes with "add", "maximum" or "minimum", from init.
func (e *emitter) reduce(op string, a value, init float64, axes ...int) value {
	var shape []int
	for i, n := range a.shape {
		if !slices.Contains(axes, i) {
			shape = append(shape, n)
		}
	}
	start := e.constant(init, a.kind, nil)
	return e.emit(a.kind, shape, "stablehlo.reduce(%s init: %s) applies stablehlo.%s across dimensions = %s : (%s, %s) -> %s",
		a.name, start.name, op, list(axes), a.typ(), start.typ(), tensor(a.kind, shape))
}

// sums sums values of one shape along the same axes, in one pass over them.
func (e *emitter) sums(values []value, axes ...int) []value {
	var shape []int
	for i, n := range values[0].shape {
		if !slices.Contains(axes, i) {
			shape = append(shape, n)
		}
	}
	k := values[0].kind
	zero, one, out := e.constant(0, k, nil), tensor(k, nil), tensor(k, shape)
	all := fmt.Sprintf("%%v%d", e.next)
	e.next++
	var in, types, starts, outs, pairs, adds, names []string
	var sums []value
	for i, v := range values {
		in = append(in, fmt.Sprintf("(%s init: %s)", v.name, zero.name))
		types, starts, outs = append(types, v.typ()), append(starts, one), append(outs, out)
		pairs = append(pairs, fmt.Sprintf("(%%p%d: %s, %%q%d: %s)", i, one, i, one))
		adds = append(adds, fmt.Sprintf("      %%r%d = stablehlo.add %%p%d, %%q%d : %s\n", i, i, i, one))
		names = append(names, fmt.Sprintf("%%r%d", i))
		sums = append(sums, value{name: fmt.Sprintf("%s#%d", all, i), shape: shape, kind: k})
	}
	fmt.Fprintf(&e.text, "    %s:%d = stablehlo.reduce%s across dimensions = %s : (%s) -> (%s)\n     reducer%s {\n%s      stablehlo.return %s : %s\n    }\n",
		all, len(values), strings.Join(in, ", "), list(axes), strings.Join(append(types, starts...), ", "), strings.Join(outs, ", "),
		strings.Join(pairs, " "), strings.Join(adds, ""), strings.Join(names, ", "), strings.Join(starts, ", "))
	return sums
}

func (e *emitter) sum(a value, axes ...int) value { return e.reduce("add", a, 0, axes...) }

// compare gives booleans: direction is EQ, GT, GE, …
func (e *emitter) compare(direction string, a, b value) value {
	numbers := "FLOAT"
	if a.kind == i32 {
		numbers = "SIGNED"
	}
	return e.emit(boolean, a.shape, "stablehlo.compare %s, %s, %s, %s : (%s, %s) -> %s",
		direction, a.name, b.name, numbers, a.typ(), b.typ(), tensor(boolean, a.shape))
}

// choose takes a where the condition holds, b elsewhere; a scalar condition
// holds for all.
func (e *emitter) choose(condition, a, b value) value {
	return e.emit(a.kind, a.shape, "stablehlo.select %s, %s, %s : %s, %s", condition.name, a.name, b.name, condition.typ(), a.typ())
}

// slice takes elements from..to of one axis.
func (e *emitter) slice(a value, axis, from, to int) value {
	shape := append([]int{}, a.shape...)
	shape[axis] = to - from
	var parts []string
	for i, n := range a.shape {
		if i == axis {
			parts = append(parts, fmt.Sprintf("%d:%d", from, to))
		} else {
			parts = append(parts, fmt.Sprintf("0:%d", n))
		}
	}
	return e.emit(a.kind, shape, "stablehlo.slice %s [%s] : (%s) -> %s", a.name, strings.Join(parts, ", "), a.typ(), tensor(a.kind, shape))
}

// at is one element of an axis, without that axis.
func (e *emitter) at(a value, axis, i int) value {
	s := e.slice(a, axis, i, i+1)
	return e.reshape(s, without(a.shape, axis)...)
}

// join puts values behind each other along an axis.
func (e *emitter) join(axis int, values ...value) value {
	shape := append([]int{}, values[0].shape...)
	shape[axis] = 0
	var names, types []string
	for _, v := range values {
		shape[axis] += v.shape[axis]
		names, types = append(names, v.name), append(types, v.typ())
	}
	return e.emit(values[0].kind, shape, "stablehlo.concatenate %s, dim = %d : (%s) -> %s",
		strings.Join(names, ", "), axis, strings.Join(types, ", "), tensor(values[0].kind, shape))
}

// numbers along an axis: 0, 1, 2, …
func (e *emitter) iota(k kind, axis int, shape []int) value {
	return e.emit(k, shape, "stablehlo.iota dim = %d : %s", axis, tensor(k, shape))
}

// list writes axes as MLIR does: [0, 1].
func list(xs []int) string {
	var parts []string
	for _, x := range xs {
		parts = append(parts, strconv.Itoa(x))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// voxels counts the voxels of (N, D, H, W, C) that share one row of R moments.
func voxels(shape []int, rows int) float64 {
	return float64(engine.Size(shape[:4])) / float64(rows)
}

// window takes a box of the given sizes that begins at the given scalars.
func (e *emitter) window(a value, sizes []int, starts ...value) value {
	names, types := operands(starts)
	return e.emit(a.kind, sizes, "stablehlo.dynamic_slice %s, %s, sizes = %s : (%s, %s) -> %s",
		a.name, names, list(sizes), a.typ(), types, tensor(a.kind, sizes))
}

// place puts a box into a at the given scalars.
func (e *emitter) place(a, box value, starts ...value) value {
	names, types := operands(starts)
	return e.emit(a.kind, a.shape, "stablehlo.dynamic_update_slice %s, %s, %s : (%s, %s, %s) -> %s",
		a.name, box.name, names, a.typ(), box.typ(), types, a.typ())
}

func operands(values []value) (names, types string) {
	var n, t []string
	for _, v := range values {
		n, t = append(n, v.name), append(t, v.typ())
	}
	return strings.Join(n, ", "), strings.Join(t, ", ")
}

// reverse turns an axis round.
func (e *emitter) reverse(a value, axis int) value {
	return e.emit(a.kind, a.shape, "stablehlo.reverse %s, dims = %s : %s", a.name, list([]int{axis}), a.typ())
}
