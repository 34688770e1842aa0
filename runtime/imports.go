package runtime

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
	"runspec/runtime/exchange"
	"runspec/runtime/journal"
	"runspec/runtime/lease"
	"runspec/runtime/report"
)

// Outside is the result of another program, to be compared with a run's.
type Outside struct {
	Name    string // of its row
	Source  string // what it was read from, for people
	Dataset string // of the run's plan; "" where that has just one
	Force   bool   // take the place of an import of the same name
	Cases   func(labels []string) ([]exchange.CaseDice, error)
	Labels  []string // that Cases names; nil: it takes the data set's
}

// Import records an outside result in a run's journal, so that its tables have a
// row of it, and writes the report anew. It fails where a process runs there.
func Import(dir string, x Outside) (report.Report, error) {
	p, err := plan.Read(filepath.Join(dir, planFile))
	if err != nil {
		return report.Report{}, fmt.Errorf("%s is no run directory: %w", dir, err)
	}
	held, err := lease.Acquire(dir, lease.Options{})
	if err != nil {
		return report.Report{}, err
	}
	defer held.Release()
	j, err := journal.Open(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		return report.Report{}, err
	}
	defer j.Close()
	e, err := x.event(p, j.Events)
	if err != nil {
		return report.Report{}, err
	}
	if _, err := j.Append(e); err != nil {
		return report.Report{}, err
	}
	r, err := report.New(p, journal.Current(p, j.Events))
	if err == nil {
		_, err = r.WriteAll(filepath.Join(dir, "report"))
	}
	return r, err
}

// event makes the journal's event of an outside result.
func (x Outside) event(p *plan.Plan, events []journal.Event) (journal.Event, error) {
	d, err := x.dataset(p)
	if err != nil {
		return journal.Event{}, err
	}
	if x.Name == "" {
		return journal.Event{}, fmt.Errorf("the result needs a name for its row")
	}
	for _, e := range events {
		if e.Kind == journal.Import && e.Imported != nil && e.Imported.Name == x.Name && e.Dataset == d.Name && !x.Force {
			return journal.Event{}, fmt.Errorf("the run has an import named %q already, of %s; --force takes its place, --name gives another name", x.Name, e.Imported.Source)
		}
	}
	folds := foldsByCase(d.Name, events)
	if len(folds) == 0 {
		return journal.Event{}, fmt.Errorf("no fold of %s has been trained in this run, so it is not known which cases are validated in which fold; run it first", d.Name)
	}
	cases, err := x.Cases(report.Labels(d, events))
	if err != nil {
		return journal.Event{}, err
	}
	result, err := resultOf(cases, folds)
	if err != nil {
		return journal.Event{}, fmt.Errorf("%s: %w", x.Source, err)
	}
	return journal.Event{Kind: journal.Import, Dataset: d.Name, Imported: &journal.Imported{Name: x.Name, Source: x.Source}, Result: result}, nil
}

func (x Outside) dataset(p *plan.Plan) (plan.Dataset, error) {
	if x.Dataset == "" && len(p.Datasets) == 1 {
		return p.Datasets[0], nil
	}
	i := slices.IndexFunc(p.Datasets, func(d plan.Dataset) bool { return d.Name == x.Dataset })
	if i >= 0 {
		return p.Datasets[i], nil
	}
	var names []string
	for _, d := range p.Datasets {
		names = append(names, d.Name)
	}
	return plan.Dataset{}, fmt.Errorf("%q is no data set of the run, which has %v; name one with --dataset", x.Dataset, names)
}

// foldsByCase says in which fold each case is validated, by what has been trained.
func foldsByCase(dataset string, events []journal.Event) map[string]plan.Fold {
	out := map[string]plan.Fold{}
	for _, e := range events {
		if e.Dataset != dataset || e.Kind == journal.Import || e.Result == nil {
			continue
		}
		for _, f := range e.Result.Folds {
			for _, c := range f.Cases {
				out[c.ID] = f.Fold
			}
		}
	}
	return out
}

// resultOf puts cases into their folds. Means are nnU-Net's: over the cases that
// have a score, label by label, then over labels.
func resultOf(cases []exchange.CaseDice, folds map[string]plan.Fold) (*journal.TrialResult, error) {
	byFold := map[plan.Fold][]journal.CaseResult{}
	for _, c := range cases {
		fold, known := folds[c.Case]
		if !known {
			if c.Fold != "" {
				continue // of a fold that this run does not compare
			}
			return nil, fmt.Errorf("line %d: case %s is no validation case of the folds that were trained here", c.Line, c.Case)
		}
		if c.Fold != "" && c.Fold != fold.String() {
			return nil, fmt.Errorf("case %s was validated in fold %s there, in fold %s here: the splits differ, and a model may have been trained on the cases it is judged by", c.Case, c.Fold, fold)
		}
		one := journal.CaseResult{ID: c.Case, Dice: map[string]evaluate.Score{}}
		for l, v := range c.Dice {
			one.Dice[l] = evaluate.Score(v)
		}
		byFold[fold] = append(byFold[fold], one)
	}
	if len(byFold) == 0 {
		return nil, fmt.Errorf("none of its cases was validated in this run")
	}
	out := &journal.TrialResult{}
	for fold, list := range byFold {
		if want := countOf(folds, fold); len(list) != want {
			return nil, fmt.Errorf("fold %s has %d validation cases, %d of them are there: a mean over some would be of another task", fold, want, len(list))
		}
		out.Folds = append(out.Folds, foldResult(fold, list))
	}
	slices.SortFunc(out.Folds, func(a, b journal.FoldResult) int { return int(a.Fold - b.Fold) })
	return out, nil
}

func countOf(folds map[string]plan.Fold, fold plan.Fold) (n int) {
	for _, f := range folds {
		if f == fold {
			n++
		}
	}
	return n
}

func foldResult(fold plan.Fold, cases []journal.CaseResult) journal.FoldResult {
	slices.SortFunc(cases, func(a, b journal.CaseResult) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	f := journal.FoldResult{Fold: fold, Cases: cases, Dice: map[string]evaluate.Score{}, ValidationLoss: evaluate.Missing()}
	f.Cost.Hours = evaluate.Missing()
	total, labels := 0.0, 0
	for l := range cases[0].Dice {
		sum, n := 0.0, 0
		for _, c := range cases {
			if c.Dice[l].Known() {
				sum, n = sum+float64(c.Dice[l]), n+1
			}
		}
		f.Dice[l] = evaluate.Missing()
		if n > 0 {
			f.Dice[l] = evaluate.Score(sum / float64(n))
			total += sum / float64(n)
		}
		labels++
	}
	f.MeanDice = evaluate.Missing()
	if labels > 0 {
		f.MeanDice = evaluate.Score(total / float64(labels))
	}
	return f
}

// SourceOf names a file or folder in a report.
func SourceOf(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return "nnU-Net's model folder " + exchange.Base(path)
	}
	return exchange.Base(path)
}
