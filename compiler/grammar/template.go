package grammar

import (
	"maps"

	"runspec/compiler/diag"
)

// Template is a grammar whose variables are not all bound yet. It is plain data,
// so that a plan can hold it until a data set's stages are known.
type Template struct {
	File      string    `json:"file"` // for diagnostics
	HCL       string    `json:"hcl"`  // the file's text
	Variables Variables `json:"variables,omitempty"`
}

// Bind reads the grammar with further variables; the template's own go first.
func (t Template) Bind(further Variables) (Grammar, diag.Diagnostics) {
	all := maps.Clone(further)
	if all == nil {
		all = Variables{}
	}
	maps.Copy(all, t.Variables)
	return Read(t.File, []byte(t.HCL), all)
}
