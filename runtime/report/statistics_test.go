package report

import (
	"encoding/csv"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
	"runspec/runtime/journal"
	"runspec/runtime/search"
)

// trained is a result of folds, each with the Dice of its cases under the
// labels a and b.
func trained(folds ...[][2]float64) *journal.TrialResult {
	r := &journal.TrialResult{}
	for n, cases := range folds {
		f := journal.FoldResult{Fold: plan.Fold(n), Dice: map[string]evaluate.Score{}, Cost: journal.Cost{Epochs: 1}}
		for i, c := range cases {
			dice := map[string]evaluate.Score{"a": evaluate.Score(c[0]), "b": evaluate.Score(c[1])}
			f.Cases = append(f.Cases, journal.CaseResult{ID: fmt.Sprint("case", i), Dice: dice})
			f.MeanDice += evaluate.Score((c[0] + c[1]) / 2 / float64(len(cases)))
		}
		f.Dice["a"], f.Dice["b"] = f.MeanDice, f.MeanDice
		r.Folds = append(r.Folds, f)
	}
	r.Objectives = []evaluate.Score{1 - r.Folds[0].MeanDice}
	return r
}

// contest is a plan of a baseline against two studies, and what they came to.
func contest(base, x, y *journal.TrialResult, datasets ...string) (*plan.Plan, []journal.Event) {
	p := &plan.Plan{
		Name: "contest", Folds: []plan.Fold{0, 1},
		Baselines: []plan.Baseline{{Name: "base", Planner: nnunet.ConvPlanner}},
		Studies:   []plan.Study{{Name: "x", Folds: []plan.Fold{0}}, {Name: "y", Folds: []plan.Fold{0}}},
		Report:    plan.Report{Against: "base"},
	}
	var events []journal.Event
	for _, d := range datasets {
		p.Datasets = append(p.Datasets, plan.Dataset{Name: d})
		for _, e := range []journal.Event{
			{Kind: journal.Result, Baseline: "base", Result: base},
			{Kind: journal.Result, Study: "x", Trial: search.Trial{ID: "x0"}, Result: x},
			{Kind: journal.Result, Study: "y", Trial: search.Trial{ID: "y0"}, Result: y},
		} {
			e.Dataset = d
			if e.Result != nil {
				events = append(events, e)
			}
		}
	}
	return p, events
}

// shifted gives two folds of cases, of which some are better by 0.01 k under
// label a.
func shifted(better ...float64) *journal.TrialResult {
	var folds [2][][2]float64
	for i, b := range better {
		folds[i%2] = append(folds[i%2], [2]float64{0.5 + 0.01*b, 0.6})
	}
	return trained(folds[0], folds[1])
}

func statistic(t *testing.T, table Table, id, label string) map[string]string {
	t.Helper()
	return statisticOf(t, table, id, Scope{Label: label})
}

func statisticOf(t *testing.T, table Table, id string, of Scope) map[string]string {
	t.Helper()
	for _, r := range table.Statistics.Rows {
		if r.ID == id && r.Scope == of {
			out := map[string]string{}
			for i, c := range table.Statistics.Columns {
				out[c.ID] = r.Cells[i].Text
			}
			return out
		}
	}
	t.Fatalf("no statistics of %s, %+v", id, of)
	return nil
}

func expect(t *testing.T, what string, got map[string]string, want map[string]string) {
	t.Helper()
	for column, text := range want {
		if got[column] != text {
			t.Errorf("%s, %s: %q, want %q", what, column, got[column], text)
		}
	}
}

func TestStatistics(t *testing.T) {
	p, events := contest(shifted(0, 0, 0, 0, 0, 0, 0), shifted(1, 2, 3, 4, 5, 6, -7), shifted(1, 2, 3, 4, 5, 6, 0), "D")
	table := build(t, p, events).Tables[0]
	if table.Title != "D: Dice on 7 validation cases, mean ± standard deviation over folds 0, 1" {
		t.Error(table.Title)
	}
	expect(t, "base", statistic(t, table, "base", ""), map[string]string{
		"cases": "7", "median": "0.5500", "worst": "0.5500", "case_difference": dash, "wins": dash, "p": dash, "p_holm": dash})
	// Ranks 1 to 6 for, 7 against: 21 of 28. Of the 128 assignments 19 have a sum of at most 7, 19 of at least 21.
	expect(t, "x", statistic(t, table, "x", "a"), map[string]string{
		"case_difference": "+0.0200", "wins": "6", "ties": "0", "losses": "1", "effect": "+0.50", "p": "0.297", "p_holm": "0.297", "worst": "0.4300"})
	// The equal case is left out: six of one sign, 2/64; twice that for two tests.
	expect(t, "y", statistic(t, table, "y", "a"), map[string]string{
		"wins": "6", "ties": "1", "losses": "0", "effect": "+1.00", "p": "0.0312", "p_holm": "0.0625"})
	// Over both labels every difference is halved.
	expect(t, "y mean", statistic(t, table, "y", ""), map[string]string{"case_difference": "+0.0150", "p": "0.0312"})
	expect(t, "y b", statistic(t, table, "y", "b"), map[string]string{"ties": "7", "p": "1", "effect": "0.00", "ci_low": "0.0000"})
	// Fold 1, by which nothing was chosen, has the cases 2, 4 and 6.
	expect(t, "x unseen", statisticOf(t, table, "x", Scope{Unseen: true}), map[string]string{"cases": "3", "case_difference": "+0.0200", "p": dash})
	notes := strings.Join(table.Statistics.Notes, "\n")
	if !strings.Contains(notes, `of x and of y was chosen by its Dice on fold 0, so the difference there is optimistic; "mean, unseen" is of the other folds alone (1).`) {
		t.Error(notes)
	}
}

func TestFewCasesHaveNoP(t *testing.T) {
	p, events := contest(shifted(0, 0, 0, 0, 0), shifted(1, 2, 3, 4, 5), shifted(1, 1, 1, 1, 1), "D")
	p.Studies[0].Folds = p.Folds // nothing is unseen
	table := build(t, p, events).Tables[0]
	expect(t, "x", statistic(t, table, "x", "a"), map[string]string{
		"cases": "5", "case_difference": "+0.0300", "ci_low": dash, "ci_high": dash, "wins": "5", "p": dash, "p_holm": dash})
	if notes := strings.Join(table.Statistics.Notes, "\n"); !strings.Contains(notes, "Fewer than 6 cases (here 5)") || strings.Contains(notes, "unseen") {
		t.Error(notes)
	}
}

// A label that neither has in a case has no Dice there; such a pair is left out
// and said.
func TestCasesWithoutScore(t *testing.T) {
	one := shifted(1, 2, 3, 4, 5, 6, 7)
	one.Folds[0].Cases[0].Dice["a"] = evaluate.Missing()
	p, events := contest(shifted(0, 0, 0, 0, 0, 0, 0), one, shifted(1, 1, 1, 1, 1, 1, 1), "D")
	table := build(t, p, events).Tables[0]
	expect(t, "x a", statistic(t, table, "x", "a"), map[string]string{"cases": "6", "wins": "6"})
	expect(t, "x mean", statistic(t, table, "x", ""), map[string]string{"cases": "7"}) // by its other label
	expect(t, "y a", statistic(t, table, "y", "a"), map[string]string{"cases": "7", "wins": "7"})
	if notes := strings.Join(table.Statistics.Notes, "\n"); !strings.Contains(notes, "up to 1 case in") {
		t.Error(notes)
	}
}

// What lacks a fold is neither described nor compared.
func TestStatisticsNeedAllFolds(t *testing.T) {
	whole, part := shifted(0, 0, 0, 0, 0, 0), trained([][2]float64{{0.9, 0.9}, {0.9, 0.8}})
	p, events := contest(whole, part, whole, "D")
	table := build(t, p, events).Tables[0]
	for _, r := range table.Statistics.Rows {
		if r.ID == "x" {
			t.Errorf("a row of x, which has one fold of two: %+v", r)
		}
	}
	p, events = contest(part, whole, whole, "D")
	table = build(t, p, events).Tables[0]
	expect(t, "without reference", statistic(t, table, "x", ""), map[string]string{"cases": "6", "p": dash})
	p, events = contest(part, part, part, "D")
	if s := build(t, p, events).Tables[0].Statistics; s != nil {
		t.Errorf("%+v", s)
	}
}

func TestRanks(t *testing.T) {
	low, high := shifted(0, 0), shifted(5, 5)
	p, events := contest(low, high, low, "D", "E")
	events[4].Result = low // x on E: all equal
	r := build(t, p, events)
	for id, want := range map[string]string{"base": "2.5 2 2.25", "x": "1 2 1.50", "y": "2.5 2 2.25"} {
		c := cells(t, *r.Ranks, id)
		if got := c["rank/D"].Text + " " + c["rank/E"].Text + " " + c["mean_rank"].Text; got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	// An approach that lacks a data set is shown without a rank, and takes no rank of the others.
	r = build(t, p, append(events[:4:4], events[5]))
	for id, want := range map[string]string{"base": "1.5 1.5 1.50", "x": "– – –", "y": "1.5 1.5 1.50"} {
		c := cells(t, *r.Ranks, id)
		if got := c["rank/D"].Text + " " + c["rank/E"].Text + " " + c["mean_rank"].Text; got != want {
			t.Errorf("without x on E, %s: %s, want %s", id, got, want)
		}
	}
	if notes := strings.Join(r.Ranks.Notes, "\n"); notes != "x is not ranked: it has no full result on E." {
		t.Error(notes)
	}
	if p.Datasets = p.Datasets[:1]; build(t, p, events[:3]).Ranks != nil {
		t.Error("ranks over a single data set")
	}
}

func TestFriedmanNote(t *testing.T) {
	p, events := contest(shifted(0, 0), shifted(5, 5), shifted(2, 2), "A", "B", "C", "D", "E", "F")
	// Always 3, 1, 2: 12/(6·3·4)·(18² + 6² + 12²) - 3·6·4 = 12, and exp(-12/2).
	notes := strings.Join(build(t, p, events).Ranks.Notes, "\n")
	if !strings.Contains(notes, "chi-squared 12 with 2 degrees of freedom, p 0.00248") {
		t.Error(notes)
	}
}

// A statistician who starts from cases.csv finds the table's mean.
func TestCasesGiveTheTable(t *testing.T) {
	one := shifted(1, 2, 3, 4, 5)
	one.Folds[0].Cases[1].Dice["b"] = evaluate.Missing()
	p, events := contest(shifted(0, 0, 0, 0), one, shifted(1, 1), "D")
	r := build(t, p, events)
	var b strings.Builder
	if err := r.CasesCSV(&b); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil || len(records) != 1+2*(4+5+2) {
		t.Fatal(len(records), err)
	}
	sum, n, empty := 0.0, 0, 0
	for _, c := range records[1:] {
		if c[2] == "x" && c[5] == "a" {
			v, err := strconv.ParseFloat(c[6], 64)
			if err != nil {
				t.Fatal(c, err)
			}
			sum, n = sum+v, n+1
		}
		if c[6] == "" {
			empty++
		}
	}
	if n != 5 || math.Abs(sum/5-0.53) > 1e-9 || empty != 1 {
		t.Errorf("mean %v over %d, %d missing", sum/5, n, empty)
	}
}

func TestSearchHours(t *testing.T) {
	d, s := plan.Dataset{Name: "D"}, plan.Study{Name: "x", Folds: []plan.Fold{0}}
	fold := func(id, parent string, n plan.Fold, hours float64) journal.Event {
		f := journal.FoldResult{Fold: n, Cost: journal.Cost{Hours: evaluate.Score(hours)}}
		return journal.Event{Kind: journal.FoldDone, Dataset: "D", Study: "x", Trial: search.Trial{ID: id, Parent: parent}, Result: &journal.TrialResult{Folds: []journal.FoldResult{f}}}
	}
	// Two trials of an hour; one climbs to three hours in all, and is then trained on another fold.
	events := []journal.Event{fold("c0r0", "", 0, 1), fold("c1r0", "", 0, 1), fold("c1r1", "c1r0", 0, 3), fold("c1r1", "c1r0", 1, 3)}
	if h := searchHours(d, s, events); h != 4 {
		t.Errorf("%v hours, want 4", h)
	}
	if h := searchHours(d, s, nil); !math.IsNaN(h) {
		t.Errorf("%v hours before the first result", h)
	}
}

func TestTeX(t *testing.T) {
	for text, want := range map[string]string{
		`50% of a_b & c`: `50\% of a\_b \& c`, `C:\x{1}`: `C:\textbackslash{}x\{1\}`, "a ± b": `a $\pm$ b`,
	} {
		if got := escape(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"-0.0029": "$-$0.0029", "+0.0100 [-0.0020, +0.0300]": "$+$0.0100 [$-$0.0020, $+$0.0300]",
		"1.23e-05": `$1.23\times10^{-5}$`, "4e-12": `$4\times10^{-12}$`, dash: "--", "0.8600 ± 0.0141": `0.8600 $\pm$ 0.0141`, "3/0/1": "3/0/1",
	} {
		if got := figures(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	p, events := contest(shifted(0, 0), shifted(5, 5), shifted(2, 2), "D_1", "E")
	var b strings.Builder
	if err := build(t, p, events).TeX(&b); err != nil {
		t.Fatal(err)
	}
	if open, closed := strings.Count(b.String(), `\begin{`), strings.Count(b.String(), `\end{`); open != closed || open < 10 {
		t.Errorf("%d environments begin, %d end", open, closed)
	}
	for _, l := range strings.Split(b.String(), "\n") {
		if strings.HasSuffix(l, `\\`) {
			if n := strings.Count(l, " & "); n != 7 && n != 9 && n != 3 {
				t.Errorf("%d columns in %s", n+1, l)
			}
		}
	}
	for _, want := range []string{`\caption{D\_1: Dice on`, `\label{tab:D-1-cases}`, `\label{tab:ranks}`, `\toprule`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in:\n%s", want, b.String())
		}
	}
}
