package diag

import (
	"io"
	"slices"
)

// The parts of SARIF 2.1.0 (OASIS, 2020) that are written.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    Code         `json:"id"`
		Name  string       `json:"name"`
		Short sarifMessage `json:"shortDescription"`
		Help  *sarifHelp   `json:"help,omitempty"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifHelp struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown"`
	}
	sarifResult struct {
		Rule      Code            `json:"ruleId"`
		Index     int             `json:"ruleIndex"`
		Level     Severity        `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int           `json:"startLine"`
		StartColumn int           `json:"startColumn"`
		EndColumn   int           `json:"endColumn"`
		Snippet     *sarifMessage `json:"snippet,omitempty"`
	}
)

// writeSARIF writes one run whose rules are the codes that occur, each with
// its meaning and its example.
func writeSARIF(w io.Writer, ds Diagnostics, dir string) error {
	rules := slices.DeleteFunc(Rules(), func(r Rule) bool {
		return !slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Code == r.Code })
	})
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "runspec", Rules: []sarifRule{}}},
		ColumnKind: "unicodeCodePoints",
		Results:    []sarifResult{},
	}
	for _, r := range rules {
		rule := sarifRule{ID: r.Code, Name: r.Name, Short: sarifMessage{r.Doc}}
		if r.Example != "" {
			rule.Help = &sarifHelp{Text: "For example:\n" + r.Example, Markdown: "For example:\n```cue\n" + r.Example + "```\n"}
		}
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
	}
	for _, d := range ds {
		run.Results = append(run.Results, sarifResult{
			Rule:      d.Code,
			Index:     slices.IndexFunc(rules, func(r Rule) bool { return r.Code == d.Code }),
			Level:     d.Severity,
			Message:   sarifMessage{d.Summary + ": " + d.Detail},
			Locations: locations(d, dir),
		})
	}
	return indented(w, sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{run},
	})
}

// locations is where a diagnostic points: nowhere where no file is to blame.
func locations(d Diagnostic, dir string) []sarifLocation {
	if d.Range.File == "" || virtual(d.Range.File) {
		return nil
	}
	p := sarifPhysical{Artifact: sarifArtifact{uri(d.Range.File, dir)}}
	if line := d.Range.Start.Line; line > 0 {
		from, to := d.columns()
		p.Region = &sarifRegion{StartLine: line, StartColumn: from, EndColumn: to}
		if d.Source != "" {
			p.Region.Snippet = &sarifMessage{d.Source}
		}
	}
	return []sarifLocation{{p}}
}
