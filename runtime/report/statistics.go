package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
	"runspec/runtime/journal"
)

// Statistics describe a table's trainings case by case, and compare them with
// the table's reference in pairs. Trainings that lack a fold are left out.
type Statistics struct {
	Title   string       `json:"title"`
	Columns []Column     `json:"columns"`
	Rows    []Comparison `json:"rows"` // the mean over labels first, then label by label
	Notes   []string     `json:"notes"`
}

// Comparison is one training's cases under one label.
type Comparison struct {
	ID   string `json:"id"` // of the table's row
	Name string `json:"name"`
	Scope
	Cells []Cell `json:"cells"` // in the order of Columns
}

// Scope is what statistics are of.
type Scope struct {
	Label  string `json:"label"`            // "": a case's mean over the labels it has a score of
	Unseen bool   `json:"unseen,omitempty"` // only folds by which no study chose its incumbent
}

// column is a quantity's column of CSV.
func (s Scope) column(quantity string) string {
	if s.Unseen {
		quantity += "_unseen"
	}
	return under(quantity, s.Label)
}

// compared lists what a table's statistics are of. Of a single label the mean
// is that label's. Where studies chose by some of the folds, the others are
// looked at by themselves too, as only these tell what a choice is worth.
func compared(p *plan.Plan, labels []string) []Scope {
	out := []Scope{{}}
	if folds := unseen(p); len(folds) > 0 && len(folds) < len(p.Folds) {
		out = append(out, Scope{Unseen: true})
	}
	if len(labels) > 1 {
		for _, l := range labels {
			out = append(out, Scope{Label: l})
		}
	}
	return out
}

// unseen are the plan's folds that no study chose by.
func unseen(p *plan.Plan) []plan.Fold {
	return slices.DeleteFunc(slices.Clone(p.Folds), func(fold plan.Fold) bool {
		return slices.ContainsFunc(p.Studies, func(s plan.Study) bool { return slices.Contains(s.Folds, fold) })
	})
}

// folds are those of a scope.
func (s Scope) folds(p *plan.Plan) []plan.Fold {
	if s.Unseen {
		return unseen(p)
	}
	return p.Folds
}

// statisticColumns are those of every Statistics. All from "case_difference" on
// are of pairs, so the reference has none of them.
var statisticColumns = []Column{
	{"cases", "Cases"},
	{"median", "Median"}, {"quartile_low", "Lower quartile"}, {"quartile_high", "Upper quartile"}, {"worst", "Worst"},
	{"case_difference", "Difference"}, {"ci_low", "95 % from"}, {"ci_high", "95 % to"},
	{"wins", "Wins"}, {"ties", "Ties"}, {"losses", "Losses"},
	{"effect", "Effect"}, {"p", "p"}, {"p_holm", "p Holm"},
}

// statistics is nil where no training is complete, or the journal has no cases.
func statistics(p *plan.Plan, labels []string, trainings []training) *Statistics {
	against := reference(p, trainings)
	if against != nil && !against.complete(p) {
		against = nil
	}
	s := &Statistics{Title: "Over cases", Columns: statisticColumns, Notes: []string{}}
	unpaired := 0
	for _, of := range compared(p, labels) {
		rows, left := compare(p, of, trainings, against)
		s.Rows = append(s.Rows, rows...)
		unpaired = max(unpaired, left)
	}
	if len(s.Rows) == 0 {
		return nil
	}
	if s.inPairs() {
		s.Title += ", and in pairs against " + against.label
		s.Notes = append(s.Notes, method(s))
		if text := favoured(p, trainings); text != "" {
			s.Notes = append(s.Notes, text)
		}
	}
	if unpaired > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("Where one of two trainings has no score of a case, since neither reference nor prediction has the label, the pair is left out: up to %s in a comparison.", plural(unpaired, "case")))
	}
	return s
}

// inPairs says whether anything is compared.
func (s *Statistics) inPairs() bool {
	return slices.ContainsFunc(s.Rows, func(c Comparison) bool { return c.Cells[slices.IndexFunc(s.Columns, difference)].Value != nil })
}

func difference(c Column) bool { return c.ID == "case_difference" }

// compare makes the rows of one label, and says how many cases at most had no
// partner.
func compare(p *plan.Plan, of Scope, trainings []training, against *training) (rows []Comparison, unpaired int) {
	folds := of.folds(p)
	var results []evaluate.Comparison
	for _, t := range trainings {
		scores := t.cases(of.Label, folds)
		if !t.complete(p) || len(scores) == 0 {
			continue
		}
		c := evaluate.ComparePairs(nil)
		if against != nil && against.id != t.id {
			theirs := against.cases(of.Label, folds)
			differences := pairs(scores, theirs)
			c = evaluate.ComparePairs(differences)
			unpaired = max(unpaired, len(scores)-len(differences), len(theirs)-len(differences))
		}
		results = append(results, c)
		rows = append(rows, Comparison{t.id, t.label, of, spread(scores)})
	}
	var tests []float64
	for _, c := range results {
		tests = append(tests, c.P)
	}
	for i, holm := range evaluate.Holm(tests) {
		rows[i].Cells = append(rows[i].Cells, paired(results[i], holm)...)
	}
	return rows, unpaired
}

// spread fills the columns before "case_difference".
func spread(scores map[caseID]float64) []Cell {
	var values []float64
	for _, v := range scores {
		values = append(values, v)
	}
	s := evaluate.SpreadOf(values)
	return []Cell{count(float64(s.N)), number(s.Median, diceDecimals), number(s.Lower, diceDecimals), number(s.Upper, diceDecimals), number(s.Least, diceDecimals)}
}

// paired fills the columns from "case_difference" on.
func paired(c evaluate.Comparison, holm float64) []Cell {
	if c.Pairs == 0 {
		return slices.Repeat([]Cell{missing()}, len(statisticColumns)-len(spread(nil)))
	}
	return []Cell{
		signed(c.Mean), signed(c.Low), signed(c.High),
		count(float64(c.Wins)), count(float64(c.Ties)), count(float64(c.Losses)),
		plus(number(c.Effect, 2)), probability(c.P), probability(holm),
	}
}

// caseID names a case within a training; folds share none.
type caseID struct {
	fold plan.Fold
	name string
}

// cases gives the training's scores in folds, case by case: of a label, or, for
// "", the mean over the labels that have a score in the case. What has none is
// left out.
func (t training) cases(label string, folds []plan.Fold) map[caseID]float64 {
	out := map[caseID]float64{}
	for _, fold := range folds {
		for _, c := range t.folds[fold].Cases {
			v := score(c.Dice, label)
			if label == "" {
				v = caseMean(c)
			}
			if !math.IsNaN(v) {
				out[caseID{fold, c.ID}] = v
			}
		}
	}
	return out
}

func caseMean(c journal.CaseResult) float64 {
	var known []float64
	for _, v := range c.Dice {
		if v.Known() {
			known = append(known, float64(v))
		}
	}
	slices.Sort(known) // a sum's last digit depends on the order
	return mean(known)
}

// pairs gives the differences of the cases that both have, in the order of
// folds and names.
func pairs(a, b map[caseID]float64) []float64 {
	var both []caseID
	for id := range a {
		if _, ok := b[id]; ok {
			both = append(both, id)
		}
	}
	slices.SortFunc(both, func(x, y caseID) int {
		if x.fold != y.fold {
			return cmp.Compare(x.fold, y.fold)
		}
		return strings.Compare(x.name, y.name)
	})
	var out []float64
	for _, id := range both {
		out = append(out, a[id]-b[id])
	}
	return out
}

// method says what the paired columns are.
func method(s *Statistics) string {
	text := "Difference: mean over cases [95 % BCa bootstrap interval]; W/T/L: cases better/equal/worse; effect: matched-pairs rank-biserial; " +
		"p: two-sided Wilcoxon signed-rank test (equal cases left out, exact up to 50 others); Holm: p adjusted for all trainings compared. " +
		"The sample is the cases: it does not tell how another seed would do."
	for _, r := range s.Rows {
		if v := r.Cells[0].Value; v != nil && *v < evaluate.FewestPairs {
			return text + fmt.Sprintf(" Fewer than %d cases (here %d) give no interval and no p.", evaluate.FewestPairs, int(*v))
		}
	}
	return text
}

// favoured names the studies that chose their incumbent by cases that it is
// compared on.
func favoured(p *plan.Plan, trainings []training) string {
	byFolds := map[string][]string{}
	var order []string
	for _, s := range p.Studies {
		var shared []plan.Fold
		for _, f := range s.Folds {
			if slices.Contains(p.Folds, f) {
				shared = append(shared, f)
			}
		}
		if i := slices.IndexFunc(trainings, func(t training) bool { return t.id == s.Name }); i < 0 || !trainings[i].complete(p) || len(shared) == 0 {
			continue
		}
		key := list(shared)
		if byFolds[key] == nil {
			order = append(order, key)
		}
		byFolds[key] = append(byFolds[key], s.Name)
	}
	elsewhere := ""
	if folds := unseen(p); len(folds) > 0 {
		elsewhere = "; \"mean, unseen\" is of the other folds alone (" + list(folds) + ")"
	}
	var out []string
	for _, folds := range order {
		noun := "fold"
		if strings.Contains(folds, ",") {
			noun = "folds"
		}
		out = append(out, fmt.Sprintf("The configuration of %s was chosen by its Dice on %s %s, so the difference there is optimistic%s.", strings.Join(byFolds[folds], " and of "), noun, folds, elsewhere))
	}
	return strings.Join(out, " ")
}

// searchHours sums the training hours of a study's trials on a data set: what
// its incumbent has cost. A trial that climbs a rung pays for the epochs it adds
// to its parent's. NaN before the first result; the hours of failed trials are
// not known.
func searchHours(d plan.Dataset, s plan.Study, events []journal.Event) float64 {
	type key struct {
		trial string
		fold  plan.Fold
	}
	spent, total := map[key]float64{}, math.NaN()
	for _, e := range events {
		if e.Dataset != d.Name || e.Study != s.Name || e.Result == nil {
			continue
		}
		for _, f := range e.Result.Folds {
			hours := float64(f.Cost.Hours)
			if _, again := spent[key{e.Trial.ID, f.Fold}]; again || !slices.Contains(s.Folds, f.Fold) || math.IsNaN(hours) {
				continue
			}
			spent[key{e.Trial.ID, f.Fold}] = hours
			if math.IsNaN(total) {
				total = 0
			}
			total += max(0, hours-spent[key{e.Trial.Parent, f.Fold}])
		}
	}
	return total
}
