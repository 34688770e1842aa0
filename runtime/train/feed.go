package train

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"runspec/runtime/augment"
	"runspec/runtime/engine"
	"runspec/runtime/evaluate"
)

// feed gives the batches from, from+1, … to-1 of a training's or a validation's
// patches. It ends early when ctx is done.
type feed func(ctx context.Context, from, to int) iter.Seq[engine.Batch]

// keeper is an executor that keeps a loader's cases on its device and makes the
// batches there; engine.ErrNoRoom says that its memory does not hold them.
type keeper interface {
	Reside(*augment.Loader) (func(ctx context.Context, from, to int) iter.Seq[engine.Batch], error)
}

// feed makes a loader's batches on the executor's device, or on the processor,
// ahead of it, where they cannot be made there.
func (t *trainer) feed(l *augment.Loader) (feed, error) {
	k, ok := t.executor.(keeper)
	if !ok || !l.Told() {
		return host(l), nil
	}
	source, err := k.Reside(l)
	if errors.Is(err, engine.ErrNoRoom) {
		return host(l), nil
	}
	return source, err
}

// host makes the batches of a loader on the processor.
func host(l *augment.Loader) feed {
	return func(ctx context.Context, from, to int) iter.Seq[engine.Batch] {
		return func(yield func(engine.Batch) bool) {
			for _, b := range l.Batches(ctx, from, to) {
				if !yield(whole(b)) {
					return
				}
			}
		}
	}
}

// whole is a loader's batch as the engine takes it.
func whole(b augment.Batch) engine.Batch {
	out := engine.Batch{Image: engine.Tensor{Shape: []int{b.Size, b.Shape[0], b.Shape[1], b.Shape[2], b.Channels}, Data: b.Image}}
	for _, t := range b.Targets {
		out.Labels = append(out.Labels, t.Labels)
	}
	return out
}

// learn runs an epoch's training iterations and returns their mean loss.
func (t *trainer) learn(ctx context.Context, e Epoch) (evaluate.Score, error) {
	n := t.job.Training.Iterations
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	batches := t.training(ctx, e.Epoch*n, (e.Epoch+1)*n)
	mean, err := t.steps(batches, e.Rate)
	if errors.Is(err, engine.ErrNotFinite) {
		err = fmt.Errorf("%w (%w)", ErrDiverged, err)
	}
	return evaluate.Score(mean), first(ctx.Err(), err)
}

// steps trains on batches without waiting for each, if the executor can.
func (t *trainer) steps(batches iter.Seq[engine.Batch], rate float64) (mean float64, err error) {
	if s, ok := t.executor.(engine.Streamer); ok {
		return s.Learn(batches, rate)
	}
	n, sum := 0, 0.0
	for b := range batches {
		loss, err := t.executor.Step(b, rate)
		if err != nil {
			return loss, err
		}
		sum += loss
		n++
	}
	return sum / float64(n), nil
}

// monitor runs an epoch's validation iterations: their mean loss and the
// pseudo-Dice over all their voxels.
func (t *trainer) monitor(ctx context.Context, e *Epoch) error {
	n := t.job.Training.ValidationIterations
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	m, err := t.evaluations(t.validation(ctx, e.Epoch*n, (e.Epoch+1)*n))
	if err := first(ctx.Err(), err); err != nil {
		return err
	}
	e.ValidationLoss = evaluate.Score(m.Loss)
	var mean evaluate.Score
	e.Dice, mean = pseudoDice(m, t.job.Description.HasRegions())
	e.EMA = average(t.progress.EMA, mean)
	return nil
}

// evaluations is steps for validation.
func (t *trainer) evaluations(batches iter.Seq[engine.Batch]) (engine.Monitored, error) {
	if s, ok := t.executor.(engine.Streamer); ok {
		return s.Monitor(batches)
	}
	n, sum := 0, 0.0
	o := newOverlap(t.network.Architecture.Classes, t.job.Description.Ignore, Regions(t.job.Description))
	for b := range batches {
		loss, logits, err := t.executor.Evaluate(b)
		if err != nil {
			return engine.Monitored{}, err
		}
		sum += loss
		n++
		o.add(logits.Data, b.Labels[0])
	}
	o.Loss = sum / float64(n)
	return o.Monitored, nil
}

// first is the first error that is not nil.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
