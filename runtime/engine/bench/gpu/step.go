package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"runspec/compiler/nnunet"
	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/engine/xla"
	"runspec/runtime/train"
)

// shape is a network whose step is measured.
type shape struct{ name, dataset, plans string }

var shapes = []shape{
	{"task04", "Dataset004_Hippocampus", "nnUNetPlans.json"},
	{"braintumour", "Dataset001_BrainTumour", "nnUNetPlans.json"},
	{"resencm", "Dataset004_Hippocampus", "nnUNetResEncUNetMPlans.json"},
}

// read gives the shape's configuration and data set.
func (s shape) read(b *bench) (c nnunet.Configuration, d nnunet.Dataset, err error) {
	dir := filepath.Join(b.pack, "plans", s.dataset)
	text, err := os.ReadFile(filepath.Join(dir, "dataset.json"))
	if err != nil {
		return c, d, err
	}
	if d, err = nnunet.ReadDataset(text); err != nil {
		return c, d, fmt.Errorf("%s: %w", dir, err)
	}
	if text, err = os.ReadFile(filepath.Join(dir, s.plans)); err != nil {
		return c, d, err
	}
	plans, err := nnunet.ReadPlans(text)
	if err != nil {
		return c, d, fmt.Errorf("%s: %w", dir, err)
	}
	if c, err = plans.Configuration("3d_fullres", d); err == nil && b.small {
		shrink(&c)
	}
	return c, d, err
}

// shrink makes a configuration a toy: an eighth of the features, few voxels.
func shrink(c *nnunet.Configuration) {
	c.Batch = 2
	stride := [3]int{1, 1, 1}
	for i := range c.Architecture.Stages {
		s := &c.Architecture.Stages[i]
		s.Features = max(2, s.Features/8)
		for a := range 3 {
			stride[a] *= s.Stride[a]
		}
	}
	for a := range 3 {
		c.Patch[a] = min(c.Patch[a], 2*stride[a])
	}
}

// program is nnU-Net's training step of a configuration.
func program(c nnunet.Configuration, d nnunet.Dataset) (unet.Network, *engine.Program, error) {
	n, err := unet.Build(c.Architecture)
	if err != nil {
		return n, nil, err
	}
	p, err := train.Build(n, train.GraphOptions{
		Batch: c.Batch, Patch: c.Patch3(),
		Loss:      engine.Loss{Kind: engine.DiceCE, BatchDice: c.BatchDice, Regions: train.Regions(d)},
		Optimizer: engine.Optimizer{Kind: engine.SGD, Momentum: 0.99, WeightDecay: 3e-5, Clip: 12},
	})
	return n, p, err
}

// steps measures ours and PyTorch's on each shape, and then ours by operations.
func (b *bench) steps(ctx context.Context) error {
	var errs []error
	ours := func(s shape, what string) {
		name := "step/" + s.name + "/" + what
		errs = append(errs, b.once(ctx, name, func() (Figure, error) { return b.ours(ctx, name) }))
	}
	for _, s := range shapes {
		ours(s, "ours")
		for _, mode := range []string{"eager", "compile"} {
			b.once(ctx, "step/"+s.name+"/pytorch-"+mode, func() (Figure, error) { return b.theirs(ctx, "step", s, "--mode", mode) })
		}
	}
	for _, s := range shapes {
		ours(s, "groups")
	}
	return errors.Join(errs...)
}

// repeats of a measurement: so many steps between two looks at the clock.
func (b *bench) repeats() (rounds, steps int) {
	if b.small {
		return 3, 2
	}
	return 7, 20
}

// step times our training step: the median over rounds of many steps each.
func (b *bench) step(c nnunet.Configuration, d nnunet.Dataset) (Figure, error) {
	n, p, err := program(c, d)
	if err != nil {
		return Figure{}, err
	}
	precision := b.device.Precision()
	began := time.Now()
	e, err := b.device.Executor(p, precision, filepath.Join(b.work, "executables"))
	if err != nil {
		return Figure{}, err
	}
	defer e.Close()
	s, err := train.Initialise(n, 1)
	if err == nil {
		err = e.Restore(s)
	}
	if err != nil {
		return Figure{}, err
	}
	batch, free, err := keep(e, noise(p))
	if err != nil {
		return Figure{}, err
	}
	defer free()
	if _, err := learn(e, batch, 2); err != nil {
		return Figure{}, err
	}
	ready := time.Since(began).Seconds()
	rounds, steps := b.repeats()
	var times []float64
	for range rounds {
		began := time.Now()
		if _, err := learn(e, batch, steps); err != nil {
			return Figure{}, err
		}
		times = append(times, 1000*time.Since(began).Seconds()/float64(steps))
	}
	flops, err := n.TrainingFLOPs(c.Patch3(), c.Batch)
	ms := median(times)
	f := Figure{Values: map[string]float64{"ms": ms, "TFLOP/s": float64(flops) / ms / 1e9, "s to the first step": ready}, Words: map[string]string{"precision": string(precision)}}
	if m, err := b.device.Used(); err == nil && m.Peak > 0 {
		f.Values["GB"] = float64(m.Peak) / 1e9
	}
	return f, err
}

// keep puts a batch on the executor's device, as PyTorch's is.
func keep(e engine.Executor, b engine.Batch) (on engine.Batch, free func(), err error) {
	if x, ok := e.(*xla.Executor); ok {
		return x.Keep(b)
	}
	return b, func() {}, nil
}

// learn takes steps on one batch.
func learn(e engine.Executor, batch engine.Batch, n int) (loss float64, err error) {
	if s, ok := e.(engine.Streamer); ok {
		return s.Learn(slices.Values(slices.Repeat([]engine.Batch{batch}, n)), 1e-3)
	}
	for range n {
		if loss, err = e.Step(batch, 1e-3); err != nil {
			return loss, err
		}
	}
	return loss, nil
}

// noise is a batch of the program's shape: normal images, labels at random.
func noise(p *engine.Program) engine.Batch {
	r := rand.New(rand.NewPCG(1, 2))
	shape := []int{p.Batch, p.Patch[0], p.Patch[1], p.Patch[2], p.Channels}
	b := engine.Batch{Image: engine.Tensor{Shape: shape, Data: make([]float32, engine.Size(shape))}}
	for i := range b.Image.Data {
		b.Image.Data[i] = float32(r.NormFloat64())
	}
	labels := p.Classes
	if len(p.Loss.Regions) > 0 {
		labels = len(p.Loss.Regions) + 1
	}
	for _, node := range p.Train.Logits {
		one := make([]int16, engine.Size(p.Train.Nodes[node].Shape[:4]))
		for i := range one {
			one[i] = int16(r.IntN(labels))
		}
		b.Labels = append(b.Labels, one)
	}
	return b
}
