package diag

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func at(line, from, to int) Range {
	return Range{File: "a.cue", Start: Position{line, from}, End: Position{line, to}}
}

func TestWrite(t *testing.T) {
	ds := Diagnostics{
		{Error, OutOfBounds, "Out of bounds", "Lower it.", at(7, 7, 10), "\tmax:\t1e9"},
		{Warning, Duplicate, "Repeated", "", at(12, 10, 0), `name: "ä", x: 1`},
		{Error, Unreadable, "Spec can't be read", "No such file.", Range{File: "b.cue"}, ""},
		{Error, Syntax, "Syntax error", "End.", at(1, 40, 50), "short"},
	}
	want := `error: Out of bounds [out-of-bounds]
  --> a.cue:7:7
  |
7 | 	max:	1e9
  | 	    	^^^
Lower it.

warning: Repeated [duplicate]
  --> a.cue:12:10
   |
12 | name: "ä", x: 1
   |         ^

error: Spec can't be read [unreadable]
  --> b.cue
No such file.

error: Syntax error [syntax]
  --> a.cue:1:40
  |
1 | short
  |      ^
End.
`
	var b strings.Builder
	if err := Write(&b, ds, false); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("colour without being asked")
	}
	b.Reset()
	if err := Write(&b, ds[:1], true); err != nil || !strings.Contains(b.String(), red+"error:"+plain) || !strings.Contains(b.String(), red+"\t") {
		t.Errorf("no colour: %q %v", b.String(), err)
	}
}

// TestWriteIsHarmless keeps a spec's text from steering the terminal.
func TestWriteIsHarmless(t *testing.T) {
	var b strings.Builder
	if err := Write(&b, Diagnostics{{Error, Syntax, "s", "d\x1b[2J", at(1, 1, 2), "a\x1b]0;x\a\tb"}}, false); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.ContainsAny(s, "\x1b\a") || !strings.Contains(s, "a\uFFFD]0;x\uFFFD\tb") {
		t.Errorf("%q", s)
	}
}

func TestSort(t *testing.T) {
	a := Diagnostic{Error, Syntax, "s", "d", at(2, 1, 2), ""}
	b := Diagnostic{Error, Syntax, "s", "d", at(10, 1, 2), ""}
	c := Diagnostic{Error, Conflict, "s", "d", at(10, 1, 2), ""}
	have := Diagnostics{b, a, c, a}.Sort()
	if d := cmp.Diff(Diagnostics{a, c, b}, have); d != "" {
		t.Error(d)
	}
}

func TestSuggest(t *testing.T) {
	names := []string{"optimizer", "momentum", "initial_lr", "clip", "Task01_BrainTumour"}
	for given, want := range map[string]string{
		"optimiser": "optimizer", "inital_lr": "initial_lr", "clpi": "clip", "Momentum": "momentum",
		"Task01": "Task01_BrainTumour", "learning_rate": "", "x": "", "": "",
	} {
		if have := Suggest(given, names); have != want {
			t.Errorf("%q: %q, want %q", given, have, want)
		}
	}
	if have := DidYouMean("clip", names); have != "" {
		t.Error(have)
	}
}
