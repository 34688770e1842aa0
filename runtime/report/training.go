package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
	"runspec/runtime/journal"
	"runspec/runtime/search"
)

// training is what the journal holds of one row: a baseline, or the incumbent
// of a study.
type training struct {
	id      string
	kind    RowKind
	label   string // "nnU-Net default", "hpo incumbent"
	source  string // of an outside result
	trial   search.Trial
	folds   map[plan.Fold]journal.FoldResult // of the plan's folds
	result  journal.TrialResult              // of its last event: features, iterations, parameters
	search  float64                          // hours of an incumbent's whole search; NaN of a baseline
	started bool
	causes  map[plan.Fold]string // of failed folds that have no result
}

// gather collects a data set's trainings in the plan's order.
func gather(p *plan.Plan, d plan.Dataset, events []journal.Event) []training {
	var out []training
	for _, b := range p.Baselines {
		t := training{id: b.Name, kind: Baseline, label: label(p, b), search: math.NaN()}
		t.collect(p, events, func(e journal.Event) bool { return e.Dataset == d.Name && e.Baseline == b.Name })
		out = append(out, t)
	}
	for _, s := range p.Studies {
		t := training{id: s.Name, kind: Incumbent, label: s.Name + " incumbent", search: searchHours(d, s, events)}
		best, ok := search.Incumbent(journal.History(events, d.Name, s.Name))
		if ok {
			t.trial = best.Trial
			t.collect(p, events, func(e journal.Event) bool {
				return e.Dataset == d.Name && e.Study == s.Name && e.Trial.ID == best.ID
			})
		}
		out = append(out, t)
	}
	return append(out, imported(p, d, events)...)
}

// label names a baseline for people, with what the experiment changed in it.
func label(p *plan.Plan, b plan.Baseline) string {
	name := "nnU-Net " + string(b.Planner)
	if b.Planner == nnunet.ConvPlanner {
		name = "nnU-Net default"
	}
	if changes := p.Training.Deviations(); len(changes) > 0 {
		name += " but " + strings.Join(changes, ", ")
	}
	return name
}

// short is a training's name in a sentence.
func (t training) short() string {
	if t.kind != Incumbent {
		return t.label
	}
	return t.id
}

// collect reads the events of one training. A fold trained again counts by its
// last result; folds outside the comparison are left out.
func (t *training) collect(p *plan.Plan, events []journal.Event, mine func(journal.Event) bool) {
	t.folds, t.causes = map[plan.Fold]journal.FoldResult{}, map[plan.Fold]string{}
	for _, e := range events {
		if !mine(e) {
			continue
		}
		t.started, t.trial = true, e.Trial
		if e.Kind == journal.Failure && e.Fold != nil {
			t.causes[*e.Fold] = e.Cause
		}
		if e.Result == nil {
			continue
		}
		t.result = *e.Result
		for _, f := range e.Result.Folds {
			delete(t.causes, f.Fold)
			if slices.Contains(p.Folds, f.Fold) {
				t.folds[f.Fold] = f
			}
		}
	}
}

// failed ends the name of a training that has no result.
const failed = ", failed"

// name says what was really trained.
func (t training) name() string {
	switch {
	case t.kind == Imported:
		return "Imported: " + t.label + ", from " + t.source
	case len(t.folds) > 0 && t.result.Features > 0:
		return fmt.Sprintf("%s, %d features, %s", t.label, t.result.Features, plural(t.result.Iterations, "iteration"))
	case len(t.folds) > 0:
		return fmt.Sprintf("%s, %s", t.label, plural(t.result.Iterations, "iteration"))
	case len(t.causes) > 0:
		return t.label + failed
	case t.started:
		return t.label + ", not finished"
	case t.kind == Incumbent:
		return t.id + ", no incumbent"
	}
	return t.label + ", not trained"
}

// each gives a quantity of every trained fold, in ascending order of folds.
func (t training) each(quantity func(journal.FoldResult) float64) []float64 {
	var out []float64
	for _, fold := range t.numbers() {
		out = append(out, quantity(t.folds[fold]))
	}
	return out
}

// numbers are the trained folds, ascending.
func (t training) numbers() []plan.Fold {
	var out []plan.Fold
	for fold := range t.folds {
		out = append(out, fold)
	}
	slices.Sort(out)
	return out
}

func (t training) row(p *plan.Plan, labels []string, against *training) Row {
	r := Row{ID: t.id, Kind: t.kind, Name: t.name()}
	for _, l := range labels {
		r.Cells = append(r.Cells, dice(t.each(func(f journal.FoldResult) float64 { return score(f.Dice, l) }), len(p.Folds)))
	}
	r.Cells = append(r.Cells,
		dice(t.each(meanDice), len(p.Folds)),
		t.difference(against),
		folds(len(t.folds), len(p.Folds)),
		t.epochs(),
		significant(mean(t.each(func(f journal.FoldResult) float64 { return float64(f.Cost.Hours) }))),
	)
	if len(p.Studies) > 0 {
		r.Cells = append(r.Cells, significant(t.search))
	}
	if p.Cost == plan.CostModel {
		r.Cells = append(r.Cells, t.flops())
	}
	parameters := math.NaN()
	if t.result.Parameters > 0 {
		parameters = float64(t.result.Parameters)
	}
	return Row{r.ID, r.Kind, r.Name, append(r.Cells, count(parameters))}
}

// complete says whether every planned fold has a result.
func (t training) complete(p *plan.Plan) bool { return len(t.folds) == len(p.Folds) }

func meanDice(f journal.FoldResult) float64 { return float64(f.MeanDice) }

func score(dice map[string]evaluate.Score, label string) float64 {
	if v, ok := dice[label]; ok {
		return float64(v)
	}
	return math.NaN()
}

// difference is of mean Dice, and only between trainings of the same folds:
// another fold is another task.
func (t training) difference(against *training) Cell {
	if against == nil || against.id == t.id || !slices.Equal(t.numbers(), against.numbers()) {
		return missing()
	}
	return signed(mean(t.each(meanDice)) - mean(against.each(meanDice)))
}

// reference finds the baseline that differences are taken to.
func reference(p *plan.Plan, trainings []training) *training {
	for i, t := range trainings {
		if t.kind == Baseline && t.id == p.Report.Against {
			return &trainings[i]
		}
	}
	return nil
}

// foreground names the labels in the data set's order, or, where its
// description is not known, those of the results, sorted.
func foreground(d plan.Dataset, trainings []training) []string {
	var out []string
	for _, l := range d.Description.Labels {
		ignored := d.Description.Ignore > 0 && slices.Equal(l.Values, []int{d.Description.Ignore})
		if !ignored && !slices.Equal(l.Values, []int{0}) {
			out = append(out, l.Name)
		}
	}
	if len(d.Description.Labels) > 0 {
		return out
	}
	for _, t := range trainings {
		for _, f := range t.folds {
			for l := range f.Dice {
				out = append(out, l)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
