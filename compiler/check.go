package compiler

import (
	"cuelang.org/go/cue"

	"runspec/compiler/diag"
)

// check compares an experiment with the schema.
func check(s *source) diag.Diagnostics {
	return s.cueErrors(s.value.Validate(cue.Concrete(true)), diag.Invalid)
}
