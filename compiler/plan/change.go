package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteChanges prints changes for a person: + added, - removed, ~ changed,
// old → new, and what each means for trials that a run has.
func WriteChanges(w io.Writer, changes []Change) error {
	width := 0
	for _, c := range changes {
		width = max(width, len(c.Path))
	}
	var b strings.Builder
	for _, c := range changes {
		line := fmt.Sprintf("  %s %-*s  %s", c.Kind.sign(), width, c.Path, c.values())
		b.WriteString(strings.TrimRight(line, " "))
		if c.Class != "" {
			fmt.Fprintf(&b, "  # %s", c.Class)
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (k ChangeKind) sign() string {
	return map[ChangeKind]string{Added: "+", Removed: "-", Changed: "~"}[k]
}

// longest is how much of a value a line shows.
const longest = 60

func (c Change) values() string {
	switch c.Kind {
	case Added:
		return short(c.New)
	case Removed:
		return short(c.Old)
	}
	return short(c.Old) + " → " + short(c.New)
}

// short shows a scalar or a short list; of an object no more than that it is one.
func short(value json.RawMessage) string {
	if len(value) > 0 && value[0] == '{' {
		return "{…}"
	}
	s := strings.ReplaceAll(string(value), ",", ", ")
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest-1]) + "…"
	}
	return s
}

// Summary counts changes: "2 changed, 1 added".
func Summary(changes []Change) string {
	n := map[ChangeKind]int{}
	for _, c := range changes {
		n[c.Kind]++
	}
	var parts []string
	for _, k := range []ChangeKind{Changed, Added, Removed} {
		if n[k] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[k], k))
		}
	}
	if len(parts) == 0 {
		return "no difference"
	}
	return strings.Join(parts, ", ")
}
