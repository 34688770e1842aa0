package runtime

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"runspec/compiler/plan"
	"runspec/runtime/execute"
	"runspec/runtime/train"
)

// bayesian is smallPlan with one search by Pareto-Bayes, on a virtual clock of
// so many workers; 0: its proposals follow real ends.
func bayesian(workers, epochs int) *plan.Plan {
	p := smallPlan()
	s := p.Studies[0]
	s.Name, s.Optimizer = "bayes", plan.Optimizer{Kind: plan.ParetoBayes, Prior: true, Default: true, Workers: workers}
	s.Budget = &plan.Budget{Epochs: epochs, Count: plan.CountTrained}
	s.Rungs = plan.Allocate(p.Fidelity, s.Optimizer, *s.Budget)
	p.Studies = []plan.Study{s}
	return p
}

// With the plan's workers on a virtual clock the search comes to the same with
// any real ones, stopped and not.
func TestParetoBayesRunsTheSame(t *testing.T) {
	one := reported(t, bayesian(2, 30), options(t, t.TempDir(), Options{}))
	if four := reported(t, bayesian(2, 30), options(t, t.TempDir(), Options{Workers: 4})); four != one {
		t.Errorf("four workers gave\n%s\none worker\n%s", four, one)
	}
	dir, rng := t.TempDir(), rand.New(rand.NewPCG(1, 9))
	for range 5 {
		stopped(t, bayesian(2, 30), options(t, dir, Options{Workers: 4}), rng.IntN(trainings))
	}
	if again := reported(t, bayesian(2, 30), options(t, dir, Options{Workers: 4})); again != one {
		t.Errorf("stopped and continued gave\n%s\none worker\n%s", again, one)
	}
}

// TestParetoBayesTrains trains on phantoms with two workers that wait for nobody.
// What follows a journal is determined by it: two continuations of the first half
// of the run's come to the same.
func TestParetoBayesTrains(t *testing.T) {
	real := func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		r, err := execute.Do(ctx, j, tell)
		r.Seconds = 1 // no two trainings take the same time
		return r, err
	}
	whole := t.TempDir()
	reported(t, bayesian(0, 12), options(t, whole, Options{Workers: 2, Train: real}))
	text, err := os.ReadFile(filepath.Join(whole, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	var went []string
	for range 2 {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "journal.jsonl"), bytes.Join(lines[:len(lines)/2], nil), 0o644); err != nil {
			t.Fatal(err)
		}
		trained := 0
		went = append(went, reported(t, bayesian(0, 12), options(t, dir, Options{Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
			trained++
			return real(ctx, j, tell)
		}})))
		if trained == 0 {
			t.Error("nothing was left to train, so this shows nothing")
		}
	}
	if went[0] != went[1] {
		t.Errorf("one continuation gave\n%s\nanother\n%s", went[0], went[1])
	}
}
