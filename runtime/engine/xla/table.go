package xla

import (
	"iter"

	"runspec/runtime/engine/xla/pjrt"
)

// assemble makes a table (whole, columns) on the device, or a list where columns
// is 0, rows at a time; behind the values it is zero.
func assemble[T float32 | int16](e *Executor, k kind, whole, rows, columns int, values iter.Seq[T]) (*pjrt.Buffer, error) {
	t := &table[T]{Executor: e, rows: rows, columns: columns, portion: make([]T, 0, rows*max(1, columns))}
	empty, err := e.compiler.compile(lowerEmpty(k, t.shape(whole)))
	if err != nil {
		return nil, err
	}
	defer empty.Close()
	if t.put, err = e.compiler.compile(lowerPut(k, t.shape(whole), t.shape(rows))); err != nil {
		return nil, err
	}
	defer t.put.Close()
	out, err := empty.Run(nil)
	if err != nil {
		return nil, err
	}
	t.on = out[0]
	for v := range values {
		if err := t.add(v); err != nil {
			return t.on, err
		}
	}
	err = t.flush()
	return t.on, err
}

// table is one that is being filled.
type table[T float32 | int16] struct {
	*Executor
	rows, columns int // of a portion
	put           *pjrt.Executable
	on            *pjrt.Buffer
	at            int // rows that are there
	portion       []T // of the next rows
}

func (t *table[T]) shape(rows int) []int {
	if t.columns == 0 {
		return []int{rows}
	}
	return []int{rows, t.columns}
}

func (t *table[T]) add(v T) error {
	if t.portion = append(t.portion, v); len(t.portion) < cap(t.portion) {
		return nil
	}
	return t.flush()
}

// flush puts the portion into its place, with zeros behind the values.
func (t *table[T]) flush() error {
	if len(t.portion) == 0 {
		return nil
	}
	clear(t.portion[len(t.portion):cap(t.portion)])
	up, err := pjrt.Upload(t.client, t.device, t.portion[:cap(t.portion)], t.shape(t.rows)...)
	if err != nil {
		return err
	}
	defer up.Close()
	start, err := pjrt.Upload(t.client, t.device, []int32{int32(t.at)}, 1)
	if err != nil {
		return err
	}
	defer start.Close()
	out, err := t.put.Run([]*pjrt.Buffer{t.on, up, start})
	if err != nil {
		return err
	}
	t.on.Close()
	t.on, t.at, t.portion = out[0], t.at+t.rows, t.portion[:0]
	return nil
}

// lowerEmpty is a table of zeros, lowerPut writes a portion into it.
func lowerEmpty(k kind, shape []int) string {
	l := &lowering{emitter: &emitter{}}
	return l.module("empty", l.convert(l.constant(0, i32, shape), k))
}

func lowerPut(k kind, shape, portion []int) string {
	l := &lowering{emitter: &emitter{}}
	table, rows, at := l.argument(k, shape), l.argument(k, portion), l.argument(i32, []int{1})
	starts := []value{l.reshape(at)}
	for range shape[1:] {
		starts = append(starts, l.constant(0, i32, nil))
	}
	l.give(table, l.place(table, rows, starts...))
	return l.module("put", l.results...)
}
