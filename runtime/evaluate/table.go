package evaluate

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"runspec/compiler/nnunet"
)

// WriteTable writes the means for a person, a row for each label or region,
// with the names that labels give them.
func (s Summary) WriteTable(w io.Writer, labels []nnunet.Label) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "LABEL\tDICE\tIOU\tTP\tFP\tFN\tCASES\t")
	classes := foreground(labels)
	for _, m := range s.Mean {
		name := m.Key
		for i, l := range classes {
			if l.key == m.Key && l.name != "" && l.name != m.Key {
				name = classes[i].name + " " + m.Key
			}
		}
		writeRow(t, name, m.Metrics, s.counted(m.Key))
	}
	writeRow(t, "foreground", s.ForegroundMean, len(s.Cases))
	t.Flush() // into memory
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
	return nil
}

// counted are the cases whose Dice of a label is a number.
func (s Summary) counted(key string) (n int) {
	for _, c := range s.Cases {
		for _, l := range c.Labels {
			if l.Key == key && !math.IsNaN(l.Dice) {
				n++
			}
		}
	}
	return n
}

func writeRow(w io.Writer, name string, m Metrics, cases int) {
	fmt.Fprintf(w, "%s\t%.4f\t%.4f\t%.1f\t%.1f\t%.1f\t%d\t\n", name, m.Dice, m.IoU, m.TP, m.FP, m.FN, cases)
}
