package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/runtime/dataset"
	"runspec/runtime/durable"
	"runspec/runtime/engine"
	"runspec/runtime/npy"
	"runspec/runtime/predict"
	"runspec/runtime/train"
)

// preprocessedCases are Task04's, preprocessed with the published plan, and fold 0.
type preprocessedCases struct {
	description   nnunet.Dataset
	configuration nnunet.Configuration
	settings      nnunet.Settings
	train, val    []*dataset.Case
}

func (b *bench) cases(ctx context.Context) (p preprocessedCases, err error) {
	if p.configuration, p.description, err = shapes[0].read(b); err != nil {
		return p, err
	}
	text, err := os.ReadFile(filepath.Join(b.pack, "plans", shapes[0].dataset, shapes[0].plans))
	if err != nil {
		return p, err
	}
	plans, err := nnunet.ReadPlans(text)
	if err != nil {
		return p, err
	}
	p.settings = plans.Settings
	raw, err := dataset.Open(filepath.Join(b.pack, "data", "Task04_Hippocampus"))
	if err != nil {
		return p, err
	}
	fold, err := dataset.NewFold(len(raw.Cases), plan.Fold(0))
	if err != nil {
		return p, err
	}
	cases, err := dataset.Cache{Dir: filepath.Join(b.work, "cache", "preprocessed")}.Load(ctx, raw, p.settings, p.configuration, runtime.NumCPU())
	if err != nil {
		return p, err
	}
	for _, i := range fold.Train {
		p.train = append(p.train, cases[i])
	}
	for _, i := range fold.Validation {
		p.val = append(p.val, cases[i])
	}
	return p, nil
}

// shared is the folder of preprocessed arrays that both sides read.
func (b *bench) shared() string { return filepath.Join(b.work, "arrays") }

// preprocessed writes the cases as arrays for nnU-Net: it would preprocess them
// as we do, to within a rounding, if it could read the files.
func (b *bench) preprocessed(ctx context.Context) error {
	done := filepath.Join(b.shared(), "fold.json")
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	p, err := b.cases(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.shared(), 0o755); err != nil {
		return err
	}
	names := map[string][]string{}
	for part, cases := range map[string][]*dataset.Case{"train": p.train, "val": p.val} {
		for _, c := range cases {
			names[part] = append(names[part], c.ID)
			if err := writeArrays(filepath.Join(b.shared(), c.ID), c); err != nil {
				return err
			}
		}
	}
	text, err := json.Marshal(names)
	if err != nil {
		return err
	}
	return durable.Write(done, text)
}

// writeArrays writes CASE.npy (C, Z, Y, X) and CASE_seg.npy (1, Z, Y, X).
func writeArrays(path string, c *dataset.Case) error {
	grid := []int{c.Shape[0], c.Shape[1], c.Shape[2]}
	return errors.Join(
		durable.Write(path+".npy", npy.Encode(append([]int{c.Channels}, grid...), c.Data)),
		durable.Write(path+"_seg.npy", npy.Encode(append([]int{1}, grid...), c.Seg)),
	)
}

// predictions measures the prediction of fold 0's preprocessed cases, to logits
// on the host, with mirroring.
func (b *bench) predictions(ctx context.Context) error {
	const ours = "predict/task04/ours"
	err := b.once(ctx, ours, func() (Figure, error) { return b.ours(ctx, ours) })
	b.once(ctx, "predict/task04/nnunet", func() (Figure, error) {
		if err := b.preprocessed(ctx); err != nil {
			return Figure{}, err
		}
		return b.theirs(ctx, "predict", shapes[0], "--data", b.shared())
	})
	return err
}

// predict times passes over the cases, behind one in which each size of case is
// compiled for.
func (b *bench) predict(ctx context.Context) (Figure, error) {
	p, err := b.cases(ctx)
	if err != nil {
		return Figure{}, err
	}
	network, err := b.predictor(p)
	if err != nil {
		return Figure{}, err
	}
	defer network.Close()
	m := predict.Model{
		Dataset: p.description, Settings: p.settings, Configuration: p.configuration,
		Networks: []predict.Network{network}, Mirror: predict.MirrorAxes(p.configuration.Architecture.Dim),
	}
	cases, passes := p.val, 3
	if b.small {
		cases, passes = cases[:2], 1
	}
	s, err := timed(passes, func() error {
		for _, c := range cases {
			if _, err := m.Case(ctx, c); err != nil {
				return fmt.Errorf("%s: %w", c.ID, err)
			}
		}
		return nil
	})
	return Figure{Values: map[string]float64{"s": s, "cases": float64(len(cases))}}, err
}

// predictor is an untrained network of the cases' configuration on the device.
func (b *bench) predictor(p preprocessedCases) (engine.Executor, error) {
	n, _, err := program(p.configuration, p.description)
	if err != nil {
		return nil, err
	}
	state, err := train.Initialise(n, 1)
	if err != nil {
		return nil, err
	}
	return train.NewPredictor(p.configuration, state, train.Place{
		Device: &b.device, Precision: b.device.Precision(), Executables: filepath.Join(b.work, "executables"),
	})
}
