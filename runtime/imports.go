package runtime

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
}

// Import records an outside result in a run's journal, so that its tables have a
// row of it, and writes the report anew. It fails where a process runs there.
func Import(dir string, x Outside) (report.Report, Taken, error) {
	p, err := plan.Read(filepath.Join(dir, planFile))
	if err != nil {
		return report.Report{}, Taken{}, fmt.Errorf("%s is no run directory: %w", dir, err)
	}
	held, err := lease.Acquire(dir, lease.Options{})
	if err != nil {
		return report.Report{}, Taken{}, err
	}
	defer held.Release()
	j, err := journal.Open(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		return report.Report{}, Taken{}, err
	}
	defer j.Close()
	e, taken, err := x.event(p, j.Events)
	if err != nil {
		return report.Report{}, Taken{}, err
	}
	if _, err := j.Append(e); err != nil {
		return report.Report{}, Taken{}, err
	}
	r, err := report.New(p, journal.Current(p, j.Events))
	if err == nil {
		_, err = r.WriteAll(filepath.Join(dir, "report"))
	}
	return r, taken, err
}

// event makes the journal's event of an outside result, and says which folds it has.
func (x Outside) event(p *plan.Plan, events []journal.Event) (journal.Event, Taken, error) {
	d, err := x.dataset(p)
	if err != nil {
		return journal.Event{}, Taken{}, err
	}
	if x.Name == "" {
		return journal.Event{}, Taken{}, fmt.Errorf("the result needs a name for its row")
	}
	for _, e := range events {
		if e.Kind == journal.Import && e.Imported != nil && e.Imported.Name == x.Name && e.Dataset == d.Name && !x.Force {
			return journal.Event{}, Taken{}, fmt.Errorf("the run has an import named %q already, of %s; --force takes its place, --name gives another name", x.Name, e.Imported.Source)
		}
	}
	v := validationOf(d.Name, events)
	if len(v) == 0 {
		return journal.Event{}, Taken{}, fmt.Errorf("no fold of %s has been trained in this run, so it is not known which cases are validated in which fold; run it first", d.Name)
	}
	cases, err := x.Cases(report.Labels(d, events))
	if err != nil {
		return journal.Event{}, Taken{}, err
	}
	result, err := x.resultOf(cases, v)
	if err != nil {
		return journal.Event{}, Taken{}, err
	}
	return journal.Event{Kind: journal.Import, Dataset: d.Name, Imported: &journal.Imported{Name: x.Name, Source: x.Source}, Result: result}, takenOf(result, cases, p, v), nil
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

// validation are the cases that each fold is validated on.
type validation map[plan.Fold]map[string]bool

// validationOf says so by what has been trained.
func validationOf(dataset string, events []journal.Event) validation {
	out := validation{}
	for _, e := range events {
		if e.Dataset != dataset || e.Kind == journal.Import || e.Result == nil {
			continue
		}
		for _, f := range e.Result.Folds {
			if out[f.Fold] == nil {
				out[f.Fold] = map[string]bool{}
			}
			for _, c := range f.Cases {
				out[f.Fold][c.ID] = true
			}
		}
	}
	return out
}

// split is the fold other than "all", which has every case, that validates a case.
func (v validation) split(id string) (plan.Fold, bool) {
	for fold, cases := range v {
		if fold != plan.All && cases[id] {
			return fold, true
		}
	}
	return plan.All, v[plan.All][id]
}

// place is the fold of the run that a case counts in; false: in none, since it was
// validated in a fold that this run does not compare.
func (v validation) place(c exchange.CaseDice) (plan.Fold, bool, error) {
	here, known := v.split(c.Case)
	if c.Fold == "" {
		if !known {
			return 0, false, fmt.Errorf("case %s is no validation case of the folds that were trained here", c.Case)
		}
		return here, true, nil
	}
	there, err := plan.ParseFold(c.Fold)
	if err != nil {
		return 0, false, err
	}
	if v[there][c.Case] {
		return there, true, nil
	}
	if known && here != plan.All && there != plan.All {
		return 0, false, fmt.Errorf("case %s was validated in fold %s there, in fold %s here: the splits differ, and a model may have been trained on the cases it is judged by", c.Case, there, here)
	}
	if v[there] != nil {
		return 0, false, fmt.Errorf("case %s is no validation case of fold %s, which was trained here", c.Case, there)
	}
	return 0, false, nil
}

// resultOf puts cases into their folds. Means are nnU-Net's: over the cases that
// have a score, label by label, then over labels. Errors begin with the source, and
// the line where it has lines.
func (x Outside) resultOf(cases []exchange.CaseDice, v validation) (*journal.TrialResult, error) {
	byFold := map[plan.Fold][]journal.CaseResult{}
	for _, c := range cases {
		fold, counts, err := v.place(c)
		if err == nil && slices.ContainsFunc(byFold[fold], func(other journal.CaseResult) bool { return counts && other.ID == c.Case }) {
			err = fmt.Errorf("case %s of fold %s is there twice", c.Case, fold)
		}
		if err != nil && c.Line > 0 {
			return nil, fmt.Errorf("%s:%d: %w", x.Source, c.Line, err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.Source, err)
		}
		if !counts {
			continue
		}
		one := journal.CaseResult{ID: c.Case, Dice: map[string]evaluate.Score{}}
		for l, d := range c.Dice {
			one.Dice[l] = evaluate.Score(d)
		}
		byFold[fold] = append(byFold[fold], one)
	}
	if len(byFold) == 0 {
		return nil, fmt.Errorf("%s: none of its cases was validated in this run", x.Source)
	}
	out := &journal.TrialResult{}
	for _, fold := range slices.Sorted(maps.Keys(byFold)) {
		if have, want := len(byFold[fold]), len(v[fold]); have != want {
			return nil, fmt.Errorf("%s: fold %s has %d validation cases, %d of them are there: a mean over some would be of another task", x.Source, fold, want, have)
		}
		out.Folds = append(out.Folds, foldResult(fold, byFold[fold]))
	}
	return out, nil
}

// Taken are the folds of an outside result that count in a run.
type Taken struct {
	Folds   []plan.Fold
	Missing []plan.Fold // the run compares them, the source lacks them
	Over    []plan.Fold // the source has them, the run has not trained them
}

// takenOf compares a result's folds with those of its source and of the run.
func takenOf(r *journal.TrialResult, cases []exchange.CaseDice, p *plan.Plan, v validation) (t Taken) {
	over, missing := map[plan.Fold]bool{}, map[plan.Fold]bool{}
	for _, c := range cases {
		if fold, err := plan.ParseFold(c.Fold); err == nil && v[fold] == nil {
			over[fold] = true
		}
	}
	for _, fold := range slices.Concat(p.Folds, slices.Collect(maps.Keys(v))) {
		missing[fold] = true
	}
	for _, f := range r.Folds {
		t.Folds = append(t.Folds, f.Fold)
		delete(missing, f.Fold)
	}
	t.Missing, t.Over = slices.Sorted(maps.Keys(missing)), slices.Sorted(maps.Keys(over))
	return t
}

// String is for people.
func (t Taken) String() string {
	list := func(folds []plan.Fold) string {
		var names []string
		for _, f := range folds {
			names = append(names, f.String())
		}
		return strings.Join(names, ", ")
	}
	text := "fold " + list(t.Folds) + " taken"
	if len(t.Missing) > 0 {
		text += "; missing there, of the folds of this run: " + list(t.Missing)
	}
	if len(t.Over) > 0 {
		text += "; passed over, not trained in this run: " + list(t.Over)
	}
	return text
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
