package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/evaluate"
	"runspec/runtime/execute"
	"runspec/runtime/journal"
	"runspec/runtime/train"
)

// smallPlan is a phantom data set, a baseline on two folds and both searches.
func smallPlan() *plan.Plan {
	rate := space.Number(0.01)
	s := space.Space{Parameters: []space.Parameter{{Name: "initial_lr", Kind: space.Float, Low: 1e-4, High: 1, Log: true, Default: &rate}}}
	return &plan.Plan{
		Version: plan.Version, Name: "small", Seed: 3,
		Datasets: []plan.Dataset{{
			Name: "Dataset900_Phantom", Configuration: "3d_fullres",
			Source: plan.Source{Kind: plan.Phantoms, Phantom: &plan.Phantom{Cases: 5, Shape: [3]int{8, 16, 16}, Spacing: [3]float64{2, 1, 1}, Organs: 2, Noise: 0.3, Bias: 0.2}},
		}},
		Training: plan.Training{
			Iterations: 2, ValidationIterations: 1, Batch: 2, BaseFeatures: 2, ValidateWith: "best", Augmentation: "v2",
			Hyperparameters: plan.Hyperparameters{Optimizer: "SGD", Momentum: 0.9, InitialLR: 0.01, LRScheduler: "PolyLRScheduler", WeightDecay: 3e-5, Oversample: 0.33, LossFunction: "DiceAndCrossEntropyLoss", AugFactor: 1, Clip: 12},
		},
		Fidelity:  plan.Fidelity{Unit: "epochs", Min: 1, Max: 4, Eta: 2, Horizon: 4},
		Folds:     []plan.Fold{0, 1},
		Cost:      plan.CostModel,
		Baselines: []plan.Baseline{{Name: "nnunet/Conv", Planner: nnunet.ConvPlanner}},
		Studies: []plan.Study{
			{Name: "halving", Space: s, Optimizer: plan.Optimizer{Kind: plan.SuccessiveHalving, Trials: 4}, Folds: []plan.Fold{0}, Seed: 5,
				Rungs: []plan.Rung{{Epochs: 1, Trials: 4}, {Epochs: 2, Trials: 2}, {Epochs: 4, Trials: 1}}},
			{Name: "random", Space: s, Optimizer: plan.Optimizer{Kind: plan.RandomSearch, Trials: 3}, Folds: []plan.Fold{0}, Seed: 6,
				Rungs: []plan.Rung{{Epochs: 4, Trials: 3}}},
		},
		Report: plan.Report{Against: "nnunet/Conv"},
		Failures: plan.Failures{
			OOM: plan.Reaction{Action: plan.Retry, Retries: 1}, NaN: plan.Reaction{Action: plan.FailTrial}, Timeout: plan.Reaction{Action: plan.FailTrial},
			Crash: plan.Reaction{Action: plan.Retry, Retries: 2, Backoff: 0.001}, Preempted: plan.Reaction{Action: plan.Retry, Retries: 1000}, Data: plan.Reaction{Action: plan.AbortRun},
		},
	}
}

// pretend gives a job a result that depends on the job alone.
func pretend(_ context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
	h := fnv.New64a()
	fmt.Fprint(h, j.Seed, j.Epochs, j.Training.Hyperparameters.InitialLR)
	dice := float64(h.Sum64()%1000) / 1000
	return train.Result{
		Labels: []string{"a", "b"}, Dice: []evaluate.Score{evaluate.Score(dice), evaluate.Score(dice)}, MeanDice: evaluate.Score(dice),
		ValidationLoss: 1, Epochs: j.Epochs, Iterations: j.Training.Iterations, Batch: 2, Parameters: 10, FLOPs: float64(j.Epochs), Seconds: 3,
		Checkpoint: filepath.Join(j.Directory, "checkpoint_best.safetensors"),
	}, nil
}

func options(t *testing.T, dir string, o Options) Options {
	t.Helper()
	o.RunDir, o.CacheDir = dir, sharedCache(t)
	if o.Train == nil {
		o.Train = pretend
	}
	return o
}

var cache string

func sharedCache(t *testing.T) string {
	t.Helper()
	if cache == "" {
		var err error
		if cache, err = os.MkdirTemp("", "runspec-test-cache"); err != nil {
			t.Fatal(err)
		}
	}
	return cache
}

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(cache)
	os.Exit(code)
}

// tables runs the plan to its end and returns its report as text.
func tables(t *testing.T, o Options) string {
	t.Helper()
	return table(t, smallPlan(), o)
}

func TestWorkersChangeNothing(t *testing.T) {
	one := tables(t, options(t, t.TempDir(), Options{Workers: 1}))
	for _, n := range []int{2, 5, 8} {
		if many := tables(t, options(t, t.TempDir(), Options{Workers: n, Threads: 3})); many != one {
			t.Errorf("%d workers gave\n%s\none worker\n%s", n, many, one)
		}
	}
}

// trainings is how many smallPlan has: the baseline on two folds, seven trials
// of the halving and three of the random search, and both incumbents on the
// second fold.
const trainings = 2 + 7 + 3 + 2

// TestStoppedAnywhere ends a run after each of its trainings in turn, goes on,
// and expects the table of the unbroken run.
func TestStoppedAnywhere(t *testing.T) {
	whole := tables(t, options(t, t.TempDir(), Options{}))
	for stop := 1; stop <= trainings; stop++ {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		o := options(t, dir, Options{Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
			if n++; n == stop {
				cancel()
				return train.Result{}, &execute.Failure{Cause: execute.Cancelled, Message: "stopped"}
			}
			return pretend(ctx, j, tell)
		}})
		if _, err := Run(ctx, smallPlan(), o); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at training %d: %v", stop, err)
		}
		if again := tables(t, options(t, dir, Options{Workers: 2})); again != whole {
			t.Errorf("stopped at training %d and continued:\n%s\nunbroken:\n%s", stop, again, whole)
		}
	}
}

// TestJournalCutAnywhere cuts a finished run's journal at any byte: the next run
// cuts off the torn line, repeats what is missing and gives the same table.
func TestJournalCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	whole, path := tables(t, options(t, dir, Options{})), filepath.Join(dir, "journal.jsonl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		at := rapid.IntRange(0, len(text)).Draw(rt, "bytes kept")
		if err := os.WriteFile(path, text[:at], 0o644); err != nil {
			t.Fatal(err)
		}
		if again := tables(t, options(t, dir, Options{Workers: 2})); again != whole {
			rt.Fatalf("cut to %d of %d bytes:\n%s\nwhole:\n%s", at, len(text), again, whole)
		}
	})
}

func TestNothingIsTrainedTwice(t *testing.T) {
	dir := t.TempDir()
	tables(t, options(t, dir, Options{}))
	var n atomic.Int32
	tables(t, options(t, dir, Options{Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		n.Add(1)
		return pretend(ctx, j, tell)
	}}))
	if n.Load() != 0 {
		t.Errorf("%d trainings were repeated", n.Load())
	}
}

func TestFailedTrialsAreRecordedAndTheSearchGoesOn(t *testing.T) {
	dir := t.TempDir()
	out, err := Run(context.Background(), smallPlan(), options(t, dir, Options{Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		if strings.Contains(j.Name, "random-c1r0") || strings.Contains(j.Name, "halving-c2r0") {
			return train.Result{}, &execute.Failure{Cause: execute.NaN, Message: "diverged"}
		}
		return pretend(ctx, j, tell)
	}}))
	if err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, e := range out.Failures {
		failed = append(failed, e.Trial.ID+" "+e.Cause)
	}
	if got := strings.Join(failed, ","); got != "halving-c2r0 nan,random-c1r0 nan" {
		t.Errorf("failures %s", got)
	}
	events, _, err := journal.Read(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	results := 0
	for _, e := range events {
		if e.Kind == journal.Result && e.Study == "random" {
			results++
		}
	}
	if results != 2 {
		t.Errorf("%d of the 2 other random trials have results", results)
	}
}

// TestLostWorkersAreReplaced has a third of all workers end without a word, up to
// twice for one training, and expects the table of the unbroken run.
func TestLostWorkersAreReplaced(t *testing.T) {
	whole := tables(t, options(t, t.TempDir(), Options{}))
	lost, begun := map[string]int{}, 0
	again := tables(t, options(t, t.TempDir(), Options{Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		if begun++; begun%3 == 0 && lost[j.Name] < 2 {
			lost[j.Name]++
			return train.Result{}, &execute.Failure{Cause: execute.Crash, Message: "killed"}
		}
		return pretend(ctx, j, tell)
	}}))
	if len(lost) < 3 || again != whole {
		t.Errorf("after losing %v:\n%s\nunbroken:\n%s", lost, again, whole)
	}
}

// TestFailedTrialsAreFinal lets a trial of each search fail for good, once its
// retries are spent. The same command trains nothing more and gives the same
// table; --retry-failed tries them again.
func TestFailedTrialsAreFinal(t *testing.T) {
	whole := tables(t, options(t, t.TempDir(), Options{}))
	for _, cause := range []execute.Cause{execute.Crash, execute.OOM, execute.Timeout, execute.NaN} {
		for _, trial := range []string{"random-c1r0", "halving-c0r0", "halving-c2r0"} {
			dir, tried := t.TempDir(), 0
			fails := func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
				if strings.Contains(j.Name, trial) {
					tried++
					return train.Result{}, &execute.Failure{Cause: cause, Message: "no space left on device"}
				}
				return pretend(ctx, j, tell)
			}
			out, err := Run(context.Background(), smallPlan(), options(t, dir, Options{Train: fails}))
			if err != nil || len(out.Failures) != 1 || out.Failures[0].Cause != string(cause) || len(out.Missing) > 0 {
				t.Fatalf("%s: %v, failures %+v, missing %v", cause, err, out.Failures, out.Missing)
			}
			if want := map[execute.Cause]int{execute.Crash: 3, execute.OOM: 2, execute.Timeout: 1, execute.NaN: 1}[cause]; tried != want {
				t.Errorf("%s: tried %d times, want %d", cause, tried, want)
			}
			first, _ := json.Marshal(out.Report)
			refuse := func(_ context.Context, j train.Job, _ func(train.Epoch)) (train.Result, error) {
				t.Errorf("%s of %s, and the same command trained %s", cause, trial, j.Name)
				return train.Result{}, errors.New("not again")
			}
			if again := tables(t, options(t, dir, Options{Train: refuse})); again != string(first) {
				t.Errorf("%s of %s, then the same command:\n%s\nfirst:\n%s", cause, trial, again, first)
			}
			if again := tables(t, options(t, dir, Options{RetryFailed: true})); trial == "random-c1r0" && again != whole {
				t.Errorf("%s, then tried again:\n%s\nunbroken:\n%s", cause, again, whole)
			}
		}
	}
}

// TestAFailedBaselineIsTriedAgain by the same command: no search has reckoned with it.
func TestAFailedBaselineIsTriedAgain(t *testing.T) {
	whole, dir := tables(t, options(t, t.TempDir(), Options{})), t.TempDir()
	out, err := Run(context.Background(), smallPlan(), options(t, dir, Options{Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		if strings.Contains(j.Name, "nnunet/Conv") {
			return train.Result{}, &execute.Failure{Cause: execute.Timeout, Message: "it took too long"}
		}
		return pretend(ctx, j, tell)
	}}))
	if err != nil || len(out.Missing) != 1 || out.Missing[0] != "Dataset900_Phantom nnunet/Conv" {
		t.Fatalf("%v, missing %v", err, out.Missing)
	}
	if again := tables(t, options(t, dir, Options{})); again != whole {
		t.Errorf("tried again:\n%s\nunbroken:\n%s", again, whole)
	}
}

// TestWhatEndsBesideAnErrorCounts ends a run by bad data while another training
// is about to end well: its result is journaled all the same.
func TestWhatEndsBesideAnErrorCounts(t *testing.T) {
	dir, bad := t.TempDir(), make(chan struct{})
	o := options(t, dir, Options{Workers: 2, Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		if j.Fold == 1 {
			defer close(bad)
			return train.Result{}, &execute.Failure{Cause: execute.BadData, Message: "case_1.nii.gz is cut off"}
		}
		<-bad
		<-ctx.Done()
		return pretend(ctx, j, tell)
	}})
	if _, err := Run(context.Background(), smallPlan(), o); err == nil {
		t.Fatal("bad data did not end the run")
	}
	events, _, err := journal.Read(filepath.Join(dir, "journal.jsonl"))
	if err != nil || !slices.ContainsFunc(events, func(e journal.Event) bool { return e.Kind == journal.FoldDone }) {
		t.Errorf("%v: the other training's result is lost: %d events", err, len(events))
	}
}

func TestBadDataEndsTheRun(t *testing.T) {
	_, err := Run(context.Background(), smallPlan(), options(t, t.TempDir(), Options{Train: func(context.Context, train.Job, func(train.Epoch)) (train.Result, error) {
		return train.Result{}, &execute.Failure{Cause: execute.BadData, Message: "case_1.nii.gz has NaN voxels"}
	}}))
	if err == nil || !strings.Contains(err.Error(), "case_1.nii.gz") {
		t.Errorf("got %v", err)
	}
}

func TestAnotherPlanIsRefused(t *testing.T) {
	dir := t.TempDir()
	tables(t, options(t, dir, Options{}))
	p := smallPlan()
	p.Seed++
	if _, err := Run(context.Background(), p, options(t, dir, Options{})); !errors.Is(err, ErrOtherPlan) {
		t.Errorf("got %v", err)
	}
}

func TestPromotedTrialsContinueTheirParents(t *testing.T) {
	seeds := map[string]uint64{}
	_, err := Run(context.Background(), smallPlan(), options(t, t.TempDir(), Options{Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		config := rungSuffix.ReplaceAllString(filepath.Base(filepath.Dir(j.Directory)), "") + fmt.Sprint(j.Fold)
		if strings.HasPrefix(config, "halving") {
			if old, ok := seeds[config]; ok && old != j.Seed {
				t.Errorf("%s: another seed at a higher rung", config)
			}
			seeds[config] = j.Seed
			if promoted := j.Epochs > 1 && j.Fold == 0; promoted != (j.Parent != "") {
				t.Errorf("%s to epoch %d: parent %q", config, j.Epochs, j.Parent)
			}
		}
		return pretend(ctx, j, tell)
	}}))
	if err != nil || len(seeds) != 5 { // four configurations on fold 0, the incumbent on fold 1 too
		t.Errorf("%v, %d seeds: %v", err, len(seeds), seeds)
	}
}
