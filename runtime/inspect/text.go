package inspect

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"runspec/runtime/evaluate"
)

// score prints a measured number, or a dash.
func score(s evaluate.Score) string {
	if !s.Known() {
		return "–"
	}
	return fmt.Sprintf("%.4f", float64(s))
}

// clock prints seconds as h:mm:ss.
func clock(seconds float64) string {
	s := int(seconds + 0.5)
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// table writes rows in columns.
func table(w io.Writer, head string, rows []string) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range append([]string{head}, rows...) {
		fmt.Fprintln(t, r)
	}
	t.Flush() // into memory
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

func cells(xs ...any) string {
	var out []string
	for _, x := range xs {
		out = append(out, fmt.Sprint(x))
	}
	return strings.Join(out, "\t")
}

// Write writes the status for a person.
func (s Status) Write(w io.Writer) error {
	var b strings.Builder
	if s.Simulated {
		b.WriteString("SIMULATED: nothing is trained\n")
	}
	fmt.Fprintf(&b, "%s: %s\n", s.Name, s.headline())
	fmt.Fprintf(&b, "%d of %d epochs", s.Epochs.Done, s.Epochs.Total)
	if s.Epochs.Total > 0 {
		fmt.Fprintf(&b, " (%d %%)", 100*s.Epochs.Done/s.Epochs.Total)
	}
	if s.Left > 0 && s.State == Running {
		fmt.Fprintf(&b, ", about %s left", clock(s.Left))
	} else if s.Left > 0 && s.Trainings.ToDo > 0 {
		fmt.Fprintf(&b, ", about %s of training to do", clock(s.Left))
	}
	t := s.Trainings
	fmt.Fprintf(&b, "\n%d trainings done, %d running, %d failed, %d to do\n\n", t.Done, t.Running, t.Failed, t.ToDo)
	var rows []string
	for _, a := range s.Approaches {
		best, epochs, dice := "–", "–", "–"
		if a.Best != nil {
			best, epochs, dice = a.Best.Trial, fmt.Sprint(a.Best.Epochs), score(a.Best.Dice)
		}
		rows = append(rows, cells(a.Dataset, a.Name, a.Trainings.Done, a.Trainings.Running, a.Trainings.Failed, a.Trainings.ToDo, best, epochs, dice))
	}
	table(&b, "DATA SET\tAPPROACH\tDONE\tRUNNING\tFAILED\tTO DO\tBEST\tEPOCHS\tDICE", rows)
	s.trainings(&b)
	fmt.Fprintf(&b, "\nEverything is in %s: %s\n", s.RunDir, strings.Join(s.Files, ", "))
	_, err := io.WriteString(w, b.String())
	return err
}

// headline says in a sentence what the run does.
func (s Status) headline() string {
	switch {
	case s.State == Running:
		return fmt.Sprintf("running, by %s since %s", s.Owner, s.Since.Local().Format(time.DateTime))
	case s.State == ToDo:
		return "not begun"
	case s.Last == nil:
		return string(s.State)
	case s.State == Stopped:
		return fmt.Sprintf("stopped, last event %s; the same command continues it", s.Last.Local().Format(time.DateTime))
	}
	return fmt.Sprintf("%s, last event %s", s.State, s.Last.Local().Format(time.DateTime))
}

// trainings writes what runs and what failed.
func (s Status) trainings(w io.Writer) {
	for i, t := range s.Running {
		if i == 0 {
			fmt.Fprintf(w, "\nRunning\n")
		}
		fmt.Fprintf(w, "  %s fold %s: epoch %d of %d, loss %s, pseudo-Dice %s\n", t.Trial, t.Fold, t.Epoch, t.Epochs, score(t.Loss), score(t.Dice))
	}
	for i, t := range s.Failed {
		if i == 0 {
			fmt.Fprintf(w, "\nFailed\n")
		}
		fmt.Fprintf(w, "  %s fold %s: %s", t.Trial, t.Fold, t.Cause)
		if t.Message != "" {
			fmt.Fprintf(w, ": %s", t.Message)
		}
		fmt.Fprintln(w)
	}
}

// Write writes the trial for a person.
func (t Trial) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", t.Name, t.State)
	if t.Incumbent {
		b.WriteString(", the best of its study")
	}
	if t.Cause != "" {
		fmt.Fprintf(&b, " (%s)", t.Cause)
	}
	fmt.Fprintf(&b, "\n%d epochs, rung %d, bracket %d", t.Epochs, t.Rung, t.Bracket)
	if t.Parent != "" {
		fmt.Fprintf(&b, ", continues %s", t.Parent)
	}
	b.WriteString("\n")
	if t.Cost != nil {
		fmt.Fprintf(&b, "Dice %s, %.3g h and %.3g FLOPs a fold\n", score(t.Dice), float64(t.Cost.Hours), t.Cost.FLOPs)
	}
	t.configuration(&b)
	t.network(&b)
	for _, f := range t.Folds {
		f.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t Trial) configuration(w io.Writer) {
	if len(t.Configuration) == 0 {
		fmt.Fprintf(w, "\nConfiguration: the experiment's training settings\n")
		return
	}
	fmt.Fprintf(w, "\nConfiguration\n")
	for _, name := range slices.Sorted(maps.Keys(t.Configuration)) {
		fmt.Fprintf(w, "  %s: %s\n", name, strings.Join(t.Configuration[name].Lines(), "\n    "))
	}
}

func (t Trial) network(w io.Writer) {
	if t.Network == nil {
		return
	}
	lines, err := t.Network.Describe()
	if err != nil {
		return // of another version, perhaps; the files tell
	}
	fmt.Fprintf(w, "\nNetwork\n  %s\n", strings.Join(lines, "\n  "))
}

// shown is how many points of a curve a person is shown.
const shown = 12

func (f Fold) write(w io.Writer) {
	fmt.Fprintf(w, "\nFold %s: %s after %d epochs\n", f.Fold, f.State, f.Epoch)
	if f.Message != "" {
		fmt.Fprintf(w, "  %s\n", f.Message)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Dice)) {
		fmt.Fprintf(w, "  Dice of %s: %s\n", name, score(f.Dice[name]))
	}
	if len(f.Dice) > 0 {
		fmt.Fprintf(w, "  Dice: %s\n", score(f.MeanDice))
	}
	f.curve(w)
	fmt.Fprintf(w, "  Files in %s: %s\n", filepath.ToSlash(f.Directory), strings.Join(f.Files, ", "))
}

// curve writes some points of the curve: equally far apart, the last, and where
// another device took over. What trained them is told where a device did.
func (f Fold) curve(w io.Writer) {
	head, told := "  EPOCH\tLOSS\tVALIDATION LOSS\tPSEUDO-DICE\tSECONDS", false
	for _, e := range f.Curve {
		told = told || e.Device != ""
	}
	if told {
		head += "\tTRAINED ON"
	}
	var rows []string
	step := (len(f.Curve) + shown - 1) / shown
	for i, e := range f.Curve {
		if last, other := i == len(f.Curve)-1, i > 0 && e.Device != f.Curve[i-1].Device; !last && !other && i%step != 0 {
			continue
		}
		row := []any{fmt.Sprintf("  %d", e.Epoch+1), score(e.TrainLoss), score(e.ValidationLoss), score(e.EMA), fmt.Sprintf("%.1f", e.Seconds)}
		if told {
			row = append(row, place(e.Device))
		}
		rows = append(rows, cells(row...))
	}
	if len(rows) > 0 {
		table(w, head, rows)
	}
}

// place names what trained an epoch.
func place(device string) string {
	if device == "" {
		return "the processor"
	}
	return device
}

// WriteList writes one line per run for a person.
func WriteList(w io.Writer, runs []Status) error {
	var b strings.Builder
	var rows []string
	for _, s := range runs {
		last := "–"
		if s.Last != nil {
			last = s.Last.Local().Format(time.DateTime)
		}
		rows = append(rows, cells(s.RunDir, s.State, fmt.Sprintf("%d of %d", s.Epochs.Done, s.Epochs.Total), s.Trainings.Failed, last))
	}
	table(&b, "RUN\tSTATE\tEPOCHS\tFAILED\tLAST EVENT", rows)
	_, err := io.WriteString(w, b.String())
	return err
}
