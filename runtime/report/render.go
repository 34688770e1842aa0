package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"

	"runspec/runtime/durable"
)

// Where the terminal's lines wrap, in characters.
const (
	nameWidth   = 34 // first column
	headerWidth = 11
	noteWidth   = 110
)

// grid is what the renderings for people share: a table's texts.
type grid struct {
	head []string
	left int // so many columns are aligned left, the others right
	rows []line
}

// line is a row of texts.
type line struct {
	apart bool // set off from the line above
	texts []string
}

// grid shows a table as it stands.
func (t Table) grid() grid {
	g := grid{head: []string{"Training"}, left: 1}
	for _, c := range t.Columns {
		g.head = append(g.head, c.Name)
	}
	for i, r := range t.Rows {
		texts := []string{r.Name}
		for _, c := range r.Cells {
			texts = append(texts, c.Text)
		}
		g.rows = append(g.rows, line{i > 0 && r.Kind == Published && r.Kind != t.Rows[i-1].Kind, texts})
	}
	return g
}

// grid puts numbers that belong together into one column.
func (s *Statistics) grid() grid {
	g := grid{left: 2, head: []string{"Dice of", "Training", "Cases", "Median [quartiles]", "Worst", "Difference [95 % CI]", "W/T/L", "Effect", "p", "Holm"}}
	for i, r := range s.Rows {
		text := map[string]string{}
		for k, c := range s.Columns {
			text[c.ID] = r.Cells[k].Text
		}
		label := r.Label
		switch {
		case r.Unseen:
			label = "mean, unseen"
		case label == "":
			label = "mean"
		}
		g.rows = append(g.rows, line{i > 0 && r.Scope != s.Rows[i-1].Scope && r.ID != s.Rows[i-1].ID, []string{
			label, r.Name, text["cases"],
			bracketed(text["median"], text["quartile_low"], text["quartile_high"]), text["worst"],
			bracketed(text["case_difference"], text["ci_low"], text["ci_high"]),
			outcomes(text["wins"], text["ties"], text["losses"]), text["effect"], text["p"], text["p_holm"],
		}})
	}
	if !s.inPairs() {
		g.head = g.head[:alone]
		for i := range g.rows {
			g.rows[i].texts = g.rows[i].texts[:alone]
		}
	}
	return g
}

// alone is the number of a grid's columns that describe a training by itself.
const alone = 5

// bracketed is a number with two around it, where there are any.
func bracketed(middle, low, high string) string {
	if low == dash && high == dash {
		return middle
	}
	return middle + " [" + low + ", " + high + "]"
}

func outcomes(wins, ties, losses string) string {
	if wins == dash {
		return dash
	}
	return wins + "/" + ties + "/" + losses
}

// Terminal writes the tables for a person at a terminal.
func (r Report) Terminal(w io.Writer) error {
	var b bytes.Buffer
	for _, t := range r.all() {
		fmt.Fprintf(&b, "%s\n", t.Title)
		if err := t.grid().terminal(&b); err != nil {
			return fmt.Errorf("report: %s: %w", t.Title, err)
		}
		indented(&b, t.Notes)
		if s := t.Statistics; s != nil {
			fmt.Fprintf(&b, "%s\n", s.Title)
			if err := s.grid().terminal(&b); err != nil {
				return fmt.Errorf("report: statistics of %s: %w", t.Dataset, err)
			}
			indented(&b, s.Notes)
		}
		for _, f := range t.Fronts {
			fmt.Fprintf(&b, "%s\n", f.title())
			if err := f.grid().terminal(&b); err != nil {
				return fmt.Errorf("report: front of %s: %w", f.Study, err)
			}
		}
		b.WriteByte('\n')
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func indented(w io.Writer, notes []string) {
	for _, note := range notes {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(wrap(note, noteWidth), "\n", "\n    "))
	}
}

func (g grid) terminal(w io.Writer) error {
	align := make([]tw.Align, len(g.head))
	for i := range align {
		align[i] = tw.AlignRight
		if i < g.left {
			align[i] = tw.AlignLeft
		}
	}
	out := tablewriter.NewTable(w,
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignmentConfig(tw.CellAlignment{PerColumn: align}),
		tablewriter.WithRowAlignmentConfig(tw.CellAlignment{PerColumn: align}),
		tablewriter.WithRowAutoWrap(tw.WrapNormal),
	)
	out.Header(wrapped(g.head, headerWidth))
	for _, l := range g.rows {
		texts := slices.Clone(l.texts)
		if g.left == 1 { // what is named, and on another line how it was trained
			name, trained, _ := strings.Cut(texts[0], ", ")
			texts[0] = strings.TrimSpace(wrap(name, nameWidth) + "\n" + wrap(trained, nameWidth))
		}
		if l.apart {
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
	fmt.Fprintf(&b, "# %s%s\n", map[bool]string{true: "SIMULATED: "}[r.Simulated], r.Experiment)
	for _, t := range r.all() {
		fmt.Fprintf(&b, "\n## %s\n\n", t.Title)
		t.grid().markdown(&b)
		listed(&b, t.Notes)
		if s := t.Statistics; s != nil {
			fmt.Fprintf(&b, "\n### %s\n\n", s.Title)
			s.grid().markdown(&b)
			listed(&b, s.Notes)
		}
		for _, f := range t.Fronts {
			fmt.Fprintf(&b, "\n### %s\n\n", f.title())
			f.grid().markdown(&b)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func listed(b *bytes.Buffer, notes []string) {
	b.WriteByte('\n')
	for _, note := range notes {
		fmt.Fprintf(b, "- %s\n", note)
	}
}

func (g grid) markdown(b *bytes.Buffer) {
	piped := func(cells []string) {
		for _, c := range cells {
			fmt.Fprintf(b, "| %s ", strings.ReplaceAll(c, "|", `\|`))
		}
		b.WriteString("|\n")
	}
	piped(g.head)
	piped(slices.Concat(slices.Repeat([]string{":---"}, g.left), slices.Repeat([]string{"---:"}, len(g.head)-g.left)))
	for _, l := range g.rows {
		piped(l.texts)
	}
}

// JSON writes the report as it is.
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteAll writes report.md, report.csv, report.json, report.tex and cases.csv into a folder; each
// appears whole or not at all. It returns their paths.
func (r Report) WriteAll(dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	var paths []string
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{"report.md", r.Markdown}, {"report.csv", r.CSV}, {"report.json", r.JSON}, {"report.tex", r.TeX}, {"cases.csv", r.CasesCSV}} {
		var b bytes.Buffer
		if err := f.write(&b); err != nil {
			return nil, fmt.Errorf("report: %s: %w", f.name, err)
		}
		path := filepath.Join(dir, f.name)
		if err := durable.Write(path, b.Bytes()); err != nil {
			return nil, fmt.Errorf("report: write %s: %w", path, err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}
