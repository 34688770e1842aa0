package runtime

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"runspec/compiler/plan"
)

// Write prints the outlook for a person.
func (out Outlook) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nWhat is left in %s\n", out.RunDir)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  DATA SET\tWHAT\tTRAININGS\tFINISHED\tFAILED\tLEFT\tEPOCHS LEFT")
	for _, a := range out.Sets {
		for _, one := range a.Approaches {
			fmt.Fprintf(t, "  %s\t%s\t%d\t%d\t%d\t%d\t%d\n", a.Dataset, one.Name, one.Planned, one.Finished, one.Failed, one.Missing(), one.Epochs)
		}
	}
	t.Flush() // into memory
	if !out.Simulated {
		out.writeEstimates(&b)
	}
	if len(out.Changes) > 0 {
		fmt.Fprintf(&b, "\n%s holds a run of another plan; %s (old → new):\n", out.RunDir, plan.Summary(out.Changes))
		plan.WriteChanges(&b, out.Changes) // into memory
		if out.Refused != "" {
			fmt.Fprintln(&b, out.Refused)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", out.sum())
	_, err := io.WriteString(w, b.String())
	return err
}

// writeEstimates writes what trainings take, each data set's by all that it is
// reckoned from.
func (out Outlook) writeEstimates(b *strings.Builder) {
	fmt.Fprintln(b, "\nEstimates, one training after the other")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  DATA SET\tCHECKPOINTS\tCACHE\tAN EPOCH\tALL THAT IS LEFT\tWHOLE PLAN WITHOUT CONTINUATION\tRECKONED FROM")
	for _, a := range out.Sets {
		first := fmt.Sprintf("  %s\t%s\t%s", a.Dataset, gigabytes(a.Disk), gigabytes(a.Cases))
		if len(a.Paces) == 0 {
			fmt.Fprintf(t, "%s\t%s\t%[2]s\t%[2]s\t\n", first, unknown)
		}
		for _, p := range a.Paces {
			fmt.Fprintf(t, "%s\t%s s\t%s\t%s\t%s\n", first, round(p.Epoch), hours(p.Hours), hours(p.Anew), p.From)
			first = "\t\t"
		}
	}
	t.Flush() // into memory
}

// unknown is what a table shows where there is nothing to reckon from.
const unknown = "(unknown)"

func (out Outlook) sum() string {
	if !out.Todo {
		return "Nothing is left to train."
	}
	total, left := 0.0, fmt.Sprintf("%d trainings are left", out.Left)
	if out.Left == 1 {
		left = "One training is left"
	}
	if out.Simulated {
		return left + ", which a simulation stands for."
	}
	for _, a := range out.Sets {
		if len(a.Paces) == 0 {
			return left + ", for " + unknown + " hours."
		}
		total += a.Paces[0].Hours
	}
	return fmt.Sprintf("%s, for about %s (estimate).", left, hours(total))
}

// round gives as many digits as an estimate deserves, without an exponent.
func round(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return strconv.FormatFloat(x, 'f', max(0, 1-int(math.Floor(math.Log10(max(x, 1e-6))))), 64)
}

// hours gives a length of time in hours, or below a tenth of an hour in seconds.
func hours(h float64) string {
	if h < 0.1 {
		return round(h*3600) + " s"
	}
	return round(h) + " h"
}

func gigabytes(n int64) string {
	if n < 0 {
		return unknown
	}
	return round(float64(n)/1e9) + " GB"
}
