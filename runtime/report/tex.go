package report

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// TeX writes a fragment for LaTeX's \input, a table environment for every
// table. It needs the package booktabs and text in UTF-8.
func (r Report) TeX(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("% To be read with \\input; needs \\usepackage{booktabs}. Wide tables want a landscape page.\n")
	for _, t := range r.all() {
		label := "ranks"
		if t.Dataset != "" {
			label = t.Dataset
		}
		t.grid().tex(&b, t.Title, label, t.Notes)
		if s := t.Statistics; s != nil {
			t.Statistics.grid().tex(&b, t.Dataset+": "+s.Title, label+"-cases", s.Notes)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (g grid) tex(b *bytes.Buffer, caption, label string, notes []string) {
	fmt.Fprintf(b, "\n\\begin{table}\n\\centering\\small\n\\caption{%s}\n\\label{tab:%s}\n", escape(caption), texLabel.ReplaceAllString(label, "-"))
	names := "p{0.28\\linewidth}" // breaks long names
	if g.left > 1 {
		names = strings.Repeat("l", g.left)
	}
	fmt.Fprintf(b, "\\begin{tabular}{%s%s}\n\\toprule\n", names, strings.Repeat("r", len(g.head)-g.left))
	row := func(texts []string, show func(string) string) {
		for i, t := range texts {
			if i < g.left {
				b.WriteString(first(escape(t)))
			} else {
				b.WriteString(" & " + show(t))
			}
			if i+1 < g.left {
				b.WriteString(" & ")
			}
		}
		b.WriteString(" \\\\\n")
	}
	row(g.head, escape)
	b.WriteString("\\midrule\n")
	for _, l := range g.rows {
		if l.apart {
			b.WriteString("\\midrule\n")
		}
		row(l.texts, figures)
	}
	b.WriteString("\\bottomrule\n\\end{tabular}\n")
	if len(notes) > 0 {
		b.WriteString("\\par\\smallskip\n\\begin{minipage}{\\linewidth}\\footnotesize\n")
		for _, n := range notes {
			fmt.Fprintf(b, "%s\\par\n", escape(n))
		}
		b.WriteString("\\end{minipage}\n")
	}
	b.WriteString("\\end{table}\n")
}

var texLabel = regexp.MustCompile(`[^A-Za-z0-9]+`)

// escapes are of what means something to LaTeX, or that its usual fonts lack.
var escapes = strings.NewReplacer(
	`\`, `\textbackslash{}`, `{`, `\{`, `}`, `\}`, `$`, `\$`, `&`, `\&`, `#`, `\#`, `%`, `\%`, `_`, `\_`,
	`~`, `\textasciitilde{}`, `^`, `\textasciicircum{}`, `<`, `\textless{}`, `>`, `\textgreater{}`, `|`, `\textbar{}`,
	`±`, `$\pm$`, `×`, `$\times$`, `–`, `--`, "\n", " ",
)

func escape(text string) string { return escapes.Replace(text) }

// first protects what would be taken for an argument of the line's end before it.
func first(text string) string {
	if strings.HasPrefix(text, "[") || strings.HasPrefix(text, "*") {
		return "{}" + text
	}
	return text
}

var (
	texPower = regexp.MustCompile(`(\d(?:\.\d+)?)e-0*(\d+)`)
	texSign  = regexp.MustCompile(`(^|[ \[])([+-])(\d)`)
)

// figures sets a cell's text, with minus signs and powers of ten.
func figures(text string) string {
	text = texSign.ReplaceAllString(escape(text), "$1$$$2$$$3")
	return texPower.ReplaceAllString(text, `$$$1\times10^{-$2}$$`)
}
