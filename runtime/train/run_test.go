package train_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/runtime/dataset"
	"runspec/runtime/evaluate"
	"runspec/runtime/train"
)

// phantomJob is a small training on phantoms with the data it needs.
func phantomJob(t *testing.T) (train.Job, train.Data) {
	t.Helper()
	ctx, dir := context.Background(), filepath.Join(t.TempDir(), "phantom")
	p := plan.Phantom{Cases: 5, Shape: [3]int{8, 16, 16}, Spacing: [3]float64{2, 1, 1}, Organs: 2, Noise: 0.2, Bias: 0.1, Seed: 1}
	if err := dataset.WritePhantom(ctx, dir, p); err != nil {
		t.Fatal(err)
	}
	raw, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := dataset.Extract(ctx, raw, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	training := plan.Training{
		Iterations: 3, ValidationIterations: 2, Batch: 2, BaseFeatures: 2, ValidateWith: "best", Mirroring: true, Augmentation: "v2",
		Hyperparameters: plan.Hyperparameters{Optimizer: "SGD", Momentum: 0.9, InitialLR: 0.01, LRScheduler: "PolyLRScheduler",
			WeightDecay: 3e-5, Oversample: 0.33, LossFunction: "DiceAndCrossEntropyLoss", AugFactor: 1, Clip: 12},
	}
	s, c, err := training.Settings(raw.Description, f, nnunet.ConvPlanner, "3d_fullres")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := dataset.Cache{}.Load(ctx, raw, s, c, 1)
	if err != nil {
		t.Fatal(err)
	}
	data := train.Data{Train: cases[:3], Validation: cases[3:], Raw: map[string]dataset.RawCase{}}
	for _, r := range raw.Cases {
		data.Raw[r.ID] = r
	}
	return train.Job{
		Version: train.JobVersion, Name: "phantom", Directory: t.TempDir(), Description: raw.Description, Settings: s,
		Configuration: c, Training: training, Epochs: 3, Horizon: 3, Seed: 11, Threads: 1,
	}, data
}

// same ignores measured time and where files lie.
func same(a, b train.Result) string {
	for _, r := range []*train.Result{&a, &b} {
		r.Seconds, r.Checkpoint, r.Summary = 0, "", ""
		curve := append([]train.Epoch(nil), r.Curve...)
		for i := range curve {
			curve[i].Seconds = 0
		}
		r.Curve = curve
	}
	return cmp.Diff(a, b, cmp.Comparer(func(x, y evaluate.Score) bool { return x == y || !x.Known() && !y.Known() }))
}

func TestTrainingIsTheSameHoweverItIsRun(t *testing.T) {
	job, data := phantomJob(t)
	whole, err := train.Run(context.Background(), job, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Curve) != 3 || len(whole.Cases) != 2 || !whole.MeanDice.Known() || whole.FLOPs <= 0 {
		t.Errorf("result %+v", whole)
	}
	if whole.Curve[0].TrainLoss == whole.Curve[2].TrainLoss {
		t.Error("three epochs did not change the loss: nothing is learnt")
	}
	t.Run("three threads", func(t *testing.T) {
		job := job
		job.Directory, job.Threads = t.TempDir(), 3
		threaded, err := train.Run(context.Background(), job, data, nil)
		if d := same(whole, threaded); err != nil || d != "" {
			t.Errorf("%v %s", err, d)
		}
	})
	t.Run("interrupted after each epoch", func(t *testing.T) {
		job := job
		job.Directory = t.TempDir()
		for stop := 1; ; stop++ {
			ctx, cancel := context.WithCancel(context.Background())
			r, err := train.Run(ctx, job, data, func(train.Epoch) { cancel() })
			cancel()
			if errors.Is(err, context.Canceled) && stop < 10 {
				continue
			}
			if d := same(whole, r); err != nil || d != "" {
				t.Errorf("after %d interruptions: %v %s", stop-1, err, d)
			}
			if stop < 3 {
				t.Errorf("interrupted %d times only", stop-1)
			}
			return
		}
	})
	t.Run("continued from the rung below", func(t *testing.T) {
		low, high := job, job
		low.Directory, low.Epochs = t.TempDir(), 1
		if _, err := train.Run(context.Background(), low, data, nil); err != nil {
			t.Fatal(err)
		}
		high.Directory, high.Parent = t.TempDir(), low.Directory
		r, err := train.Run(context.Background(), high, data, nil)
		if d := same(whole, r); err != nil || d != "" {
			t.Errorf("%v %s", err, d)
		}
	})
}

func TestDivergenceIsAnErrorOfItsOwn(t *testing.T) {
	job, data := phantomJob(t)
	job.Training.Hyperparameters.InitialLR, job.Training.Hyperparameters.Clip = 1e30, 0
	if _, err := train.Run(context.Background(), job, data, nil); !errors.Is(err, train.ErrDiverged) {
		t.Errorf("got %v", err)
	}
}

// TestOnlyItsOwnCheckpointsAreTakenOver expects a training that finds another
// one's checkpoints in its folder, or its parent's, to end as if they were not
// there.
func TestOnlyItsOwnCheckpointsAreTakenOver(t *testing.T) {
	job, data := phantomJob(t)
	job.Epochs = 2
	whole, err := train.Run(context.Background(), job, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := job
	other.Directory, other.Seed = t.TempDir(), job.Seed+1
	if _, err := train.Run(context.Background(), other, data, nil); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*train.Job){
		"in its folder": func(j *train.Job) { j.Directory = other.Directory },
		"in its parent": func(j *train.Job) { j.Directory, j.Parent = t.TempDir(), other.Directory },
	} {
		again := job
		change(&again)
		r, err := train.Run(context.Background(), again, data, nil)
		if d := same(whole, r); err != nil || d != "" {
			t.Errorf("another training's checkpoints %s: %v %s", name, err, d)
		}
	}
}

func TestALostBestCheckpointIsTold(t *testing.T) {
	job, data := phantomJob(t)
	job.Epochs = 1
	if _, err := train.Run(context.Background(), job, data, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(job.Directory, "checkpoint_best.safetensors")); err != nil {
		t.Fatal(err)
	}
	if _, err := train.Run(context.Background(), job, data, nil); err == nil || !strings.Contains(err.Error(), job.Directory) {
		t.Errorf("got %v", err)
	}
}

// TestRegionsTrain trains on two regions that overlap and wants a loss that falls,
// a score of each region, and equal bits from one thread and from three.
func TestRegionsTrain(t *testing.T) {
	job, data := phantomJob(t)
	job.Description.Labels = []nnunet.Label{{Name: "background", Values: []int{0}}, {Name: "whole", Values: []int{1, 2}}, {Name: "core", Values: []int{2}}}
	job.Description.RegionOrder = []int{1, 2}
	job.Configuration.Architecture.Classes = 2
	job.Epochs, job.Threads = 4, 1
	one, err := train.Run(context.Background(), job, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if first, last := one.Curve[0].TrainLoss, one.Curve[3].TrainLoss; !(last < first) {
		t.Errorf("the loss went from %v to %v", first, last)
	}
	if d := cmp.Diff([]string{"whole", "core"}, one.Labels); d != "" || len(one.Dice) != 2 {
		t.Errorf("scores %v of %v", one.Dice, one.Labels)
	}
	job.Directory, job.Threads = t.TempDir(), 3
	three, err := train.Run(context.Background(), job, data, nil)
	if d := same(one, three); err != nil || d != "" {
		t.Errorf("three threads: %v %s", err, d)
	}
}

// TestRegionsNeedTheirOutputs: a network with another number of outputs is refused.
func TestRegionsNeedTheirOutputs(t *testing.T) {
	job, data := phantomJob(t)
	job.Description.Labels = []nnunet.Label{{Name: "background", Values: []int{0}}, {Name: "both", Values: []int{1, 2}}}
	if _, err := train.Run(context.Background(), job, data, nil); err == nil || !strings.Contains(err.Error(), "1 regions for 3 outputs") {
		t.Errorf("got %v", err)
	}
}

// TestIgnoredVoxelsTeachNothing makes label 2 the ignore label: the training
// runs, scores label 1 alone, and differs from one in which the same voxels are
// background.
func TestIgnoredVoxelsTeachNothing(t *testing.T) {
	job, data := phantomJob(t)
	job.Epochs = 1
	job.Description.Labels, job.Description.Ignore = job.Description.Labels[:2], 2
	job.Configuration.Architecture.Classes = 2
	r, err := train.Run(context.Background(), job, data, nil)
	if err != nil || len(r.Dice) != 1 {
		t.Fatalf("%v, %v", err, r.Dice)
	}
	for _, c := range append(append([]*dataset.Case(nil), data.Train...), data.Validation...) {
		for i, l := range c.Seg {
			if l == 2 {
				c.Seg[i] = 0
			}
		}
	}
	job.Directory, job.Description.Ignore = t.TempDir(), 0
	background, err := train.Run(context.Background(), job, data, nil)
	if err != nil || background.Curve[0].TrainLoss == r.Curve[0].TrainLoss {
		t.Errorf("%v: ignored voxels weigh as background does: loss %v", err, r.Curve[0].TrainLoss)
	}
}
