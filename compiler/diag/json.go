package diag

import (
	"encoding/json"
	"io"
)

// document is the JSON form. Its version follows the words of Terraform's
// `validate -json`: a new minor version adds fields, a new major one changes
// them.
type document struct {
	Version     string      `json:"format_version"`
	Valid       bool        `json:"valid"`
	Errors      int         `json:"error_count"`
	Warnings    int         `json:"warning_count"`
	Diagnostics Diagnostics `json:"diagnostics"`
}

func writeJSON(w io.Writer, ds Diagnostics) error {
	d := document{Version: "1.0", Diagnostics: ds}
	if ds == nil {
		d.Diagnostics = Diagnostics{}
	}
	for _, x := range ds {
		if x.Severity == Warning {
			d.Warnings++
		} else {
			d.Errors++
		}
	}
	d.Valid = d.Errors == 0
	return indented(w, d)
}

func indented(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
