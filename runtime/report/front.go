package report

import (
	"cmp"
	"slices"

	"runspec/compiler/plan"
	"runspec/runtime/journal"
	"runspec/runtime/pareto"
	"runspec/runtime/search"
)

// Front is what a search with several objectives found: the trials at the top
// rung that none other beats in both Dice and cost, best Dice first.
type Front struct {
	Study   string   `json:"study"`
	Cost    string   `json:"cost"` // what Member.Cost counts: "PFLOP" or "hours"
	Members []Member `json:"members"`
}

// Member is one trial of a front.
type Member struct {
	Trial string  `json:"trial"`
	Dice  float64 `json:"dice"` // mean over foreground and folds
	Cost  float64 `json:"cost"`
}

// fronts are those of a data set's studies that search with two objectives.
func fronts(p *plan.Plan, d plan.Dataset, events []journal.Event) []Front {
	var out []Front
	for _, s := range p.Studies {
		if s.Optimizer.Kind.Objectives() < 2 {
			continue
		}
		if f := front(s, p.Cost, journal.History(events, d.Name, s.Name)); len(f.Members) > 0 {
			out = append(out, f)
		}
	}
	return out
}

func front(s plan.Study, cost plan.Cost, history []search.Observation) Front {
	f, unit := Front{Study: s.Name, Cost: "hours"}, 1.0
	if cost == plan.CostModel {
		f.Cost, unit = "PFLOP", 1e15
	}
	var top []search.Observation
	var points [][]float64
	for _, o := range history {
		if o.Rung == len(s.Rungs)-1 && !o.Failed && len(o.Objectives) == 2 {
			top, points = append(top, o), append(points, o.Objectives)
		}
	}
	for _, i := range pareto.First(points) {
		f.Members = append(f.Members, Member{top[i].ID, 1 - points[i][0], points[i][1] / unit})
	}
	slices.SortFunc(f.Members, func(a, b Member) int {
		return cmp.Or(cmp.Compare(b.Dice, a.Dice), cmp.Compare(a.Cost, b.Cost), cmp.Compare(a.Trial, b.Trial))
	})
	return f
}

func (f Front) title() string { return "Front of " + f.Study + " at full fidelity" }

func (f Front) grid() grid {
	g := grid{left: 1, head: []string{"Trial", "Dice", f.Cost}}
	for _, m := range f.Members {
		g.rows = append(g.rows, line{texts: []string{m.Trial, number(m.Dice, diceDecimals).Text, significant(m.Cost).Text}})
	}
	return g
}
