package runtime

import (
	"fmt"
	"io"
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
	fmt.Fprintln(&b, "\nEstimates")
	t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  DATA SET\tAN EPOCH\tALL THAT IS LEFT\tCHECKPOINTS\tCACHE\tSECONDS PER EPOCH ARE")
	for _, a := range out.Sets {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", a.Dataset, seconds(a), hours(a.Hours), gigabytes(a.Disk), gigabytes(a.Cases), a.Pace.from())
	}
	t.Flush() // into memory
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

func (out Outlook) sum() string {
	if !out.Todo {
		return "Nothing is left to train."
	}
	total := 0.0
	for _, a := range out.Sets {
		if a.Hours < 0 {
			return fmt.Sprintf("%d trainings are left; how long they take is (unknown).", out.Left)
		}
		total += a.Hours
	}
	return fmt.Sprintf("%d trainings are left, which take %s one after the other (estimate).", out.Left, hours(total))
}

func (p Pace) from() string {
	if p.From == "" {
		return "(unknown)"
	}
	return p.From
}

func seconds(a Ahead) string {
	if a.Pace.Epoch == 0 {
		return "(unknown)"
	}
	return fmt.Sprintf("%.3g s", a.Pace.Epoch)
}

func hours(h float64) string {
	if h < 0 {
		return "(unknown)"
	}
	return fmt.Sprintf("%.3g h", h)
}

func gigabytes(n int64) string {
	if n < 0 {
		return "(unknown)"
	}
	return fmt.Sprintf("%.2g GB", float64(n)/1e9)
}
