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
	s.Space = l.space(n.field("space"), p.Datasets)
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
	if w, given := o.field("workers").int(); given {
		s.Optimizer.Workers = w
	} else if s.Optimizer.Kind == plan.ParetoBayes && p.Cost == plan.CostModel {
		s.Optimizer.Workers = modelWorkers
	}
	if s.Optimizer.Kind.PriorBands() {
		s.Optimizer.Compat, _ = o.field("compat").text()
		s.Optimizer.Prior, s.Optimizer.Eta, s.Optimizer.Min = true, p.Fidelity.Eta, p.Fidelity.Min
	}
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
	given := o.field("trials")
	trials, ok := given.int()
	budget, limited := budgetOf(epochs)
	switch {
	case given.set() && !ok, epochs.set() && !limited:
		return // check has objected
	case !given.set() && !limited:
		l.add(o, diag.NoTrials, "Number of trials unknown",
			"Study %s says neither how many trials it has nor what it may spend. Give its optimizer `trials`, or the study or the experiment `budget: epochs`.", s.Name)
		return
	}
	s.Optimizer.Trials = trials
	if s.Optimizer.Kind == plan.ParetoBayes {
		l.shares(n, epochs, s, f, budget)
		return
	}
	if s.Optimizer.Kind.Bracketed() {
		l.brackets(n, epochs, s, f, budget)
		return
	}
	if !given.set() {
		s.Optimizer.Trials = plan.Affordable(s.Optimizer.Kind, f, budget)
	}
	s.Rungs = plan.Ladder(s.Optimizer.Kind, f, s.Optimizer.Trials)
	l.affordable(n, epochs, s, f, budget)
}

// budgetOf reads the budget that an epochs field belongs to.
func budgetOf(epochs node) (plan.Budget, bool) {
	n, limited := epochs.int()
	count, _ := epochs.parent.field("count").text()
	return plan.Budget{Epochs: n, Count: plan.Counting(count)}, limited
}

// brackets settles the brackets of Hyperband: all that the trials and the
// budget allow. Somebody must reach the top rung.
func (l *lowering) brackets(n, epochs node, s *plan.Study, f plan.Fidelity, budget plan.Budget) {
	s.Brackets = plan.Schedule(f, s.Optimizer, budget)
	s.Rungs, s.Optimizer.Trials = plan.Gather(f, s.Brackets)
	if budget.Epochs > 0 {
		s.Budget = &budget
	}
	if top := s.Rungs[len(s.Rungs)-1]; top.Trials < 1 {
		first := plan.Iteration(f)[0].Trials[0]
		l.add(l.blame(n, epochs), diag.TooFewTrials, "Too few trials",
			"Study %s gets through %d trials at its lowest rung, so none reaches its top rung of %d epochs. Its first bracket takes %d, which cost %d epochs in all. Raise the trials or the budget, or fidelity.min, which drops rungs.",
			s.Name, s.Rungs[0].Trials, top.Epochs, first, budget.Count.Spent(plan.Ladder(s.Optimizer.Kind, f, first)))
	}
}

// modelWorkers are those of a Pareto-Bayes study's virtual clock under cost
// "model", which no real time may change.
const modelWorkers = 4

// shares settles what Pareto-Bayes spends at each rung. Without a budget its
// trials are as many at the top rung.
func (l *lowering) shares(n, epochs node, s *plan.Study, f plan.Fidelity, budget plan.Budget) {
	if budget.Epochs == 0 {
		budget = plan.Budget{Epochs: s.Optimizer.Trials * f.Max, Count: plan.CountTrained}
	}
	s.Budget = &budget
	s.Rungs, s.Optimizer.Trials = plan.Allocate(f, s.Optimizer, budget), 0
	for _, r := range s.Rungs {
		s.Optimizer.Trials += r.Trials
	}
	if top := s.Rungs[len(s.Rungs)-1]; top.Trials < 1 {
		l.add(l.blame(n, epochs), diag.TooFewTrials, "Too few trials",
			"Study %s has %d epochs to spend, too few for a trial at its top rung of %d epochs after those below. Raise the trials or the budget.",
			s.Name, budget.Epochs, top.Epochs)
	}
}

// blame is what a person would change in a study that is too small or too dear.
func (l *lowering) blame(n, epochs node) node {
	if at := n.field("optimizer").field("trials"); at.set() {
		return at
	}
	return epochs
}

// affordable checks a study's rungs against its budget.
func (l *lowering) affordable(n, epochs node, s *plan.Study, f plan.Fidelity, budget plan.Budget) {
	at := l.blame(n, epochs)
	if top := s.Rungs[len(s.Rungs)-1]; top.Trials < 1 {
		least := int(math.Pow(float64(f.Eta), float64(len(s.Rungs)-1)))
		l.add(at, diag.TooFewTrials, "Too few trials",
			"Study %s has %d trials, so none reaches its top rung of %d epochs. It takes %d, which train %d epochs in all. Raise the trials or the budget, or fidelity.min, which drops rungs.",
			s.Name, s.Optimizer.Trials, top.Epochs, least, budget.Count.Spent(plan.Ladder(s.Optimizer.Kind, f, least)))
		return
	}
	if cost := budget.Count.Spent(s.Rungs); budget.Epochs > 0 && cost > budget.Epochs {
		l.add(at, diag.OverBudget, "Budget exceeded",
			"The trials of study %s train %d epochs on a fold, its budget is %d. Lower trials, or raise the budget to %d.", s.Name, cost, budget.Epochs, cost)
	}
}
