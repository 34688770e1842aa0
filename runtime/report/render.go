package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"
)

// Where the terminal's lines wrap, in characters.
const (
	nameWidth   = 34 // first column
	headerWidth = 12
	noteWidth   = 110
)

func (t Table) header() []string {
	out := []string{"Training"}
	for _, c := range t.Columns {
		out = append(out, c.Name)
	}
	return out
}

func (r Row) texts() []string {
	out := []string{r.Name}
	for _, c := range r.Cells {
		out = append(out, c.Text)
	}
	return out
}

// Terminal writes the tables for a person at a terminal.
func (r Report) Terminal(w io.Writer) error {
	for _, t := range r.Tables {
		fmt.Fprintf(w, "%s\n", t.Title)
		if err := t.terminal(w); err != nil {
			return fmt.Errorf("report: table of %s: %w", t.Dataset, err)
		}
		for _, note := range t.Notes {
			fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(wrap(note, noteWidth), "\n", "\n    "))
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return nil
}

func (t Table) terminal(w io.Writer) error {
	align := []tw.Align{tw.AlignLeft}
	for range t.Columns {
		align = append(align, tw.AlignRight)
	}
	out := tablewriter.NewTable(w,
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignmentConfig(tw.CellAlignment{PerColumn: align}),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{PerColumn: align}),
		tablewriter.WithRowAutoWrap(tw.WrapNormal),
	)
	out.Header(wrapped(t.header(), headerWidth))
	for i, r := range t.Rows {
		texts := r.texts()
		label, trained, _ := strings.Cut(texts[0], ", ")
		texts[0] = strings.TrimSpace(wrap(label, nameWidth) + "\n" + wrap(trained, nameWidth))
		if i > 0 && r.Kind != t.Rows[i-1].Kind && r.Kind == Published {
			out.Append(make([]string, len(texts)))
		}
		if err := out.Append(texts); err != nil {
			return err
		}
	}
	return out.Render()
}

func wrapped(texts []string, width int) []string {
	out := make([]string, len(texts))
	for i, s := range texts {
		out[i] = wrap(s, width)
	}
	return out
}

// wrap breaks a text at spaces into lines of at most width characters, where
// its words allow.
func wrap(text string, width int) string {
	var lines []string
	for _, word := range strings.Fields(text) {
		n := len(lines) - 1
		if n >= 0 && len([]rune(lines[n]))+1+len([]rune(word)) <= width {
			lines[n] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return strings.Join(lines, "\n")
}

// Markdown writes the report as a Markdown document.
func (r Report) Markdown(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n", r.Experiment)
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "\n## %s\n\n", t.Title)
		line(&b, t.header())
		line(&b, append([]string{":---"}, strings.Fields(strings.Repeat("---: ", len(t.Columns)))...))
		for _, row := range t.Rows {
			line(&b, row.texts())
		}
		b.WriteByte('\n')
		for _, note := range t.Notes {
			fmt.Fprintf(&b, "- %s\n", note)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func line(b *bytes.Buffer, cells []string) {
	for _, c := range cells {
		fmt.Fprintf(b, "| %s ", strings.ReplaceAll(c, "|", `\|`))
	}
	b.WriteString("|\n")
}

// CSV writes all tables as one, with a column for the data set and one of
// standard deviations beside each column of Dice. Missing is empty.
func (r Report) CSV(w io.Writer) error {
	columns := r.union()
	head := []string{"dataset", "kind", "id", "name"}
	for _, c := range columns {
		head = append(head, c.ID)
		if hasDeviation(c) {
			head = append(head, c.ID+" sd")
		}
	}
	out := csv.NewWriter(w)
	out.Write(head)
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			out.Write(append([]string{t.Dataset, string(row.Kind), row.ID, row.Name}, t.fields(row, columns)...))
		}
	}
	out.Flush()
	return out.Error()
}

func hasDeviation(c Column) bool { return c.ID == "dice" || strings.HasPrefix(c.ID, "dice/") }

// union lists the columns of all tables, those of the first table first.
func (r Report) union() []Column {
	var out []Column
	seen := map[string]bool{}
	for _, t := range r.Tables {
		for _, c := range t.Columns {
			if !seen[c.ID] {
				seen[c.ID], out = true, append(out, c)
			}
		}
	}
	return out
}

func (t Table) fields(row Row, columns []Column) []string {
	cells := map[string]Cell{}
	for i, c := range t.Columns {
		cells[c.ID] = row.Cells[i]
	}
	var out []string
	for _, c := range columns {
		out = append(out, plain(cells[c.ID].Value))
		if hasDeviation(c) {
			out = append(out, plain(cells[c.ID].SD))
		}
	}
	return out
}

func plain(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}

// JSON writes the report as it is.
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteAll writes report.md, report.csv and report.json into a folder; each
// appears whole or not at all. It returns their paths.
func (r Report) WriteAll(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	var paths []string
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{"report.md", r.Markdown}, {"report.csv", r.CSV}, {"report.json", r.JSON}} {
		var b bytes.Buffer
		if err := f.write(&b); err != nil {
			return nil, fmt.Errorf("report: %s: %w", f.name, err)
		}
		path := filepath.Join(dir, f.name)
		if err := renameio.WriteFile(path, b.Bytes(), 0o644); err != nil {
			return nil, fmt.Errorf("report: write %s: %w", path, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}
