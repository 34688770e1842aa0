package compiler

import (
	"errors"
	"os"

	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/parser"

	"runspec/compiler/diag"
)

// Vet compiles specs without looking at any data, and gives the mistakes of
// all of them.
func Vet(paths []string, o Options) diag.Diagnostics {
	o.Sources = Sources{}
	var found diag.Diagnostics
	for _, p := range paths {
		if _, err := Compile(p, o); err != nil {
			var ds diag.Diagnostics
			errors.As(err, &ds) // Compile has no other
			found = append(found, ds...)
		}
	}
	return found
}

// Format lays a spec out as CUE's formatter does; only its layout changes. The
// error of a text that is not CUE is diag.Diagnostics, at places in the named
// file.
func Format(file string, text []byte) ([]byte, error) {
	tree, err := parser.ParseFile(file, text, parser.ParseComments)
	if err != nil {
		return nil, textSource(file, text).loadErrors(err).Sort()
	}
	return format.Node(tree)
}

// FormatFile is Format of the file at path; it returns both texts.
func FormatFile(path string) (old, formatted []byte, err error) {
	if old, err = os.ReadFile(path); err != nil {
		return nil, nil, unreadable(path, err)
	}
	formatted, err = Format(path, old)
	return old, formatted, err
}
