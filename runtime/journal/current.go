package journal

import (
	"slices"

	"runspec/compiler/plan"
)

// Current leaves out what a plan of a larger budget has superseded: events of
// trials that the plan trains for more epochs, which go on from their
// checkpoints, and results of trials that it judges by more folds, whose folds
// count still. Trials of configurations below a study's first, from before a
// warm start, are observations however long they were trained.
func Current(p *plan.Plan, events []Event) []Event {
	var out []Event
	for _, e := range events {
		if e.current(p) {
			out = append(out, e)
		}
	}
	return out
}

// current is true too of events that are not about trials of the plan: whether
// they may be there is for others to say.
func (e Event) current(p *plan.Plan) bool {
	epochs, folds := e.Trial.Epochs, []plan.Fold(nil)
	switch {
	case e.Baseline != "":
		epochs, folds = p.Fidelity.Max, p.Folds
	case e.Study != "":
		i := slices.IndexFunc(p.Studies, func(s plan.Study) bool { return s.Name == e.Study })
		if i < 0 {
			return true
		}
		s := p.Studies[i]
		folds = s.Folds
		if e.Trial.Number() >= s.First {
			if e.Trial.Rung >= len(s.Rungs) {
				return false
			}
			epochs = s.Rungs[e.Trial.Rung].Epochs
		}
	}
	if e.Trial.Epochs != epochs {
		return false
	}
	return e.Kind != Result || e.Result == nil || e.Result.has(folds)
}

func (r TrialResult) has(folds []plan.Fold) bool {
	for _, want := range folds {
		if !slices.ContainsFunc(r.Folds, func(f FoldResult) bool { return f.Fold == want }) {
			return false
		}
	}
	return true
}
