package space

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"runspec/compiler/grammar"
)

// Value is a parameter's value: a number, a string or a truth value. It is
// comparable and stands in JSON as itself.
type Value struct {
	kind rune // 'n', 's', 'b'; 0: no value
	num  float64
	str  string
}

// Number makes a numeric value.
func Number(v float64) Value { return Value{kind: 'n', num: v} }

// Text makes a text value.
func Text(s string) Value { return Value{kind: 's', str: s} }

// Truth makes a truth value.
func Truth(b bool) Value {
	if b {
		return Value{kind: 'b', num: 1}
	}
	return Value{kind: 'b'}
}

// Float returns a number's value, and whether v is one.
func (v Value) Float() (float64, bool) { return v.num, v.kind == 'n' }

// Text returns a text's value, and whether v is one.
func (v Value) Text() (string, bool) { return v.str, v.kind == 's' }

// Bool returns a truth value, and whether v is one.
func (v Value) Bool() (bool, bool) { return v.num == 1, v.kind == 'b' }

// String prints the value as a person would write it.
func (v Value) String() string {
	switch v.kind {
	case 'n':
		return strconv.FormatFloat(v.num, 'g', -1, 64)
	case 's':
		return v.str
	case 'b':
		return strconv.FormatBool(v.num == 1)
	}
	return "none"
}

// Lines is String for a person to read: a derivation, which may be long, broken
// as grammar.Derivation breaks it.
func (v Value) Lines() []string {
	if d, err := grammar.ParseTree(v.str); err == nil && len(d.Children) > 0 {
		return d.Lines()
	}
	return []string{v.String()}
}

// MarshalJSON writes the value as itself.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case 'n':
		if math.IsNaN(v.num) || math.IsInf(v.num, 0) {
			return nil, fmt.Errorf("%v is not a value of a parameter", v.num)
		}
		return json.Marshal(v.num)
	case 's':
		return json.Marshal(v.str)
	case 'b':
		return json.Marshal(v.num == 1)
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads a number, a string or a truth value.
func (v *Value) UnmarshalJSON(b []byte) error {
	var x any
	if err := json.Unmarshal(b, &x); err != nil {
		return err
	}
	switch x := x.(type) {
	case float64:
		*v = Number(x)
	case string:
		*v = Text(x)
	case bool:
		*v = Truth(x)
	case nil:
		*v = Value{}
	default:
		return fmt.Errorf("a value is a number, a text or true/false, not %s", b)
	}
	return nil
}

// Configuration is one point of a Space: the values of its active parameters.
type Configuration map[string]Value
