package diag

import (
	"fmt"
	"io"
	"strings"
)

// GitHub's workflow commands end at a line's end, and their properties at a
// comma; percent signs escape both.
var (
	data     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// writeGitHub writes a workflow command for each diagnostic:
// ::error file=spec.cue,line=3,col=2,title=Unknown field [unknown-field]::…
func writeGitHub(w io.Writer, ds Diagnostics, dir string) error {
	for _, d := range ds {
		detail, place := d.Detail, ""
		if f := d.Range.File; virtual(f) {
			detail = strings.TrimSpace(fmt.Sprintf("%s: %s. %s", d.Range, d.Source, detail))
		} else if f != "" {
			place = "file=" + property.Replace(relative(f, dir)) + ","
			if line := d.Range.Start.Line; line > 0 {
				column, _ := d.columns()
				place += fmt.Sprintf("line=%d,col=%d,", line, column)
			}
		}
		title := fmt.Sprintf("%s [%s]", d.Summary, d.Code)
		if _, err := fmt.Fprintf(w, "::%s %stitle=%s::%s\n", d.Severity, place, property.Replace(title), data.Replace(detail)); err != nil {
			return err
		}
	}
	return nil
}
