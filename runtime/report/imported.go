package report

import (
	"math"
	"slices"

	"runspec/compiler/plan"
	"runspec/runtime/journal"
)

// imported are the outside results that the journal has, in the order in which
// they came, the same for every data set: one that has none of it gets an empty
// row. A later import of a name takes the earlier one's place.
func imported(p *plan.Plan, d plan.Dataset, events []journal.Event) []training {
	var names []string
	for _, e := range events {
		if e.Kind == journal.Import && !slices.Contains(names, e.Imported.Name) {
			names = append(names, e.Imported.Name)
		}
	}
	var out []training
	for _, name := range names {
		t := training{id: name, kind: Imported, label: name, search: math.NaN()}
		last := 0
		for _, e := range events {
			if e.Kind == journal.Import && e.Dataset == d.Name && e.Imported.Name == name {
				last, t.source = e.Sequence, e.Imported.Source
			}
		}
		t.collect(p, events, func(e journal.Event) bool { return e.Sequence == last && last > 0 })
		out = append(out, t)
	}
	return out
}

// epochs are the mean over folds; an outside result's are not known.
func (t training) epochs() Cell {
	if t.kind == Imported {
		return missing()
	}
	return count(mean(t.each(func(f journal.FoldResult) float64 { return float64(f.Cost.Epochs) })))
}

// flops are in 1e15, the mean over folds.
func (t training) flops() Cell {
	if t.kind == Imported {
		return missing()
	}
	return significant(mean(t.each(func(f journal.FoldResult) float64 { return f.Cost.FLOPs / 1e15 })))
}

// Labels are a data set's foreground labels as its tables name them.
func Labels(d plan.Dataset, events []journal.Event) []string {
	var trainings []training
	for _, e := range events {
		if e.Dataset == d.Name && e.Result != nil {
			t := training{folds: map[plan.Fold]journal.FoldResult{}}
			for _, f := range e.Result.Folds {
				t.folds[f.Fold] = f
			}
			trainings = append(trainings, t)
		}
	}
	return foreground(d, trainings)
}
