package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"runspec/compiler"
	"runspec/compiler/plan"
	"runspec/runtime/execute"
	"runspec/runtime/progress"
	"runspec/runtime/train"

	run "runspec/runtime"
)

// experiment runs a spec on the device as `runspec SPEC` would, and gives what
// each of its trainings came to, by name.
func (b *bench) experiment(ctx context.Context, name, spec string) (outcome run.Outcome, results map[string]train.Result, err error) {
	path := filepath.Join(b.work, name+".cue")
	if err := os.WriteFile(path, []byte(spec), 0o644); err != nil {
		return outcome, nil, err
	}
	results = map[string]train.Result{}
	var mu sync.Mutex
	o := run.Options{
		RunDir: filepath.Join(b.work, "runs", name), CacheDir: filepath.Join(b.work, "cache"), DataDir: filepath.Join(b.pack, "data"),
		SpecDir: b.work, Threads: runtime.NumCPU(), Engine: plan.XLA, Devices: []int{b.device.Index}, Probe: run.Probe,
		Progress: progress.New(progress.Plain, os.Stderr),
		Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
			r, err := execute.Local{}.Run(ctx, j, tell)
			mu.Lock()
			defer mu.Unlock()
			results[j.Name] = r
			return r, err
		},
	}
	defer o.Progress.Close()
	p, err := compiler.Compile(path, compiler.Options{Sources: compiler.Sources{Data: run.Sources(ctx, o, false)}})
	if err != nil {
		return outcome, nil, err
	}
	outcome, err = run.Run(ctx, p, o)
	return outcome, results, err
}

// head is what all specs of the bench say. Toy sizes keep their form.
func (b *bench) head(name string) string {
	training := ""
	if b.small {
		training = "	training: {iterations: 2, validationIterations: 1, batch: 2, baseFeatures: 2, mirroring: false}\n"
	}
	return fmt.Sprintf("import \"runspec.internal/spec\"\n\nspec.#Experiment & {\n	name: %q\n	datasets: [spec.msd.Task04_Hippocampus]\n	folds: [0]\n%s", name, training)
}

// default trains nnU-Net's default for some epochs of the schedule of 1000.
func (b *bench) byDefault(ctx context.Context, name string, epochs int) (train.Result, error) {
	_, results, err := b.experiment(ctx, name, fmt.Sprintf("%s	fidelity: {min: 1, max: %d, horizon: 1000}\n}\n", b.head(name), epochs))
	for _, r := range results {
		return r, err
	}
	if err == nil {
		err = fmt.Errorf("%s is trained already, under another -work", name)
	}
	return train.Result{}, err
}

// epochs measures epochs of Task04's default, with the whole input pipeline.
func (b *bench) epochs(ctx context.Context) error {
	s := shapes[0]
	_, err := b.once("epoch/task04/ours", func() (Figure, error) {
		r, err := b.byDefault(ctx, "epoch", 4)
		if err != nil {
			return Figure{}, err
		}
		var seconds []float64
		for _, e := range r.Curve[1:] { // the first compiles
			seconds = append(seconds, e.Seconds)
		}
		return Figure{Values: map[string]float64{"s": median(seconds), "s of the first": r.Curve[0].Seconds}}, nil
	})
	for _, mode := range []string{"loading", "noloading"} {
		b.once("epoch/task04/nnunet-"+mode, func() (Figure, error) {
			if err := b.preprocessed(ctx); err != nil {
				return Figure{}, err
			}
			return b.theirs(ctx, "epoch", s, "--mode", mode, "--data", b.shared(), "--threads", number(runtime.NumCPU()))
		})
	}
	return err
}

// published is nnU-Net's default on fold 0 of Task04 after 1000 epochs on an H100,
// by Auto-nnU-Net's authors.
func (b *bench) published() (Figure, error) {
	text, err := os.ReadFile(filepath.Join(b.pack, "plans", shapes[0].dataset, "nnUNet_cv_summary.json"))
	if err != nil {
		return Figure{}, err
	}
	folds := map[string]struct {
		Dice    float64 `json:"foreground_mean_dice"`
		Epochs  float64 `json:"epochs"`
		Seconds float64 `json:"median_epoch_seconds"`
	}{}
	if err := json.Unmarshal(text, &folds); err != nil {
		return Figure{}, err
	}
	f, ok := folds["0"]
	if !ok || f.Dice == 0 {
		return Figure{}, errors.New("the published summary lacks fold 0")
	}
	return Figure{Values: map[string]float64{"Dice": f.Dice, "s": f.Seconds * f.Epochs}}, nil
}

// trainings trains the default for 37 and for 111 epochs, and says what it is
// worth beside the published one.
func (b *bench) trainings(ctx context.Context) error {
	_, first := b.once("train/task04/published", b.published)
	for _, epochs := range b.lengths() {
		_, err := b.once(fmt.Sprintf("train/task04/%d", epochs), func() (Figure, error) {
			r, err := b.byDefault(ctx, fmt.Sprintf("default-%d", epochs), epochs)
			if err != nil {
				return Figure{}, err
			}
			f := Figure{Values: map[string]float64{"Dice": float64(r.MeanDice), "s": r.Seconds}}
			for i, label := range r.Labels {
				f.Values["Dice "+label] = float64(r.Dice[i])
			}
			return f, nil
		})
		if first == nil {
			first = err
		}
	}
	return first
}

func (b *bench) lengths() []int {
	if b.small {
		return []int{1, 2}
	}
	return []int{37, 111}
}

// searches runs Regularized PriorBand on Task04, on rungs of 4, 12 and 37 epochs.
func (b *bench) searches(ctx context.Context) error {
	_, err := b.once("search/task04", func() (Figure, error) {
		fidelity, budget := "{min: 4, max: 37, eta: 3, horizon: 37}", 185
		if b.small {
			fidelity, budget = "{min: 1, max: 4, eta: 2, horizon: 4}", 12
		}
		text := fmt.Sprintf("%s	fidelity: %s\n	studies: nas: {space: spec.autonnunet.HPO_NAS, optimizer: spec.#RegularizedPriorBand, budget: {epochs: %d, count: \"full\"}}\n}\n",
			b.head("search"), fidelity, budget)
		outcome, _, err := b.experiment(ctx, "search", text)
		if err != nil {
			return Figure{}, err
		}
		var table bytes.Buffer
		err = outcome.Report.Terminal(&table)
		return Figure{Words: map[string]string{"table": table.String()}}, err
	})
	return err
}
