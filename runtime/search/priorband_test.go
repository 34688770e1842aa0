package search

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"runspec/compiler/plan"
	"runspec/compiler/space"
)

// priorBanded is a study of PriorBand as the compiler lowers it.
func priorBanded(kind plan.OptimizerKind, f plan.Fidelity, budget plan.Budget) plan.Study {
	o := plan.Optimizer{Kind: kind, Prior: true, Default: true, Eta: f.Eta, Min: f.Min}
	s := plan.Study{Name: "hpo", Space: wide, Seed: 7, Optimizer: o}
	s.Brackets = plan.Schedule(f, o, budget)
	s.Rungs, s.Optimizer.Trials = plan.Gather(f, s.Brackets)
	return s
}

// The authors' own waiting, one trial at a time, does not depend on workers
// either.
func TestAuthorsSearchIsTheSameWithManyWorkers(t *testing.T) {
	study := priorBanded(plan.RegularizedBand, plan.Fidelity{Min: 1, Max: 9, Eta: 3}, plan.Budget{Epochs: 150, Count: plan.CountTrained})
	study.Optimizer.Compat = plan.CompatAuthors
	one := run(t, method(t, study), 1, nil, func(int) int { return 0 })
	eight := run(t, method(t, study), 8, slices.Clone(one[:len(one)/2]), func(n int) int { return n - 1 })
	if fmt.Sprint(one) != fmt.Sprint(eight) {
		t.Error("eight workers find other trials than one")
	}
}

// With failures and any workers, in both ways of counting, no budget is
// overspent, neither in whole epochs nor in those before rounding.
func TestPriorBandKeepsToItsBudget(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := plan.Fidelity{Min: rapid.IntRange(1, 3).Draw(rt, "min"), Max: rapid.IntRange(3, 13).Draw(rt, "max"), Eta: rapid.IntRange(2, 3).Draw(rt, "eta")}
		budget := plan.Budget{Epochs: rapid.IntRange(f.Max, 200).Draw(rt, "budget"), Count: rapid.SampledFrom([]plan.Counting{plan.CountTrained, plan.CountFull}).Draw(rt, "count")}
		study := priorBanded(plan.PriorBand, f, budget)
		spent := 0
		for _, o := range run(rt, method(rt, study), rapid.IntRange(1, 8).Draw(rt, "workers"), nil, func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "ends") }) {
			spent += o.Epochs
			if o.Parent != "" && budget.Count == plan.CountTrained {
				spent -= study.Rungs[o.Rung-1].Epochs
			}
		}
		if spent > budget.Epochs {
			rt.Fatalf("%d epochs, the budget is %+v", spent, budget)
		}
	})
}

// The paper's 22,000 epochs are 188 trials of 129 configurations.
func TestPaperBudget(t *testing.T) {
	study := priorBanded(plan.RegularizedBand, plan.Fidelity{Min: 10, Max: 1000, Eta: 3}, plan.Budget{Epochs: 22000, Count: plan.CountFull})
	if n := len(run(t, method(t, study), 4, nil, func(int) int { return 0 })); n < 129 || n > 188 || study.Optimizer.Trials != 129 || study.Epochs() != 18308 {
		t.Errorf("%d trials of %d configurations, %d epochs trained", n, study.Optimizer.Trials, study.Epochs())
	}
	trials := 0
	for _, b := range study.Brackets {
		for _, n := range b.Trials {
			trials += n
		}
	}
	if trials != 188 {
		t.Errorf("%d trials, want 188", trials)
	}
}

// A trial of the default comes first, at the top rung, and the first bracket
// beside it.
func TestDefaultFirst(t *testing.T) {
	study := priorBanded(plan.PriorBand, plan.Fidelity{Min: 1, Max: 9, Eta: 3}, plan.Budget{Epochs: 100, Count: plan.CountTrained})
	first := method(t, study).Ask(nil, nil, math.MaxInt)
	if len(first) != 1+study.Brackets[1].Trials[0] || first[1].Rung != 0 || first[0].Rung != 2 || fmt.Sprint(first[0].Configuration) != fmt.Sprint(study.Space.Default()) {
		t.Errorf("first comes %+v", first)
	}
}

// What an earlier space's search observed counts as known and is not trained
// again.
func TestObservationsOfAnEarlierSpace(t *testing.T) {
	study := priorBanded(plan.PriorBand, plan.Fidelity{Min: 1, Max: 9, Eta: 3}, plan.Budget{Epochs: 100, Count: plan.CountTrained})
	old := run(t, method(t, study), 1, nil, func(int) int { return 0 })
	study.First = study.Optimizer.Trials
	m := newPriorBand(study)
	next := m.Ask(old, nil, 1)
	if len(next) != 1 || next[0].Number() != study.First || m.Done(old) {
		t.Errorf("after a warm start comes %v", ids(next))
	}
	if known := m.before(m.past(old), 0); len(known) != len(old) {
		t.Errorf("%d observations are known, want %d", len(known), len(old))
	}
}

// Inactive parameters are neither drawn nor mutated.
func TestConditionsHold(t *testing.T) {
	study := priorBanded(plan.RegularizedBand, plan.Fidelity{Min: 1, Max: 9, Eta: 3}, plan.Budget{Epochs: 2000, Count: plan.CountTrained})
	study.Space.Parameters = append(slices.Clone(wide.Parameters), space.Parameter{
		Name: "momentum", Kind: space.Float, Low: 0.5, High: 0.999, Default: value(space.Number(0.99)), Prior: space.Medium,
		When: []space.Condition{{Parent: "optimizer", Values: []space.Value{space.Text("SGD")}}},
	})
	with, without := 0, 0
	m := newPriorBand(study)
	history := run(t, m, 3, nil, func(int) int { return 0 })
	for _, o := range history {
		if err := study.Space.Contains(o.Configuration); err != nil {
			t.Fatalf("%s: %v", o.ID, err)
		}
		if _, ok := o.Configuration["momentum"]; ok {
			with++
		} else {
			without++
		}
	}
	known := m.past(history).observations
	mutated := m.weigh(known, 1, m.incumbent(known)).incumbent > 0
	if with == 0 || without == 0 || !mutated {
		t.Errorf("%d with, %d without momentum; incumbents are mutated: %v", with, without, mutated)
	}
}

// BenchmarkAsk is one proposal of a method that remembers nothing, after
// 100, 1,000 and 10,000 trials.
func BenchmarkAsk(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			study := paperStudy(plan.RegularizedBand, paperSpace(b, "hpo_nas"), 22000*(n/188+2))
			m := method(b, study)
			var history []Observation
			for len(history) < n {
				for _, t := range m.Ask(history, nil, min(n-len(history), 81)) {
					o := observe(t)
					o.Failed, o.Objectives = false, []float64{float64(hash(t.Key)%100003) / 100003, float64(t.Epochs) * (1 + float64(hash(t.Key)%997)/997)}
					history = append(history, o)
				}
			}
			for b.Loop() {
				if len(newPriorBand(study).Ask(history, nil, 1)) != 1 {
					b.Fatal("nothing is proposed")
				}
			}
		})
	}
}

// While a bracket's last rung runs the next bracket begins, and draws the same
// as it does later.
func TestBracketsOverlap(t *testing.T) {
	study := priorBanded(plan.RegularizedBand, plan.Fidelity{Min: 1, Max: 9, Eta: 3}, plan.Budget{Epochs: 150, Count: plan.CountTrained})
	m, last := method(t, study), study.Brackets[1].Rung+len(study.Brackets[1].Trials)-1
	var early, all []Observation
	for _, o := range run(t, m, 1, nil, func(int) int { return 0 }) {
		if all = append(all, o); o.Bracket == 0 || o.Bracket == 1 && o.Rung < last {
			early = append(early, o)
		}
	}
	open := m.Ask(early, nil, math.MaxInt)
	begun := map[int]int{}
	for _, o := range open {
		begun[o.Bracket]++
		if !slices.ContainsFunc(all, func(a Observation) bool { return a.ID == o.ID && a.Key == o.Key }) {
			t.Errorf("%s is drawn otherwise than by one worker", o.ID)
		}
	}
	if begun[1] != study.Brackets[1].Trials[last] || begun[2] != study.Brackets[2].Trials[0] || len(begun) != 2 {
		t.Errorf("trials by bracket: %v", begun)
	}
	if waits := m.Ask(early[:len(early)-1], open[:0], math.MaxInt); slices.ContainsFunc(waits, func(o Trial) bool { return o.Bracket > 1 }) {
		t.Errorf("a bracket opens too early: %v", ids(waits))
	}
}
