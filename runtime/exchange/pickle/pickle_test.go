package pickle

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// every is a value of every kind.
func every() any {
	d := &Dict{}
	d.Set("name", "Größe")
	d.Set(int64(7), Tuple{nil, true, false, int64(-1), int64(1) << 40, math.Pi})
	d.Set("list", &List{[]any{int64(255), int64(65535), &Dict{}, Tuple{}}})
	return d
}

func TestRoundTrip(t *testing.T) {
	text, err := Write(every())
	if err != nil {
		t.Fatal(err)
	}
	got, err := Reader{}.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(every(), got); d != "" {
		t.Error(d)
	}
}

// TestPython reads what Python's pickle.dumps gave of {'a': [1, 2.5, None],
// 'b': (True, b'xy', 'é')} in protocols 2 and 4.
func TestPython(t *testing.T) {
	want := &Dict{}
	want.Set("a", &List{[]any{int64(1), 2.5, nil}})
	want.Set("b", Tuple{true, []byte("xy"), "é"})
	for name, text := range map[string]string{
		"4": "\x80\x04\x953\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01G@\x04\x00\x00\x00\x00\x00\x00Ne\x8c\x01b\x94\x88C\x02xy\x94\x8c\x02\xc3\xa9\x94\x87\x94u.",
		"3": "\x80\x03}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01G@\x04\x00\x00\x00\x00\x00\x00NeX\x01\x00\x00\x00bq\x03\x88C\x02xyq\x04X\x02\x00\x00\x00\xc3\xa9q\x05\x87q\x06u.",
	} {
		got, err := Reader{}.Read([]byte(text))
		if err != nil {
			t.Errorf("protocol %s: %v", name, err)
		} else if d := cmp.Diff(any(want), got); d != "" {
			t.Errorf("protocol %s: %s", name, d)
		}
	}
}

// TestMalice wants an error for pickles that would run code in Python, and for
// broken ones; never a call, never a panic.
func TestMalice(t *testing.T) {
	called := false
	r := Reader{Globals: map[Global]Builder{{"good", "one"}: func(Tuple) (any, error) { called = true; return nil, nil }}}
	for name, c := range map[string]struct{ text, want string }{
		"os.system":    {"cos\nsystem\n(X\x02\x00\x00\x00lstR.", "os.system"},
		"eval":         {"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.", "builtins.eval"},
		"build":        {"cgood\none\n}b.", "takes no state"},
		"inst":         {"(cgood\none\nios\nsystem\n.", "not for plain data"},
		"extension":    {"\x82\x01.", "not for plain data"},
		"empty":        {"", "ends in the middle"},
		"short text":   {"X\xff\xff\xff\x7fab.", "ends in the middle"},
		"no value":     {".", "stack is empty"},
		"no mark":      {"t.", "mark is missing"},
		"recall":       {"h\x05.", "has not kept"},
		"odd":          {"}(K\x01u.", "no value"},
		"wrong target": {"K\x01K\x02a.", "added to"},
		"self":         {"]q\x00h\x00a.", "contain themselves"},
		"outside":      {"K\x01Q.", "outside"},
		"huge":         {"\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01.", "too large"},
		"no integer":   {"I\x1b[2J" + strings.Repeat("1", 1000) + "\n.", "is no number"},
		"no float":     {"Fx\n.", "is no number"},
		"long name":    {"c" + strings.Repeat("\x1b", 1000) + "\nx\n.", "not allowed"},
		"newer":        {"\x80\x09N.", "newer"},
	} {
		_, err := r.Read([]byte(c.text))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		} else if len(err.Error()) > 400 || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: its error repeats what the file says: %q", name, err)
		}
	}
	// Ten lists of the one before, fifty times over: shared, not large.
	bomb := "]q\x00" + strings.Repeat("0](h\x00h\x00h\x00h\x00eq\x00", 50) + "."
	if _, err := r.Read([]byte(bomb)); err != nil {
		t.Errorf("a value that shares its parts: %v", err)
	}
	if called {
		t.Error("a builder was called without being asked for")
	}
}

func FuzzRead(f *testing.F) {
	text, err := Write(every())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("\x80\x02]q\x00(h\x00h\x00e."))
	f.Add([]byte("cgood\none\n)R}b."))
	f.Add([]byte("cgood\none\nNq\x00h\x00\x86q\x00h\x00\x86q\x00h\x00\x86R."))
	f.Add([]byte("(I1\nI2\nL3L\nF4\nI01\nl."))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := Reader{Globals: map[Global]Builder{{"good", "one"}: func(Tuple) (any, error) { return &Dict{}, nil }}}
		r.Read(text) // any error, no panic
	})
}
