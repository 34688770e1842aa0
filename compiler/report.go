package compiler

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"runspec/compiler/diag"
)

// diagnostic makes a diagnostic with its source line.
func (s *source) diagnostic(at diag.Range, code diag.Code, summary, detail string) diag.Diagnostic {
	return diag.Diagnostic{
		Severity: diag.Error, Code: code, Summary: summary,
		Detail: strings.TrimSpace(detail), Range: at, Source: s.line(at),
	}
}

// line is the text of a range's first line.
func (s *source) line(at diag.Range) string {
	file := at.File
	if file == s.path {
		file = s.file
	}
	lines, ok := s.text[file]
	if !ok {
		raw, _ := os.ReadFile(file) // an unreadable file has no snippet
		lines = strings.Split(string(raw), "\n")
		s.text[file] = lines
	}
	if i := at.Start.Line - 1; i >= 0 && i < len(lines) {
		return strings.TrimSuffix(lines[i], "\r")
	}
	return ""
}

// cueErrors turns CUE's errors into diagnostics at places in the user's files.
func (s *source) cueErrors(err error, code diag.Code) diag.Diagnostics {
	var ds diag.Diagnostics
	for _, e := range errors.Errors(err) {
		format, args := e.Msg()
		detail := fmt.Sprintf(format, args...)
		if p := strings.Join(e.Path(), "."); p != "" {
			detail = p + ": " + detail
		}
		ds = append(ds, s.diagnostic(s.pick(e), code, "Invalid value", detail))
	}
	return ds
}

// pick chooses the place of an error that stands in the user's own files; CUE
// often names the schema's first, or none.
func (s *source) pick(e errors.Error) diag.Range {
	for _, p := range append([]token.Pos{e.Position()}, e.InputPositions()...) {
		if s.users(p) {
			return s.span(p, token.NoPos)
		}
	}
	return diag.Range{File: s.path}
}

func (s *source) loadErrors(err error) diag.Diagnostics {
	return s.cueErrors(err, diag.Syntax)
}

func (s *source) noExperiment(why string) diag.Diagnostic {
	return s.diagnostic(diag.Range{File: s.path}, diag.NoExperiment, "Not an experiment",
		why+" A spec reads: import \"runspec.internal/spec\", then spec.#Experiment & { … }.")
}

func unreadable(path string, err error) diag.Diagnostics {
	return diag.Diagnostics{{Severity: diag.Error, Code: diag.Unreadable, Summary: "Spec can't be read",
		Detail: err.Error() + ".", Range: diag.Range{File: path}}}
}

// constraint describes a field of the schema.
func constraint(v cue.Value) string { return write(v) }

var _ = filepath.Separator
