package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// The colours of Write.
const (
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	bold   = "\x1b[1m"
	plain  = "\x1b[0m"
)

// Write renders diagnostics as text: summary and code, place, the line with a
// caret under the mistake, and the detail. It colours only when asked.
func Write(w io.Writer, ds Diagnostics, colour bool) error {
	for i, d := range ds {
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(w, render(d, colour)); err != nil {
			return err
		}
	}
	return nil
}

func render(d Diagnostic, colour bool) string {
	paint := func(c, s string) string {
		if !colour {
			return s
		}
		return c + s + plain
	}
	c := red
	if d.Severity == Warning {
		c = yellow
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s [%s]\n", paint(c, string(d.Severity)+":"), paint(bold, d.Summary), d.Code)
	if d.Range.File != "" {
		fmt.Fprintf(&b, "  --> %s\n", d.Range)
	}
	if d.Source != "" && d.Range.Start.Line > 0 {
		n := fmt.Sprint(d.Range.Start.Line)
		pad := strings.Repeat(" ", len(n))
		fmt.Fprintf(&b, "%s |\n%s | %s\n%s | %s\n", pad, n, harmless(d.Source), pad, paint(c, caret(d)))
	}
	if d.Detail != "" {
		fmt.Fprintf(&b, "%s\n", harmless(d.Detail))
	}
	return b.String()
}

// harmless replaces what a terminal would obey.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' && r != '\n' {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// caret underlines the range in its line. Tabs stay tabs, so that the mark
// stands under its text whatever a tab's width.
func caret(d Diagnostic) string {
	start := min(max(d.Range.Start.Column-1, 0), len(d.Source))
	lead := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, d.Source[:start])
	n := 1
	if e := d.Range.End; e.Line == d.Range.Start.Line && e.Column > start+1 {
		n = len([]rune(d.Source[start:min(e.Column-1, len(d.Source))]))
	}
	return lead + strings.Repeat("^", max(n, 1))
}
