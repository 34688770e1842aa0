package search

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"runspec/compiler/plan"
	"runspec/compiler/space"
)

var wide = space.Space{Parameters: []space.Parameter{
	{Name: "initial_lr", Kind: space.Float, Low: 1e-5, High: 0.1, Log: true, Default: value(space.Number(0.01)), Prior: space.High},
	{Name: "optimizer", Kind: space.Categorical, Default: value(space.Text("SGD")), Prior: space.Medium,
		Choices: []space.Value{space.Text("SGD"), space.Text("Adam"), space.Text("AdamW")}},
}}

var tiny = space.Space{Parameters: []space.Parameter{
	{Name: "lossFunction", Kind: space.Categorical, Default: value(space.Text("a")), Prior: space.High,
		Choices: []space.Value{space.Text("a"), space.Text("b"), space.Text("c")}},
	{Name: "mirroring", Kind: space.Bool, Default: value(space.Truth(true)), Prior: space.High},
}}

func value(v space.Value) *space.Value { return &v }

func ladder(kind plan.OptimizerKind, sizes ...int) plan.Study {
	s := plan.Study{Name: "hpo", Space: wide, Seed: 7, Optimizer: plan.Optimizer{Kind: kind, Trials: sizes[0], Prior: true, Default: true}}
	for k, n := range sizes {
		s.Rungs = append(s.Rungs, plan.Rung{Epochs: []int{4, 12, 37}[k], Trials: n})
	}
	return s
}

func method(t interface{ Fatal(...any) }, s plan.Study) Method {
	m, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// observe is a training whose outcome depends on the trial alone.
func observe(t Trial) Observation {
	r := rand.New(rand.NewPCG(uint64(len(t.ID))+uint64(t.Rung)<<8, hash(t.Key)))
	o := Observation{Trial: t, Objectives: []float64{math.Round(r.Float64()*4) / 4, float64(t.Epochs)}, TieBreak: math.Round(r.Float64()*8) / 8}
	if r.Float64() < 0.15 {
		o.Failed, o.Cause, o.Objectives = true, "the loss is not finite", nil
	}
	return o
}

func hash(s string) (h uint64) {
	for _, b := range []byte(s) {
		h = h*1099511628211 + uint64(b)
	}
	return h
}

// run lets workers train until the method is done, with trials ending in an
// order drawn by pick, and returns the history.
func run(t interface{ Fatal(...any) }, m Method, workers int, history []Observation, pick func(n int) int) []Observation {
	var running []Trial
	for step := 0; ; step++ {
		if step > 10000 {
			t.Fatal("the method does not end")
		}
		running = append(running, m.Ask(history, running, workers-len(running))...)
		if len(running) == 0 {
			if !m.Done(history) {
				t.Fatal("nothing runs, nothing is proposed, and the method is not done")
			}
			return history
		}
		if m.Done(history) {
			t.Fatal("done while trials run")
		}
		i := pick(len(running))
		history = append(history, observe(running[i]))
		running = slices.Delete(running, i, i+1)
	}
}

func sorted(history []Observation) []Observation {
	out := slices.Clone(history)
	slices.SortFunc(out, func(a, b Observation) int { return compareIDs(a.ID, b.ID) })
	return out
}

var compareValues = cmp.Comparer(func(a, b space.Value) bool { return a == b })

func TestProposalsDoNotDependOnWorkersOrOrderOrResumption(t *testing.T) {
	for _, kind := range []plan.OptimizerKind{plan.RandomSearch, plan.SuccessiveHalving, plan.Hyperband, plan.PriorBand, plan.RegularizedBand} {
		study := ladder(kind, 9, 3, 1)
		if kind.Bracketed() {
			study = banded(plan.Fidelity{Min: 1, Max: 9, Eta: 3}, true, 150)
			study.Optimizer.Kind, study.Optimizer.Eta, study.Optimizer.Min = kind, 3, 1
		}
		alone := run(t, method(t, study), 1, nil, func(int) int { return 0 })
		rapid.Check(t, func(rt *rapid.T) {
			workers := rapid.IntRange(1, 8).Draw(rt, "workers")
			pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "ends") }
			history := run(rt, method(rt, study), workers, nil, pick)
			if d := cmp.Diff(sorted(alone), sorted(history), compareValues); d != "" {
				rt.Fatalf("%s with %d workers (-one worker +%d):\n%s", kind, workers, workers, d)
			}
			cut := rapid.IntRange(0, len(history)).Draw(rt, "cut")
			resumed := run(rt, method(rt, study), workers, slices.Clone(history[:cut]), pick)
			if d := cmp.Diff(sorted(alone), sorted(resumed), compareValues); d != "" {
				rt.Fatalf("%s resumed after %d trials:\n%s", kind, cut, d)
			}
		})
	}
}

func TestHalvingPromotes(t *testing.T) {
	m := method(t, ladder(plan.SuccessiveHalving, 6, 2, 1))
	var history []Observation
	end := func(trial Trial, objective, loss float64) {
		history = append(history, Observation{Trial: trial, Objectives: []float64{objective, 1}, TieBreak: loss})
	}
	first := m.Ask(history, nil, 99)
	want(t, "lowest rung", ids(first), "hpo-c0r0 hpo-c1r0 hpo-c2r0 hpo-c3r0 hpo-c4r0 hpo-c5r0")
	for i, x := range []struct{ objective, loss float64 }{{0.3, 0}, {0.2, 0.5}, {0.2, 0.4}, {math.NaN(), 0}, {0.2, math.NaN()}} {
		end(first[i], x.objective, x.loss)
		want(t, "barrier", ids(m.Ask(history, first[i+1:], 99)), "")
	}
	want(t, "a trial that was lost is asked for again", ids(m.Ask(history, nil, 99)), "hpo-c5r0")
	history = append(history, Observation{Trial: first[5], Failed: true, Cause: "killed"})
	second := m.Ask(history, nil, 99)
	want(t, "ties go to the lower loss", ids(second), "hpo-c2r1 hpo-c1r1")
	if second[0].Parent != "hpo-c2r0" || second[0].Epochs != 12 || second[0].Key != first[2].Key {
		t.Errorf("promoted: %+v", second[0])
	}
	end(second[0], 0.1, 0)
	end(second[1], 0.1, 0)
	third := m.Ask(history, nil, 99)
	want(t, "full ties go to the earlier configuration", ids(third), "hpo-c1r2")
	if m.Done(history) {
		t.Error("done before the top rung ended")
	}
	end(third[0], 0.5, 0)
	if !m.Done(history) || len(m.Ask(history, nil, 99)) != 0 {
		t.Error("not done after the top rung")
	}
	best, ok := Incumbent(history)
	if !ok || best.ID != "hpo-c1r1" {
		t.Errorf("incumbent %v %s, want hpo-c1r1", ok, best.ID)
	}
}

func TestHalvingEndsWhenNothingSurvives(t *testing.T) {
	m := method(t, ladder(plan.SuccessiveHalving, 3, 1))
	var history []Observation
	for _, trial := range m.Ask(nil, nil, 3) {
		history = append(history, Observation{Trial: trial, Failed: true, Cause: "diverged"})
	}
	if got := m.Ask(history, nil, 3); len(got) != 0 || !m.Done(history) {
		t.Errorf("proposed %v, done %v", ids(got), m.Done(history))
	}
	if _, ok := Incumbent(history); ok {
		t.Error("a failed trial is the incumbent")
	}
}

func TestRandomTrainsAtTheTop(t *testing.T) {
	study := ladder(plan.RandomSearch, 4, 2)
	m := method(t, study)
	trials := m.Ask(nil, nil, 99)
	want(t, "trials", ids(trials), "hpo-c0r1 hpo-c1r1 hpo-c2r1 hpo-c3r1")
	for _, trial := range trials {
		if trial.Epochs != 12 || trial.Parent != "" {
			t.Errorf("%+v", trial)
		}
	}
	if d := cmp.Diff(study.Space.Default(), trials[0].Configuration, compareValues); d != "" {
		t.Errorf("the first configuration is not the default:\n%s", d)
	}
	study.Optimizer.Trials = 9
	longer := method(t, study).Ask(nil, nil, 4)
	if d := cmp.Diff(trials, longer, compareValues); d != "" {
		t.Errorf("more trials change the first ones:\n%s", d)
	}
	study.Seed++
	other := method(t, study).Ask(nil, nil, 4)
	if other[1].Key == trials[1].Key {
		t.Error("another seed gives the same configuration")
	}
}

func TestFiniteSpaceHasNoDuplicates(t *testing.T) {
	study := ladder(plan.RandomSearch, 6)
	study.Space = tiny
	for _, trials := range []int{6, 20} {
		study.Optimizer.Trials = trials
		got := method(t, study).Ask(nil, nil, 99)
		seen := map[string]bool{}
		for _, trial := range got {
			seen[trial.Key] = true
		}
		if len(got) != 6 || len(seen) != 6 {
			t.Errorf("%d trials wanted: %d configurations, %d of them different; the space has 6", trials, len(got), len(seen))
		}
	}
}

func TestHistoryOfOtherStudiesIsIgnored(t *testing.T) {
	m := method(t, ladder(plan.RandomSearch, 2))
	other := Observation{Trial: Trial{ID: "hpo-c0r0", Study: "nas"}, Objectives: []float64{0}}
	want(t, "trials", ids(m.Ask([]Observation{other}, nil, 1)), "hpo-c0r0")
}

func TestRepeatedTrialCountsBySuccess(t *testing.T) {
	m := method(t, ladder(plan.SuccessiveHalving, 1, 1))
	trial := m.Ask(nil, nil, 1)[0]
	bad := Observation{Trial: trial, Failed: true}
	good := Observation{Trial: trial, Objectives: []float64{0.5, 1}}
	want(t, "failure first", ids(m.Ask([]Observation{bad, good}, nil, 1)), "hpo-c0r1")
	want(t, "success first", ids(m.Ask([]Observation{good, bad}, nil, 1)), "hpo-c0r1")
}

func TestNewRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*plan.Study){
		"no rung":        func(s *plan.Study) { s.Rungs = nil },
		"falling rungs":  func(s *plan.Study) { s.Rungs[1].Epochs = 1 },
		"no trial":       func(s *plan.Study) { s.Optimizer.Trials = 0 },
		"unknown method": func(s *plan.Study) { s.Optimizer.Kind = "oracle" },
	} {
		study := ladder(plan.SuccessiveHalving, 3, 1)
		spoil(&study)
		if _, err := New(study); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func ids(trials []Trial) []string {
	out := []string{}
	for _, t := range trials {
		out = append(out, t.ID)
	}
	return out
}

func want(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if s := fmt.Sprint(got); s != "["+want+"]" {
		t.Errorf("%s: %s, want [%s]", what, s, want)
	}
}
