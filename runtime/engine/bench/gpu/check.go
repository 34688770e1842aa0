package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu"
	"runspec/runtime/train"
)

// tolerances of the losses of three steps, relative to the processor's: times of
// a device that computes something else would say nothing.
var tolerances = map[engine.Precision]float64{engine.FP32: 1e-4, engine.FP16: 1e-2, engine.BF16: 3e-2}

// checks compares the device with the processor on small networks of the shapes'
// kinds.
func (b *bench) checks(ctx context.Context) error {
	var errs []error
	for _, s := range shapes {
		name := "check/" + s.name
		_, err := b.once(name, func() (Figure, error) { return b.ours(ctx, name) })
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// check measures how far the losses of three steps lie from the processor's, in
// float32 and in the device's own precision. The configuration is a toy.
func (b *bench) check(c nnunet.Configuration, d nnunet.Dataset) (Figure, error) {
	n, p, err := program(c, d)
	if err != nil {
		return Figure{}, err
	}
	state, err := train.Initialise(n, 1)
	if err != nil {
		return Figure{}, err
	}
	batch := noise(p)
	e, err := cpu.New(p, cpu.Options{})
	if err != nil {
		return Figure{}, err
	}
	want, err := losses(e, state, batch)
	if err != nil {
		return Figure{}, err
	}
	f := Figure{Values: map[string]float64{}}
	for _, precision := range slices.Compact([]engine.Precision{engine.FP32, b.device.Precision()}) {
		e, err := b.device.Executor(p, precision, filepath.Join(b.work, "executables"))
		if err != nil {
			return f, err
		}
		got, err := losses(e, state, batch)
		if err != nil {
			return f, fmt.Errorf("in %s: %w", precision, err)
		}
		off := farthest(got, want)
		if f.Values[string(precision)] = off; !(off <= tolerances[precision]) {
			return f, fmt.Errorf("in %s the losses of three steps are %v, on the processor %v", precision, got, want)
		}
	}
	return f, nil
}

// losses are those of three steps on a batch, each after the one before. It closes
// the executor.
func losses(e engine.Executor, state engine.State, batch engine.Batch) (list []float64, err error) {
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := e.Restore(state); err != nil {
		return nil, err
	}
	for range 3 {
		loss, err := e.Step(batch, 1e-2)
		if err != nil {
			return list, err
		}
		list = append(list, loss)
	}
	return list, nil
}

// farthest is the largest distance of a number from the wanted one, relative to it.
func farthest(got, want []float64) (worst float64) {
	for i, w := range want {
		worst = max(worst, math.Abs(got[i]-w)/math.Abs(w))
	}
	return worst
}
