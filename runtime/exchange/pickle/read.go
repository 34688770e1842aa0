package pickle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Reader says what a pickle may refer to.
type Reader struct {
	Globals map[Global]Builder
	// Outside gives the object that a persistent identifier stands for; nil: such
	// identifiers are refused.
	Outside func(id any) (any, error)
}

// Read reads one pickle, of protocol 0 to 5 as far as plain data need it.
func (r Reader) Read(data []byte) (any, error) {
	m := &machine{Reader: r, data: data, memo: map[uint64]any{}}
	v, err := m.run()
	if err != nil {
		return nil, &Error{Offset: m.last, Reason: err.Error()}
	}
	if err := shallow(v, 0, map[any]bool{}); err != nil {
		return nil, &Error{Offset: len(data), Reason: err.Error()}
	}
	return v, nil
}

// shallow refuses values that are nested too deeply, or contain themselves. Each
// is looked at once, however often it is shared; done holds those that are well,
// and false for those that are being looked at.
func shallow(v any, depth int, done map[any]bool) error {
	var identity any
	var inner [][]any
	switch v := v.(type) {
	case *List:
		identity, inner = v, [][]any{v.Items}
	case *Dict:
		identity, inner = v, [][]any{v.Keys, v.Values}
	case Tuple:
		if len(v) > 0 {
			identity, inner = &v[0], [][]any{v}
		}
	}
	if identity == nil || done[identity] {
		return nil
	}
	if _, open := done[identity]; open || depth > deepest {
		return fmt.Errorf("values are nested more than %d deep, or contain themselves", deepest)
	}
	done[identity] = false
	for _, list := range inner {
		for _, x := range list {
			if err := shallow(x, depth+1, done); err != nil {
				return err
			}
		}
	}
	done[identity] = true
	return nil
}

// mark parts the stack.
type mark struct{}

// machine is the pickle machine: a stack, and a memo of what may come again.
type machine struct {
	Reader
	data  []byte
	at    int
	last  int // where the current operation begins
	stack []any
	memo  map[uint64]any
}

var errShort = fmt.Errorf("it ends in the middle")

func (m *machine) take(n uint64) ([]byte, error) {
	if n > longest || uint64(len(m.data)-m.at) < n {
		return nil, errShort
	}
	b := m.data[m.at : m.at+int(n)]
	m.at += int(n)
	return b, nil
}

// number is an unsigned integer of n bytes, little end first.
func (m *machine) number(n int) (uint64, error) {
	b, err := m.take(uint64(n))
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	return binary.LittleEndian.Uint64(wide[:]), nil
}

// sized is bytes behind their length, a number of n bytes.
func (m *machine) sized(n int) ([]byte, error) {
	length, err := m.number(n)
	if err != nil {
		return nil, err
	}
	return m.take(length)
}

func (m *machine) line() (string, error) {
	end := bytes.IndexByte(m.data[m.at:], '\n')
	if end < 0 {
		return "", errShort
	}
	text := string(m.data[m.at : m.at+end])
	m.at += end + 1
	return text, nil
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

func (m *machine) pop() (any, error) {
	if len(m.stack) == 0 {
		return nil, fmt.Errorf("its stack is empty where a value is needed")
	}
	v := m.stack[len(m.stack)-1]
	if _, is := v.(mark); is {
		return nil, fmt.Errorf("it has a mark where a value is needed")
	}
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// top is the value that an operation changes in place.
func (m *machine) top() (any, error) {
	v, err := m.pop()
	if err == nil {
		m.push(v)
	}
	return v, err
}

// marked takes everything down to the last mark.
func (m *machine) marked() ([]any, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, is := m.stack[i].(mark); is {
			items := append([]any{}, m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return items, nil
		}
	}
	return nil, fmt.Errorf("a mark is missing")
}

func (m *machine) run() (any, error) {
	for {
		m.last = m.at
		code, err := m.number(1)
		if err != nil {
			return nil, err
		}
		if code == stop {
			return m.pop()
		}
		if err := m.step(byte(code)); err != nil {
			return nil, err
		}
	}
}

const stop = '.'

// step carries out one operation, by the letters of Python's pickletools.
func (m *machine) step(code byte) error {
	for _, family := range []func(byte) (bool, error){m.scalar, m.text, m.container, m.memory, m.object} {
		if known, err := family(code); known || err != nil {
			return err
		}
	}
	return fmt.Errorf("operation %#x is not for plain data", code)
}

// integer pushes an integer of n bytes; signed ones are widened.
func (m *machine) integer(n int, signed bool) error {
	v, err := m.number(n)
	if err != nil {
		return err
	}
	if shift := 64 - 8*n; signed {
		m.push(int64(v<<shift) >> shift)
	} else {
		m.push(int64(v))
	}
	return nil
}

func (m *machine) scalar(code byte) (bool, error) {
	switch code {
	case 0x80: // PROTO
		v, err := m.number(1)
		if err == nil && v > 5 {
			err = fmt.Errorf("protocol %d is newer than 5", v)
		}
		return true, err
	case 0x95: // FRAME
		_, err := m.number(8)
		return true, err
	case 'N':
		m.push(nil)
	case 0x88:
		m.push(true)
	case 0x89:
		m.push(false)
	case 'K':
		return true, m.integer(1, false)
	case 'M':
		return true, m.integer(2, false)
	case 'J':
		return true, m.integer(4, true)
	case 0x8a: // LONG1
		return true, m.long()
	case 'G':
		b, err := m.take(8)
		if err == nil {
			m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
		return true, err
	case 'I', 'L', 'F':
		return true, m.written(code)
	default:
		return false, nil
	}
	return true, nil
}

// long pushes an integer of as many bytes as it says.
func (m *machine) long() error {
	n, err := m.number(1)
	if err != nil {
		return err
	}
	if n > 8 {
		return fmt.Errorf("an integer of %d bytes is too large", n)
	}
	if n == 0 {
		m.push(int64(0))
		return nil
	}
	return m.integer(int(n), true)
}

// written pushes a number of protocol 0, which is a line of text.
func (m *machine) written(code byte) error {
	text, err := m.line()
	if err != nil {
		return err
	}
	if code == 'F' {
		v, err := strconv.ParseFloat(text, 64)
		m.push(v)
		return noNumber(text, err)
	}
	if code == 'I' && (text == "00" || text == "01") {
		m.push(text == "01")
		return nil
	}
	v, err := strconv.ParseInt(strings.TrimSuffix(text, "L"), 10, 64)
	m.push(v)
	return noNumber(text, err)
}

func noNumber(text string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%.40q is no number, or too large", text)
}

func (m *machine) text(code byte) (bool, error) {
	length := map[byte]int{'X': 4, 0x8c: 1, 0x8d: 8, 'B': 4, 'C': 1, 0x8e: 8, 'T': 4, 'U': 1}[code]
	if length == 0 {
		return false, nil
	}
	b, err := m.sized(length)
	if err != nil {
		return true, err
	}
	switch code {
	case 'B', 'C', 0x8e:
		m.push(append([]byte{}, b...))
	default:
		m.push(string(b))
	}
	return true, nil
}

func (m *machine) container(code byte) (bool, error) {
	switch code {
	case '(':
		m.push(mark{})
	case ']':
		m.push(&List{})
	case '}':
		m.push(&Dict{})
	case ')':
		m.push(Tuple{})
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		n := int(code - 0x84)
		items := make(Tuple, n)
		for i := n - 1; i >= 0; i-- {
			var err error
			if items[i], err = m.pop(); err != nil {
				return true, err
			}
		}
		m.push(items)
	case 't', 'l':
		items, err := m.marked()
		if code == 't' {
			m.push(Tuple(items))
		} else {
			m.push(&List{items})
		}
		return true, err
	case 'd':
		items, err := m.marked()
		if err != nil {
			return true, err
		}
		d := &Dict{}
		m.push(d)
		return true, d.pairs(items)
	case 'a', 'e', 's', 'u':
		return true, m.extend(code)
	default:
		return false, nil
	}
	return true, nil
}

// extend adds one or many items to the list or dictionary below them.
func (m *machine) extend(code byte) error {
	var items []any
	var err error
	if code == 'e' || code == 'u' {
		items, err = m.marked()
	} else {
		n := map[byte]int{'a': 1, 's': 2}[code]
		items = make([]any, n)
		for i := n - 1; i >= 0 && err == nil; i-- {
			items[i], err = m.pop()
		}
	}
	if err != nil {
		return err
	}
	to, err := m.top()
	if err != nil {
		return err
	}
	switch to := to.(type) {
	case *List:
		if code == 'a' || code == 'e' {
			to.Items = append(to.Items, items...)
			return nil
		}
	case *Dict:
		if code == 's' || code == 'u' {
			return to.pairs(items)
		}
	}
	return fmt.Errorf("items are added to %s", Kind(to))
}

func (d *Dict) pairs(items []any) error {
	if len(items)%2 != 0 {
		return fmt.Errorf("a dictionary's last key has no value")
	}
	for i := 0; i < len(items); i += 2 {
		d.Set(items[i], items[i+1])
	}
	return nil
}

func (m *machine) memory(code byte) (bool, error) {
	var key uint64
	var err error
	switch code {
	case 'q', 'h':
		key, err = m.number(1)
	case 'r', 'j':
		key, err = m.number(4)
	case 0x94: // MEMOIZE
		key = uint64(len(m.memo))
	case '0', '2':
		v, err := m.pop()
		if err == nil && code == '2' {
			m.push(v)
			m.push(v)
		}
		return true, err
	case '1':
		_, err := m.marked()
		return true, err
	default:
		return false, nil
	}
	if err != nil {
		return true, err
	}
	if code != 'h' && code != 'j' {
		m.memo[key], err = m.top()
		return true, err
	}
	v, ok := m.memo[key]
	if !ok {
		return true, fmt.Errorf("it recalls value %d, which it has not kept", key)
	}
	m.push(v)
	return true, nil
}

func (m *machine) object(code byte) (bool, error) {
	switch code {
	case 'c':
		module, err := m.line()
		if err != nil {
			return true, err
		}
		name, err := m.line()
		if err != nil {
			return true, err
		}
		return true, m.global(module, name)
	case 0x93: // STACK_GLOBAL
		name, err := m.pop()
		if err != nil {
			return true, err
		}
		module, err := m.pop()
		if err != nil {
			return true, err
		}
		a, okA := module.(string)
		b, okB := name.(string)
		if !okA || !okB {
			return true, fmt.Errorf("a name is no text")
		}
		return true, m.global(a, b)
	case 'R', 0x81: // REDUCE, NEWOBJ
		return true, m.call()
	case 'b':
		state, err := m.pop()
		if err != nil {
			return true, err
		}
		v, err := m.top()
		if err != nil {
			return true, err
		}
		if s, ok := v.(Stateful); ok {
			return true, s.SetState(state)
		}
		return true, fmt.Errorf("%s takes no state", Kind(v))
	case 'Q':
		id, err := m.pop()
		if err != nil {
			return true, err
		}
		if m.Outside == nil {
			return true, fmt.Errorf("it refers to something outside of itself")
		}
		v, err := m.Outside(id)
		m.push(v)
		return true, err
	}
	return false, nil
}

// global pushes an allowed name; what it does is decided when it is called.
func (m *machine) global(module, name string) error {
	g := Global{module, name}
	if _, ok := m.Globals[g]; !ok {
		return fmt.Errorf("it refers to %s, which is not allowed: it may be code, and none is ever run", g)
	}
	m.push(g)
	return nil
}

func (m *machine) call() error {
	args, err := m.pop()
	if err != nil {
		return err
	}
	f, err := m.pop()
	if err != nil {
		return err
	}
	g, okG := f.(Global)
	list, okL := args.(Tuple)
	if !okG || !okL {
		return fmt.Errorf("%s is called with %s", Kind(f), Kind(args))
	}
	build := m.Globals[g]
	if build == nil {
		return fmt.Errorf("%s is no function", g)
	}
	v, err := build(list)
	if err != nil {
		return fmt.Errorf("%s: %w", g, err)
	}
	m.push(v)
	return nil
}
