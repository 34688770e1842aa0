package runtime

import (
	"fmt"
	"strings"
	"testing"

	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
	"runspec/runtime/exchange"
	"runspec/runtime/journal"
)

// validated is a run with cases a, b in fold 0 and c in fold 1, and all three in "all".
func validated() validation {
	result := func(fold plan.Fold, ids ...string) journal.Event {
		f := journal.FoldResult{Fold: fold}
		for _, id := range ids {
			f.Cases = append(f.Cases, journal.CaseResult{ID: id})
		}
		return journal.Event{Dataset: "D", Result: &journal.TrialResult{Folds: []journal.FoldResult{f}}}
	}
	return validationOf("D", []journal.Event{result(0, "a", "b"), result(1, "c"), result(plan.All, "a", "b", "c")})
}

// rows makes cases of "id" or "id@fold", each on its line.
func rows(list ...string) (out []exchange.CaseDice) {
	for i, row := range list {
		id, fold, _ := strings.Cut(row, "@")
		out = append(out, exchange.CaseDice{Case: id, Fold: fold, Line: i + 2, Dice: map[string]float64{"Organ": float64(i) / 8}})
	}
	return out
}

// TestImportedFolds: folds that the run has are taken whole, others are passed over.
func TestImportedFolds(t *testing.T) {
	x := Outside{Source: "t.csv"}
	p := &plan.Plan{Folds: []plan.Fold{0, 1, 2}}
	for list, want := range map[string]string{
		"a b":                       "fold 0 taken; missing there, of the folds of this run: all, 1, 2",
		"a b c":                     "fold 0, 1 taken; missing there, of the folds of this run: all, 2",
		"a@0 b@0 c@1 d@3 e@4":       "fold 0, 1 taken; missing there, of the folds of this run: all, 2; passed over, not trained in this run: 3, 4",
		"a@all b@all c@all":         "fold all taken; missing there, of the folds of this run: 0, 1, 2",
		"a@0 b@0 a@all b@all c@all": "fold all, 0 taken; missing there, of the folds of this run: 1, 2",
	} {
		cases := rows(strings.Fields(list)...)
		r, err := x.resultOf(cases, validated())
		if err != nil {
			t.Errorf("%s: %v", list, err)
		} else if got := takenOf(r, cases, p, validated()).String(); got != want {
			t.Errorf("%s: %s, want %s", list, got, want)
		}
	}
	for list, want := range map[string]string{
		"a b x":       "t.csv:4: case x is no validation case of the folds",
		"a@0 b@0 x@0": "t.csv:4: case x is no validation case of fold 0, which was trained here",
		"a@0 b@0 c@0": "t.csv:4: case c was validated in fold 0 there, in fold 1 here",
		"a@0 b@0 c@2": "t.csv:4: case c was validated in fold 2 there, in fold 1 here",
		"a a":         "t.csv:3: case a of fold 0 is there twice",
		"a":           "t.csv: fold 0 has 2 validation cases, 1 of them are there",
		"x@3":         "t.csv: none of its cases",
	} {
		if _, err := x.resultOf(rows(strings.Fields(list)...), validated()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", list, err, want)
		}
	}
}

// TestImportedMeans: over the cases that have a score.
func TestImportedMeans(t *testing.T) {
	cases := rows("a", "b")
	cases[1].Dice["Other"], cases[0].Dice["Other"] = 0.75, float64(evaluate.Missing())
	r, err := Outside{}.resultOf(cases, validated())
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(r.Folds[0].Dice, r.Folds[0].MeanDice); got != "map[Organ:0.0625 Other:0.75] 0.40625" {
		t.Error(got)
	}
}
