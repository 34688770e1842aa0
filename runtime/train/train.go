// Package train trains one network on one fold and validates it on the fold's
// cases: nnU-Net's trainer as one loop over an engine.Executor. It turns a
// unet.Network into an engine.Program (graph.go), draws its parameters, runs
// epochs with a checkpoint after each, and predicts the validation cases by
// sliding window. It neither searches nor decides what to train.
package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"runspec/compiler/unet"
	"runspec/runtime/augment"
	"runspec/runtime/dataset"
	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu"
	"runspec/runtime/evaluate"
)

// ErrDiverged is a training whose loss or gradients became infinite or NaN.
var ErrDiverged = errors.New("the training diverged: loss or gradient is not finite; a smaller learning rate may help")

// Data is what a job trains on and is validated on.
type Data struct {
	Train, Validation []*dataset.Case
	Raw               map[string]dataset.RawCase // reference labels of the validation cases, by ID
}

// emaKeep is nnU-Net's weight of the old moving average of the pseudo-Dice.
const emaKeep = 0.9

// trainer is one training under way.
type trainer struct {
	job        Job
	network    unet.Network
	outputs    [][3]int // resolution of each deep-supervision output
	executor   engine.Executor
	training   *augment.Loader
	validation *augment.Loader
	progress   Progress
}

// Run trains until the job's epochs are done, then validates. A training that
// was interrupted goes on from its last checkpoint; one with a parent starts
// from the parent's. Tell, which may be nil, hears of each epoch.
func Run(ctx context.Context, job Job, data Data, tell func(Epoch)) (Result, error) {
	if err := os.MkdirAll(job.Directory, 0o755); err != nil {
		return Result{}, err
	}
	if err := sweep(job.Directory); err != nil {
		return Result{}, err
	}
	t, err := newTrainer(job, data)
	if err != nil {
		return Result{}, err
	}
	defer t.executor.Close()
	if err := t.start(); err != nil {
		return Result{}, err
	}
	for t.progress.Epochs < job.Epochs {
		if err := t.epoch(ctx, tell); err != nil {
			return Result{}, fmt.Errorf("epoch %d: %w", t.progress.Epochs, err)
		}
	}
	return t.validate(ctx, data)
}

// sweep removes the checkpoints that an earlier worker was killed in the middle
// of: they never got their name.
func sweep(dir string) error {
	torn, err := filepath.Glob(filepath.Join(dir, ".checkpoint_*"))
	if err != nil {
		return err
	}
	for _, path := range torn {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

func newTrainer(job Job, data Data) (*trainer, error) {
	n, err := unet.Build(job.Configuration.Architecture)
	if err != nil {
		return nil, err
	}
	patch, h := job.Configuration.Patch3(), job.Training.Hyperparameters
	t := &trainer{job: job, network: n, progress: Progress{EMA: evaluate.Missing(), Best: evaluate.Missing(), BestLoss: evaluate.Missing()}}
	if t.outputs, err = n.OutputShapes(patch); err != nil {
		return nil, err
	}
	program, err := Build(n, GraphOptions{
		Batch: job.Configuration.Batch,
		Patch: patch,
		Loss: engine.Loss{
			Kind:      engine.LossKind(h.LossFunction),
			BatchDice: job.Configuration.BatchDice,
			Weights:   n.DeepSupervisionWeights(),
		},
		Optimizer: engine.Optimizer{
			Kind:        engine.OptimizerKind(h.Optimizer),
			Momentum:    h.Momentum,
			WeightDecay: h.WeightDecay,
			AMSGrad:     h.Optimizer == string(engine.AdamW), // as Auto-nnU-Net
			Clip:        h.Clip,
		},
	})
	if err != nil {
		return nil, err
	}
	if t.executor, err = cpu.New(program, cpu.Options{Threads: job.Threads}); err != nil {
		return nil, err
	}
	if t.training, err = t.loader(data.Train, job.Training.Augmentation != "none", 1); err != nil {
		return nil, fmt.Errorf("training cases: %w", err)
	}
	if t.validation, err = t.loader(data.Validation, false, 2); err != nil {
		return nil, fmt.Errorf("validation cases: %w", err)
	}
	return t, nil
}

// loader draws patches; the stream keeps training and validation apart.
func (t *trainer) loader(cases []*dataset.Case, augmented bool, stream uint64) (*augment.Loader, error) {
	h, c := t.job.Training.Hyperparameters, t.job.Configuration
	return augment.NewLoader(cases, augment.Options{
		Patch:        c.Patch3(),
		Batch:        c.Batch,
		Oversample:   h.Oversample,
		Augment:      augmented,
		Factor:       h.AugFactor,
		Dim:          c.Architecture.Dim,
		TargetShapes: t.outputs,
		UseMask:      c.UseMask,
		Seed:         mix(t.job.Seed, stream),
		Workers:      max(1, t.job.Threads),
	})
}

// mix derives a seed from a seed and a stream (SplitMix64).
func mix(seed, stream uint64) uint64 {
	z := seed + stream*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// start restores the newest state there is: this job's, its parent's, or
// freshly drawn parameters. Where the parent's checkpoint is gone, the training
// passes through the same state again.
func (t *trainer) start() error {
	own := filepath.Join(t.job.Directory, latestCheckpoint)
	if _, err := os.Stat(own); err == nil {
		return t.restore(own)
	}
	if t.job.Parent != "" {
		if err := t.inherit(); !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	s, err := Initialise(t.network, t.job.Seed)
	if err != nil {
		return err
	}
	return t.executor.Restore(s)
}

func (t *trainer) restore(path string) error {
	s, p, err := ReadCheckpoint(path)
	if err != nil {
		return err
	}
	t.progress = p
	return t.executor.Restore(s)
}

// inherit goes on from the rung below: its best checkpoint stays the best
// until this training betters it.
func (t *trainer) inherit() error {
	best := filepath.Join(t.job.Parent, bestCheckpoint)
	if s, p, err := ReadCheckpoint(best); err == nil {
		if err := writeCheckpoint(filepath.Join(t.job.Directory, bestCheckpoint), s, p); err != nil {
			return err
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return t.restore(filepath.Join(t.job.Parent, latestCheckpoint))
}

// epoch trains one epoch, evaluates patches of the validation cases and writes
// the checkpoints.
func (t *trainer) epoch(ctx context.Context, tell func(Epoch)) error {
	began := time.Now()
	e := Epoch{Epoch: t.progress.Epochs}
	var err error
	h := t.job.Training.Hyperparameters
	if e.Rate, err = Rate(h.LRScheduler, h.InitialLR, e.Epoch, t.job.Horizon); err != nil {
		return err
	}
	if e.TrainLoss, err = t.learn(ctx, e); err != nil {
		return err
	}
	if err := t.monitor(ctx, &e); err != nil {
		return err
	}
	e.Seconds = time.Since(began).Seconds()
	if err := t.keep(e); err != nil {
		return err
	}
	if tell != nil {
		tell(e)
	}
	return nil
}

// learn runs an epoch's training iterations and returns their mean loss.
func (t *trainer) learn(ctx context.Context, e Epoch) (evaluate.Score, error) {
	n, sum := t.job.Training.Iterations, 0.0
	err := t.each(ctx, t.training, e.Epoch*n, n, func(b engine.Batch) error {
		loss, err := t.executor.Step(b, e.Rate)
		sum += loss
		return diverged(err)
	})
	return evaluate.Score(sum / float64(n)), err
}

func diverged(err error) error {
	if errors.Is(err, engine.ErrNotFinite) {
		return fmt.Errorf("%w (%w)", ErrDiverged, err)
	}
	return err
}

// monitor runs an epoch's validation iterations: their mean loss and the
// pseudo-Dice over all their voxels.
func (t *trainer) monitor(ctx context.Context, e *Epoch) error {
	n, sum := t.job.Training.ValidationIterations, 0.0
	o := newOverlap(t.network.Architecture.Classes)
	err := t.each(ctx, t.validation, e.Epoch*n, n, func(b engine.Batch) error {
		loss, logits, err := t.executor.Evaluate(b)
		if err != nil {
			return diverged(err)
		}
		sum += loss
		o.add(logits.Data, b.Labels[0])
		return nil
	})
	if err != nil {
		return err
	}
	e.ValidationLoss = evaluate.Score(sum / float64(n))
	mean := evaluate.Missing()
	e.Dice, mean = o.dice()
	e.EMA = mean
	if t.progress.EMA.Known() && mean.Known() {
		e.EMA = emaKeep*t.progress.EMA + (1-emaKeep)*mean
	} else if t.progress.EMA.Known() {
		e.EMA = t.progress.EMA
	}
	return nil
}

// each feeds n batches of a loader, from the given index on, to do.
func (t *trainer) each(ctx context.Context, l *augment.Loader, from, n int, do func(engine.Batch) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for _, b := range l.Batches(ctx, from, from+n) {
		if err := do(channelsLast(b)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// channelsLast turns a loader's batch (N, C, Z, Y, X) into the engine's (N, D, H, W, C).
func channelsLast(b augment.Batch) engine.Batch {
	out := engine.Batch{Image: engine.Tensor{Shape: []int{b.Size, b.Shape[0], b.Shape[1], b.Shape[2], b.Channels}, Data: b.Image}}
	for _, t := range b.Targets {
		out.Labels = append(out.Labels, t.Labels)
	}
	if b.Channels == 1 {
		return out
	}
	v := b.Shape[0] * b.Shape[1] * b.Shape[2]
	data := make([]float32, len(b.Image))
	for n := range b.Size {
		for c := range b.Channels {
			plane := b.Image[(n*b.Channels+c)*v:][:v]
			for i, x := range plane {
				data[(n*v+i)*b.Channels+c] = x
			}
		}
	}
	out.Image.Data = data
	return out
}

// keep adds an epoch to the progress and writes the checkpoints: the latest
// always, the best when the moving average is greater than ever. The best goes
// first: a kill between the two repeats the epoch and writes it again.
func (t *trainer) keep(e Epoch) error {
	p := t.progress
	p.Epochs++
	p.EMA = e.EMA
	p.Seconds += e.Seconds
	p.Curve = append(p.Curve[:len(p.Curve):len(p.Curve)], e)
	better := e.EMA.Known() && (!p.Best.Known() || e.EMA > p.Best)
	if better {
		p.Best, p.BestEpoch, p.BestLoss = e.EMA, p.Epochs, e.ValidationLoss
	}
	s := t.executor.State()
	if better {
		if err := writeCheckpoint(filepath.Join(t.job.Directory, bestCheckpoint), s, p); err != nil {
			return err
		}
	}
	if err := writeCheckpoint(filepath.Join(t.job.Directory, latestCheckpoint), s, p); err != nil {
		return err
	}
	t.progress = p
	return nil
}
