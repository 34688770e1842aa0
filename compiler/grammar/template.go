package grammar

import "runspec/compiler/diag"

// Template is a grammar whose variables are not all bound yet. It is plain data,
// so that a plan can hold it until a data set's stages are known.
type Template struct {
	File      string    `json:"file"` // for diagnostics
	HCL       string    `json:"hcl"`  // the file's text
	Variables Variables `json:"variables,omitempty"`
}

// Bind reads the grammar with what is offered for those of its variables that
// the template leaves open; what the grammar does not declare is not used.
func (t Template) Bind(offered Variables) (Grammar, diag.Diagnostics) {
	return read(t.File, []byte(t.HCL), t.Variables, offered)
}
