// Package pickle reads and writes Python's pickles as plain values. It is no
// Python: nothing in a pickle is ever executed. A name that a pickle refers to is
// looked up among those that the caller allows, and any other is an error.
//
// None, booleans, integers, floats, text, bytes, lists, tuples and dictionaries
// become nil, bool, int64, float64, string, []byte, *List, Tuple and *Dict;
// integers beyond 64 bits are refused.
package pickle

import "fmt"

// List is a Python list.
type List struct{ Items []any }

// Tuple is a Python tuple.
type Tuple []any

// Dict is a Python dictionary, in its order. Keys may repeat, as in a pickle that
// sets one twice: the last counts.
type Dict struct {
	Keys   []any
	Values []any
}

// Set adds an entry.
func (d *Dict) Set(key, value any) {
	d.Keys, d.Values = append(d.Keys, key), append(d.Values, value)
}

// Get finds the value of a text key.
func (d *Dict) Get(key string) (any, bool) {
	for i := len(d.Keys) - 1; i >= 0; i-- {
		if k, ok := d.Keys[i].(string); ok && k == key {
			return d.Values[i], true
		}
	}
	return nil, false
}

// Global is a name that a pickle refers to: a function or class of a module.
type Global struct{ Module, Name string }

// String is for people: cut short, and without what a terminal would obey.
func (g Global) String() string { return fmt.Sprintf("%.60q", g.Module+"."+g.Name) }

// Kind names the kind of a value, by Python's word. Errors say this much of what a
// file holds: the value itself may be endless.
func Kind(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64:
		return "an int"
	case float64:
		return "a float"
	case string:
		return "a str"
	case []byte:
		return "bytes"
	case *List:
		return "a list"
	case Tuple:
		return "a tuple"
	case *Dict:
		return "a dict"
	case Global:
		return "a function or class"
	}
	return "an object"
}

// Builder is what an allowed function or class does with its arguments.
type Builder func(args Tuple) (any, error)

// Stateful values take the state that a pickle gives them after they were made.
type Stateful interface{ SetState(state any) error }

// SetState passes over a dictionary's attributes, which are not its entries.
func (d *Dict) SetState(any) error { return nil }

// Call is a call of a global, for writing.
type Call struct {
	Global Global
	Args   Tuple
}

// Reference is an object that lies outside of the pickle, for writing.
type Reference struct{ ID Tuple }

// Limits of what is read.
const (
	deepest = 1000    // nesting of values
	longest = 1 << 31 // bytes of one text
)

// Error is a pickle that cannot be read, at a byte of it.
type Error struct {
	Offset int
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("pickle, byte %d: %s", e.Offset, e.Reason) }
