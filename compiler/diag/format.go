package diag

import (
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Format is a way of writing diagnostics.
type Format string

// The formats.
const (
	Text   Format = "text"   // for people: summary, place, line with a caret, detail
	JSON   Format = "json"   // one document, see WriteJSON
	GitHub Format = "github" // workflow commands, which annotate the lines of a pull request
	SARIF  Format = "sarif"  // SARIF 2.1.0, for code scanning
)

// ParseFormat converts the name of a format.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case Text, JSON, GitHub, SARIF:
		return f, nil
	}
	return "", fmt.Errorf("the format of diagnostics %q is not known; use text, json, github or sarif", name)
}

// Machine says whether a format is read by programs.
func (f Format) Machine() bool { return f != Text && f != "" }

// Options of Render. The zero value works.
type Options struct {
	Colour bool   // of the text
	Dir    string // absolute; files below it are named relative to it in GitHub's and SARIF's formats
}

// Render writes diagnostics in a format. JSON and SARIF are whole documents
// also where there are none.
func Render(w io.Writer, ds Diagnostics, f Format, o Options) error {
	switch f {
	case JSON:
		return writeJSON(w, ds)
	case GitHub:
		return writeGitHub(w, ds, o.Dir)
	case SARIF:
		return writeSARIF(w, ds, o.Dir)
	}
	return Write(w, ds, o.Colour)
}

// virtual says whether a file is none, but a part of the command line such as
// <--set>, or <stdin>.
func virtual(file string) bool { return strings.HasPrefix(file, "<") }

// relative names a file below dir relative to it, with slashes.
func relative(file, dir string) string {
	if dir != "" && filepath.IsAbs(file) {
		if r, err := filepath.Rel(dir, file); err == nil && filepath.IsLocal(r) {
			file = r
		}
	}
	return filepath.ToSlash(filepath.Clean(file))
}

// uri is the relative reference, or the file URL, of a file.
func uri(file, dir string) string {
	name := relative(file, dir)
	u := url.URL{Path: name}
	if strings.HasPrefix(name, "/") {
		u.Scheme = "file"
	}
	return u.String()
}

// columns are the first column of a diagnostic and the one past its last,
// counted from 1 in characters where Position counts bytes.
func (d Diagnostic) columns() (from, to int) {
	characters := func(column int) int {
		b := min(max(column-1, 0), len(d.Source))
		return utf8.RuneCountInString(d.Source[:b]) + 1
	}
	from = characters(d.Range.Start.Column)
	to = from + 1
	if e := d.Range.End; e.Line == d.Range.Start.Line {
		to = max(to, characters(e.Column))
	}
	return from, to
}
