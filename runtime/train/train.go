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
	"runtime/debug"
	"time"

	"runspec/compiler/nnunet"
	"runspec/compiler/unet"
	"runspec/runtime/augment"
	"runspec/runtime/dataset"
	"runspec/runtime/durable"
	"runspec/runtime/engine"
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
	identity   string   // of the job, in its checkpoints
	outputs    [][3]int // voxels (z, y, x) of each deep-supervision output, full resolution first
	executor   engine.Executor
	training   feed
	validation feed
	progress   Progress
}

// Run trains until the job's epochs are done, then validates. A training that
// was interrupted goes on from its last checkpoint; one with a parent starts
// from the parent's. Tell, which may be nil, hears of each epoch.
func Run(ctx context.Context, job Job, data Data, tell func(Epoch)) (r Result, err error) {
	defer func() { err = memory(err) }()
	if err := os.MkdirAll(job.Directory, 0o755); err != nil {
		return Result{}, err
	}
	durable.Sweep(job.Directory, 1) // what a killed worker left in the middle of being written
	t, err := newTrainer(job, data)
	if err != nil {
		return Result{}, err
	}
	defer t.executor.Close()
	if err := t.start(); err != nil {
		return Result{}, err
	}
	if err := t.epochs(ctx, tell); err != nil {
		return Result{}, err
	}
	return t.validate(ctx, data)
}

func newTrainer(job Job, data Data) (*trainer, error) {
	n, err := unet.Build(job.Configuration.Architecture)
	if err != nil {
		return nil, err
	}
	t := &trainer{job: job, network: n, identity: job.Identity(), progress: fresh()}
	if t.outputs, err = n.OutputShapes(job.Configuration.Patch3()); err != nil {
		return nil, err
	}
	training, err := t.loader(data.Train, generation(job.Training.Augmentation), trainingStream)
	if err != nil {
		return nil, fmt.Errorf("training cases: %w", err)
	}
	validation, err := t.loader(data.Validation, "", validationStream)
	if err != nil {
		return nil, fmt.Errorf("validation cases: %w", err)
	}
	program, err := Build(n, t.graphOptions())
	if err != nil {
		return nil, err
	}
	if t.executor, err = newExecutor(program, job.place()); err != nil {
		return nil, err
	}
	if t.training, err = t.feed(training); err == nil {
		t.validation, err = t.feed(validation)
	}
	if err != nil {
		return nil, errors.Join(err, t.executor.Close())
	}
	return t, nil
}

// Regions are the labels of each of a data set's outputs, or nil where its outputs
// are exclusive classes.
func Regions(d nnunet.Dataset) (out [][]int16) {
	if !d.HasRegions() {
		return nil
	}
	for _, l := range d.Foreground() {
		var values []int16
		for _, v := range l.Values {
			values = append(values, int16(v))
		}
		out = append(out, values)
	}
	return out
}

func (t *trainer) graphOptions() GraphOptions {
	h, c := t.job.Training.Hyperparameters, t.job.Configuration
	return GraphOptions{
		Batch: c.Batch,
		Patch: c.Patch3(),
		Seed:  mix(t.job.Seed, dropoutStream),
		Loss: engine.Loss{
			Kind:      engine.LossKind(h.LossFunction),
			BatchDice: c.BatchDice,
			Ignore:    int16(t.job.Description.Ignore),
			Regions:   Regions(t.job.Description),
			Weights:   t.network.DeepSupervisionWeights(),
		},
		Optimizer: engine.Optimizer{
			Kind:        engine.OptimizerKind(h.Optimizer),
			Momentum:    h.Momentum,
			WeightDecay: h.WeightDecay,
			AMSGrad:     h.Optimizer == string(engine.AdamW), // as Auto-nnU-Net
			Clip:        h.Clip,
		},
	}
}

// The streams that a training's seed is split into; its parameters are drawn
// from the seed itself.
const (
	trainingStream = iota + 1
	validationStream
	dropoutStream
)

// generation of the augmentation that a plan names.
func generation(name string) augment.Generation {
	if name == "none" {
		return ""
	}
	return augment.Generation(name)
}

// loader draws patches; the stream keeps training and validation apart.
func (t *trainer) loader(cases []*dataset.Case, g augment.Generation, stream uint64) (*augment.Loader, error) {
	h, c := t.job.Training.Hyperparameters, t.job.Configuration
	return augment.NewLoader(cases, augment.Options{
		Patch:        c.Patch3(),
		Batch:        c.Batch,
		Oversample:   h.Oversample,
		Augmentation: g,
		Factor:       h.AugFactor,
		Dim:          c.Architecture.Dim,
		TargetShapes: t.outputs,
		Ignore:       t.job.Description.Ignore,
		UseMask:      c.UseMask,
		ChannelsLast: true,
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

// preparer is an executor that compiles programs, which takes seconds that are no
// part of a training's cost: another training may have left them.
type preparer interface{ Prepare() error }

// epochs trains those that the job has still to do. While one is trained the
// checkpoint of the one before is written, which on a GPU may take as long.
func (t *trainer) epochs(ctx context.Context, tell func(Epoch)) error {
	if p, ok := t.executor.(preparer); ok && t.progress.Epochs < t.job.Epochs {
		if err := p.Prepare(); err != nil {
			return err
		}
	}
	saved := make(chan error, 1)
	close(saved)
	defer func() { <-saved }() // on a panic too
	for t.progress.Epochs < t.job.Epochs {
		e, err := t.epoch(ctx)
		if err != nil {
			err = fmt.Errorf("epoch %d: %w", e.Epoch, err)
		}
		if err := errors.Join(err, <-saved); err != nil {
			return err
		}
		saved = t.keep(e, tell)
	}
	return <-saved
}

// epoch trains one epoch, and evaluates patches of the validation cases.
func (t *trainer) epoch(ctx context.Context) (Epoch, error) {
	began := time.Now()
	e := Epoch{Epoch: t.progress.Epochs, Device: t.job.Code.Device}
	var err error
	h := t.job.Training.Hyperparameters
	if e.Rate, err = Rate(h.LRScheduler, h.InitialLR, e.Epoch, t.job.Horizon); err != nil {
		return e, err
	}
	if e.TrainLoss, err = t.learn(ctx, e); err != nil {
		return e, err
	}
	err = t.monitor(ctx, &e)
	e.Seconds = time.Since(began).Seconds()
	return e, err
}

// average moves the mean pseudo-Dice's average on. Where an epoch's patches
// show no foreground class it stays; nnU-Net's would be NaN from then on, and
// no later checkpoint the best.
func average(old, new evaluate.Score) evaluate.Score {
	switch {
	case !new.Known():
		return old
	case !old.Known():
		return new
	}
	return emaKeep*old + (1-emaKeep)*new
}

// keep adds an epoch to the progress and starts to write the checkpoints: the
// latest always, the best when the moving average is greater than ever. The best
// goes first: a kill between the two repeats the epoch and writes it again. Tell
// hears of the epoch when both are there; then, or when they cannot be written,
// saved says so.
func (t *trainer) keep(e Epoch, tell func(Epoch)) (saved chan error) {
	p := &t.progress
	p.Epochs++
	p.EMA = e.EMA
	p.Seconds += e.Seconds
	p.Curve = append(p.Curve[:len(p.Curve):len(p.Curve)], e)
	better := e.EMA.Known() && (!p.Best.Known() || e.EMA > p.Best)
	if better {
		p.Best, p.BestEpoch, p.BestLoss = e.EMA, p.Epochs, e.ValidationLoss
	}
	paths := []string{filepath.Join(t.job.Directory, latestCheckpoint)}
	if better {
		paths = []string{filepath.Join(t.job.Directory, bestCheckpoint), paths[0]}
	}
	c := Checkpoint{t.executor.State(), *p, t.identity, t.job.Code.Instructions}
	saved = make(chan error, 1)
	go func() {
		defer close(saved)
		if err := c.save(paths, func() {
			if tell != nil {
				tell(e)
			}
		}); err != nil {
			saved <- fmt.Errorf("epoch %d: %w", e.Epoch, err)
		}
	}()
	return saved
}

// save writes a checkpoint to each path and then calls done. A panic becomes an
// error: nobody could catch it in a goroutine.
func (c Checkpoint) save(paths []string, done func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n\n%s", p, debug.Stack())
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	if err := c.Write(paths...); err != nil {
		return err
	}
	done()
	return nil
}
