package search

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"runspec/compiler/plan"
)

// banded is a Hyperband study as the compiler lowers it.
func banded(f plan.Fidelity, first bool, epochs int) plan.Study {
	s := plan.Study{Name: "hpo", Space: wide, Seed: 7, Optimizer: plan.Optimizer{Kind: plan.Hyperband, Prior: true, Default: first}}
	s.Brackets = plan.Schedule(f, s.Optimizer, plan.Budget{Epochs: epochs, Count: plan.CountTrained})
	s.Rungs, s.Optimizer.Trials = plan.Gather(f, s.Brackets)
	return s
}

// succeed is a training that never fails.
func succeed(t Trial) Observation {
	o := observe(t)
	if o.Failed {
		o = Observation{Trial: t, Objectives: []float64{1, 1}}
	}
	return o
}

// TestHyperbandAsksInTheAuthorsOrder compares with what Auto-nnU-Net's optimiser
// suggested to one worker: default first, then bracket by bracket, rung by rung,
// and round again.
func TestHyperbandAsksInTheAuthorsOrder(t *testing.T) {
	raw, err := os.ReadFile("../../compiler/plan/testdata/hyperband.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Tables []struct {
			Min, Max, Eta int
			Order         [][3]int // bracket, rung, trials in a row
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil || len(golden.Tables) != 10 {
		t.Fatal(len(golden.Tables), "tables", err)
	}
	for _, g := range golden.Tables {
		study := banded(plan.Fidelity{Min: g.Min, Max: g.Max, Eta: g.Eta}, true, 200*g.Max)
		m := method(t, study)
		var history []Observation
		asked := 0
		for _, run := range g.Order {
			asked += run[2]
		}
		configurations := map[string]bool{}
		var order [][3]int
		for range asked {
			next := m.Ask(history, nil, 1)[0]
			if next.Parent == "" {
				if want := fmt.Sprintf("hpo-c%dr%d", len(configurations), next.Rung); next.ID != want {
					t.Fatalf("%s begins, want %s", next.ID, want)
				}
				configurations[next.Key] = true
			}
			s := 0
			if next.Bracket > 0 { // the authors number the default's bracket 0
				s = study.Brackets[next.Bracket].Rung
			}
			if n := len(order); n > 0 && order[n-1][0] == s && order[n-1][1] == next.Rung {
				order[n-1][2]++
			} else {
				order = append(order, [3]int{s, next.Rung, 1})
			}
			history = append(history, succeed(next))
		}
		if fmt.Sprint(order) != fmt.Sprint(g.Order) {
			t.Errorf("(%d, %d, %d) asks in the order\n%v, want\n%v", g.Min, g.Max, g.Eta, order, g.Order)
		}
	}
}

// With failures, any number of workers and any order of ends, what is trained
// never exceeds the budget.
func TestHyperbandKeepsToItsBudget(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := plan.Fidelity{Min: rapid.IntRange(1, 3).Draw(rt, "min"), Max: rapid.IntRange(3, 12).Draw(rt, "max"), Eta: rapid.IntRange(2, 3).Draw(rt, "eta")}
		budget := rapid.IntRange(f.Max, 200).Draw(rt, "budget")
		study := banded(f, rapid.Bool().Draw(rt, "default"), budget)
		workers := rapid.IntRange(1, 8).Draw(rt, "workers")
		spent, smooth := 0, true
		for _, o := range run(rt, method(rt, study), workers, nil, func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "ends") }) {
			spent += o.Epochs
			if o.Parent != "" {
				spent -= study.Rungs[o.Rung-1].Epochs
			}
			smooth = smooth && !o.Failed
		}
		if spent > budget {
			rt.Fatalf("%d epochs trained, the budget is %d", spent, budget)
		}
		if smooth && spent != study.Epochs() {
			rt.Fatalf("%d epochs trained, the plan says %d", spent, study.Epochs())
		}
	})
}

// Workers that a barrier leaves idle begin the next bracket.
func TestHyperbandFillsIdleWorkers(t *testing.T) {
	m := method(t, banded(plan.Fidelity{Min: 1, Max: 4, Eta: 2}, false, 30))
	first := m.Ask(nil, nil, 5)
	want(t, "two brackets", ids(first), "hpo-c0r0 hpo-c1r0 hpo-c2r0 hpo-c3r0 hpo-c4r1")
	history := []Observation{succeed(first[4])}
	want(t, "barrier", ids(m.Ask(history, first[:4], 1)), "hpo-c5r1")
	for _, trial := range first[:4] {
		history = append(history, succeed(trial))
	}
	next := m.Ask(history, nil, 99)
	if next[0].Rung != 1 || next[0].Bracket != 0 || next[0].Epochs != 2 || next[0].Parent[len(next[0].Parent)-2:] != "r0" {
		t.Errorf("the first bracket's promotions come first: %+v", next[0])
	}
}

func TestHyperbandOfAFiniteSpace(t *testing.T) {
	study := banded(plan.Fidelity{Min: 1, Max: 9, Eta: 3}, false, 300)
	study.Space = tiny
	history := run(t, method(t, study), 3, nil, func(int) int { return 0 })
	seen := map[string]bool{}
	for _, o := range history {
		if o.Parent == "" && seen[o.Key] {
			t.Errorf("configuration %s begins twice", o.Key)
		}
		seen[o.Key] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d configurations, the space has 6", len(seen))
	}
}

func TestNewRefusesBrackets(t *testing.T) {
	for name, spoil := range map[string]func(*plan.Study){
		"none":     func(s *plan.Study) { s.Brackets = nil },
		"empty":    func(s *plan.Study) { s.Brackets[0].Trials = nil },
		"too high": func(s *plan.Study) { s.Brackets[0].Rung = 1 },
	} {
		study := banded(plan.Fidelity{Min: 1, Max: 9, Eta: 3}, false, 100)
		study.Brackets = slices.Clone(study.Brackets)
		spoil(&study)
		if _, err := New(study); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
