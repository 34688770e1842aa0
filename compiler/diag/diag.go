// Package diag holds diagnostics: what is wrong in a user's file, where, and
// what to do about it. A Diagnostic carries the line it complains about, so it
// renders without the file. It knows nothing of CUE or of experiments.
package diag

import (
	"fmt"
	"sort"
	"strings"
)

// Severity says whether a diagnostic stops the compilation.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Position is a place in a file, counted from 1; columns count bytes. The zero
// Position is unknown.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Range is a stretch of a file. End is exclusive; where it is unknown or on
// another line, one character is meant.
type Range struct {
	File  string   `json:"file"`
	Start Position `json:"start,omitzero"`
	End   Position `json:"end,omitzero"`
}

// String prints file:line:column, as much of it as is known.
func (r Range) String() string {
	if r.Start.Line == 0 {
		return r.File
	}
	return fmt.Sprintf("%s:%d:%d", r.File, r.Start.Line, r.Start.Column)
}

// Diagnostic is one mistake.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Code     Code     `json:"code"`
	Summary  string   `json:"summary"` // one line without names or values
	Detail   string   `json:"detail"`  // sentences with the names, ending in the remedy
	Range    Range    `json:"range"`
	Source   string   `json:"source"` // the line at Range.Start, without its end
}

// Diagnostics are all mistakes of a compilation. As an error they print one
// line each; Write renders them for people.
type Diagnostics []Diagnostic

// Error prints one line for each diagnostic.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = fmt.Sprintf("%s: %s: %s: %s", d.Range, d.Severity, d.Summary, d.Detail)
	}
	return strings.Join(lines, "\n")
}

// Sort orders by place, then code, then text, and drops repetitions.
func (ds Diagnostics) Sort() Diagnostics {
	key := func(d Diagnostic) string {
		s := d.Range.Start
		return fmt.Sprintf("%s\x00%08d\x00%08d\x00%s\x00%s", d.Range.File, s.Line, s.Column, d.Code, d.Detail)
	}
	sort.SliceStable(ds, func(i, j int) bool { return key(ds[i]) < key(ds[j]) })
	var out Diagnostics
	for i, d := range ds {
		if i == 0 || key(d) != key(ds[i-1]) {
			out = append(out, d)
		}
	}
	return out
}
