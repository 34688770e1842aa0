package pickle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// Write gives a value as a pickle of protocol 2, which every Python 3 reads.
// Besides what Read gives it takes int, Call and Reference.
func Write(v any) ([]byte, error) {
	w := &writer{}
	w.WriteString("\x80\x02")
	if err := w.value(v, 0); err != nil {
		return nil, fmt.Errorf("pickle: %w", err)
	}
	w.WriteByte(stop)
	return w.Bytes(), nil
}

type writer struct{ bytes.Buffer }

func (w *writer) value(v any, depth int) error {
	if depth > deepest {
		return fmt.Errorf("values are nested more than %d deep", deepest)
	}
	switch v := v.(type) {
	case nil:
		w.WriteByte('N')
	case bool:
		w.WriteByte(map[bool]byte{true: 0x88, false: 0x89}[v])
	case int:
		w.integer(int64(v))
	case int64:
		w.integer(v)
	case float64:
		w.WriteByte('G')
		w.Write(binary.BigEndian.AppendUint64(nil, math.Float64bits(v)))
	case string:
		w.WriteByte('X')
		w.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(v))))
		w.WriteString(v)
	case Global:
		fmt.Fprintf(w, "c%s\n%s\n", v.Module, v.Name)
	case Reference:
		err := w.value(v.ID, depth+1)
		w.WriteByte('Q')
		return err
	case Call:
		if err := w.value(v.Global, depth+1); err != nil {
			return err
		}
		err := w.value(v.Args, depth+1)
		w.WriteByte('R')
		return err
	default:
		return w.container(v, depth)
	}
	return nil
}

func (w *writer) container(v any, depth int) error {
	switch v := v.(type) {
	case Tuple:
		return w.items("(", v, "t", depth)
	case *List:
		return w.items("](", v.Items, "e", depth)
	case *Dict:
		var items []any
		for i, k := range v.Keys {
			items = append(items, k, v.Values[i])
		}
		return w.items("}(", items, "u", depth)
	}
	return fmt.Errorf("a %T cannot be written", v)
}

func (w *writer) items(before string, items []any, after string, depth int) error {
	w.WriteString(before)
	for _, x := range items {
		if err := w.value(x, depth+1); err != nil {
			return err
		}
	}
	w.WriteString(after)
	return nil
}

func (w *writer) integer(v int64) {
	if v == int64(int32(v)) {
		w.WriteByte('J')
		w.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
		return
	}
	w.WriteString("\x8a\x08")
	w.Write(binary.LittleEndian.AppendUint64(nil, uint64(v)))
}
