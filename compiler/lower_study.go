package compiler

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"runspec/compiler/diag"
	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
)

var studyName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

func (l *lowering) studies(root node, p *plan.Plan) []plan.Study {
	studies := []plan.Study{}
	for _, n := range root.field("studies").fields() {
		if !studyName.MatchString(n.name) {
			l.found = append(l.found, n.s.diagnostic(n.label(), diag.BadFormat, "Text of another form",
				fmt.Sprintf("A study is named %q. Its name is part of file names: use letters, digits, \"-\" and \"_\", and begin with a letter.", n.name)))
		}
		studies = append(studies, l.study(n.or("study"), root, p))
	}
	slices.SortFunc(studies, func(a, b plan.Study) int { return strings.Compare(a.Name, b.Name) })
	return studies
}

func (l *lowering) study(n, root node, p *plan.Plan) plan.Study {
	s := plan.Study{Name: n.name, Seed: plan.StudySeed(p.Seed, n.name), Folds: p.Folds}
	s.Space = l.space(n.field("space"))
	planner, _ := n.field("planner").text()
	s.Planner = nnunet.Planner(planner)
	if f := n.field("folds"); f.set() {
		s.Folds = l.folds(f)
	}
	o := n.field("optimizer")
	kind, _ := o.field("kind").text()
	s.Optimizer.Kind = plan.OptimizerKind(kind)
	s.Optimizer.Prior, _ = o.field("prior").truth()
	s.Optimizer.Default, _ = o.field("default").truth()
	l.trials(n, root, &s, p.Fidelity)
	return s
}

// trials settles how many trials a study has, and its rungs.
func (l *lowering) trials(n, root node, s *plan.Study, f plan.Fidelity) {
	o := n.field("optimizer")
	if s.Optimizer.Kind == "" || f.Min < 1 || f.Max < f.Min || f.Eta < 2 {
		return // check, or fidelity, has objected
	}
	epochs := n.field("budget").field("epochs")
	if !n.field("budget").set() {
		epochs = root.field("budget").field("epochs")
	}
	budget, limited := epochs.int()
	given := o.field("trials")
	trials, ok := given.int()
	switch {
	case given.set() && !ok, epochs.set() && !limited:
		return // check has objected
	case !given.set() && !limited:
		l.add(o, diag.NoTrials, "Number of trials unknown",
			"Study %s says neither how many trials it has nor what it may spend. Give its optimizer `trials`, or the study or the experiment `budget: epochs`.", s.Name)
		return
	case !given.set():
		trials = plan.Affordable(s.Optimizer.Kind, f, budget)
	}
	s.Optimizer.Trials = trials
	s.Rungs = plan.Ladder(s.Optimizer.Kind, f, trials)
	l.affordable(n, epochs, s, f, budget)
}

// affordable checks a study's rungs against its budget.
func (l *lowering) affordable(n, epochs node, s *plan.Study, f plan.Fidelity, budget int) {
	at := n.field("optimizer").field("trials")
	if !at.set() {
		at = epochs
	}
	if top := s.Rungs[len(s.Rungs)-1]; top.Trials < 1 {
		least := int(math.Pow(float64(f.Eta), float64(len(s.Rungs)-1)))
		l.add(at, diag.TooFewTrials, "Too few trials",
			"Study %s has %d trials, so none reaches its top rung of %d epochs. It takes %d, which train %d epochs in all. Raise the trials or the budget, or fidelity.min, which drops rungs.",
			s.Name, s.Optimizer.Trials, top.Epochs, least, plan.Epochs(plan.Ladder(s.Optimizer.Kind, f, least)))
		return
	}
	if cost := plan.Epochs(s.Rungs); budget > 0 && cost > budget {
		l.add(at, diag.OverBudget, "Budget exceeded",
			"The trials of study %s train %d epochs on a fold, its budget is %d. Lower trials, or raise the budget to %d.", s.Name, cost, budget, cost)
	}
}
