package compiler

import (
	"fmt"
	"os"
	"strings"

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
func (s *source) cueErrors(err error) diag.Diagnostics {
	var ds diag.Diagnostics
	for _, e := range errors.Errors(err) {
		ds = append(ds, s.cueError(e))
	}
	return ds
}

func (s *source) cueError(e errors.Error) diag.Diagnostic {
	code, summary := classify(e)
	detail := message(e) + "."
	if p := strings.Join(e.Path(), "."); p != "" {
		detail = p + ": " + detail
	}
	d := s.diagnostic(s.pick(e), code, summary, detail)
	switch {
	case code == diag.Reference:
		if dangling, ok := s.dangling(e); ok {
			return dangling
		}
	case strings.HasPrefix(message(e), "imported and not used"):
		d.Summary, d.Detail = "Unused import", "Nothing uses this import. Use it, as in spec.#Experiment & { … }, or remove it."
	case code == diag.Import:
		d.Detail = s.unresolved(d)
	}
	return d
}

// firstMessage is the message of the first of CUE's errors in err, with its
// cause.
func firstMessage(err error) string {
	for _, e := range errors.Errors(err) {
		m := message(e)
		var cause errors.Error
		if errors.As(errors.Unwrap(e), &cause) {
			m += ": " + message(cause)
		}
		return m
	}
	return ""
}

// elsewhere says whether an error comes from another field of the experiment
// than the one at a path.
func elsewhere(err error, path string) bool {
	for _, e := range errors.Errors(err) {
		for x := error(e); x != nil; x = errors.Unwrap(x) {
			at, ok := x.(errors.Error)
			if !ok || len(at.Path()) == 0 || strings.HasPrefix(at.Path()[0], "_") || strings.HasPrefix(at.Path()[0], "#") {
				continue
			}
			if p := strings.ReplaceAll(strings.Join(at.Path(), "."), `"`, ""); p != path && !strings.HasPrefix(p, path+".") {
				return true
			}
		}
	}
	return false
}

func message(e errors.Error) string {
	format, args := e.Msg()
	return fmt.Sprintf(format, args...)
}

// classify sorts CUE's messages, which bear no code that could be asked.
func classify(e errors.Error) (diag.Code, string) {
	m := message(e)
	switch {
	case strings.Contains(m, "undefined field"), strings.HasPrefix(m, "reference ") && strings.HasSuffix(m, "not found"):
		return diag.Reference, "Unknown name"
	case strings.Contains(m, "conflicting values"):
		return diag.Conflict, "Two values"
	case strings.Contains(m, "incomplete value"):
		return diag.Incomplete, "Value not fixed"
	case strings.Contains(m, "import"), strings.Contains(m, "package"):
		return diag.Import, "Import failed"
	}
	return diag.Invalid, "Invalid value"
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

// loadErrors tells errors of a file that could not be loaded: its syntax, its
// imports.
func (s *source) loadErrors(err error) diag.Diagnostics {
	ds := s.cueErrors(err)
	for i, e := range errors.Errors(err) {
		switch {
		case strings.Contains(message(e), "for injection tag "):
			ds[i].Code, ds[i].Summary = diag.UnknownTag, "Tag of another type"
		case ds[i].Code != diag.Import && ds[i].Code != diag.Reference:
			ds[i].Code, ds[i].Summary = diag.Syntax, "Syntax error"
		}
	}
	return ds
}

func (s *source) noExperiment(why string) diag.Diagnostic {
	return s.diagnostic(diag.Range{File: s.path}, diag.NoExperiment, "Not an experiment",
		why+" A spec reads: import \"runspec.internal/spec\", then spec.#Experiment & { … }.")
}

func unreadable(path string, err error) diag.Diagnostics {
	return diag.Diagnostics{{Severity: diag.Error, Code: diag.Unreadable, Summary: "Spec can't be read",
		Detail: err.Error() + ".", Range: diag.Range{File: path}}}
}
