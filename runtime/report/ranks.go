package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
)

// ranks compares approaches over data sets by the rank of their mean Dice, 1
// being the best and equal ones sharing their mean rank (Demšar 2006). Ranks
// are among the approaches that have all their folds on every data set: a rank
// among fewer would be another number. nil for a single data set.
func ranks(p *plan.Plan, all [][]training) *Table {
	if len(all) < 2 {
		return nil
	}
	t := &Table{Title: fmt.Sprintf("Rank of the mean Dice over %d data sets, 1 is best", len(all))}
	for _, d := range p.Datasets {
		t.Columns = append(t.Columns, Column{"rank/" + d.Name, d.Name})
	}
	t.Columns = append(t.Columns, Column{"mean_rank", "Mean rank"})
	var complete []int // approaches
	for a, first := range all[0] {
		t.Rows = append(t.Rows, Row{ID: first.id, Kind: first.kind, Name: first.label, Cells: slices.Repeat([]Cell{missing()}, len(t.Columns))})
		var lacks []string
		for d := range all {
			if math.IsNaN(all[d][a].dice(p)) {
				lacks = append(lacks, p.Datasets[d].Name)
			}
		}
		if len(lacks) == 0 {
			complete = append(complete, a)
		} else {
			t.Notes = append(t.Notes, fmt.Sprintf("%s is not ranked: it has no full result on %s.", first.short(), strings.Join(lacks, ", ")))
		}
	}
	t.rank(p, all, complete)
	return t
}

// rank fills in the ranks of the complete approaches.
func (t *Table) rank(p *plan.Plan, all [][]training, complete []int) {
	if len(complete) < 2 {
		t.Notes = []string{"Fewer than two approaches have a full result on every data set, so there is nothing to rank."}
		return
	}
	sums, scores := make([]float64, len(complete)), [][]float64{}
	for d := range all {
		var dice, loss []float64
		for _, a := range complete {
			v := all[d][a].dice(p)
			dice, loss = append(dice, v), append(loss, -v)
		}
		scores = append(scores, dice)
		for i, r := range evaluate.Ranks(loss) {
			t.Rows[complete[i]].Cells[d] = half(r)
			sums[i] += r
		}
	}
	for i, a := range complete {
		t.Rows[a].Cells[len(all)] = number(sums[i]/float64(len(all)), 2)
	}
	if len(all) < fewestRanked {
		return
	}
	if chi, probability := evaluate.Friedman(scores); !math.IsNaN(probability) {
		t.Notes = append(t.Notes, fmt.Sprintf("Friedman's test that all rank alike: chi-squared %.3g with %d degrees of freedom, p %.3g.", chi, len(complete)-1, probability))
	}
}

// fewestRanked is the number of data sets below which the chi-squared
// distribution of Friedman's statistic is no approximation to go by.
const fewestRanked = 6

// half shows a rank, which is whole or ends in a half.
func half(rank float64) Cell {
	if rank == math.Trunc(rank) {
		return count(rank)
	}
	return number(rank, 1)
}

// dice is the mean over folds of a complete training, as the tables have it;
// NaN otherwise.
func (t training) dice(p *plan.Plan) float64 {
	if !t.complete(p) {
		return math.NaN()
	}
	if c := dice(t.each(meanDice), len(p.Folds)); c.Value != nil {
		return *c.Value
	}
	return math.NaN()
}
