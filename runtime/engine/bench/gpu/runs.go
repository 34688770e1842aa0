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
)

// epochs measures epochs of Task04's default, with the whole input pipeline.
func (b *bench) epochs(ctx context.Context) error {
	err := b.once(ctx, "epoch/task04/ours", func() (Figure, error) {
		t, err := b.byDefault(ctx, "epoch", 4)
		if err != nil {
			return Figure{}, err
		}
		return t.epochs()
	})
	for _, mode := range []string{"loading", "noloading"} {
		b.once(ctx, "epoch/task04/nnunet-"+mode, func() (Figure, error) {
			if err := b.preprocessed(ctx); err != nil {
				return Figure{}, err
			}
			return b.theirs(ctx, "epoch", shapes[0], "--mode", mode, "--data", b.shared(), "--threads", number(runtime.NumCPU()))
		})
	}
	return err
}

// epochs is what a training's epochs took: without the wait for checkpoints, which
// are written while the next epoch trains and which nnU-Net's are measured without;
// and with it, from when one epoch's were there to when the next one's were. The
// first epoch warms up.
func (t training) epochs() (Figure, error) {
	if len(t.Curve) < 2 {
		return Figure{}, fmt.Errorf("the training tells of %d epochs, the first of which warms up", len(t.Curve))
	}
	var seconds, whole []float64
	for _, e := range t.Curve[1:] {
		seconds = append(seconds, e.Seconds)
	}
	f := Figure{Values: map[string]float64{"s": median(seconds), "s of the first": t.Curve[0].Seconds}}
	for i := 1; i < len(t.told); i++ {
		whole = append(whole, t.told[i].Sub(t.told[i-1]).Seconds())
	}
	if len(whole) > 0 {
		f.Values["s with checkpoints"] = median(whole)
	}
	return f, nil
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
	errs := []error{b.once(ctx, "train/task04/published", b.published)}
	for _, epochs := range b.lengths() {
		errs = append(errs, b.once(ctx, fmt.Sprintf("train/task04/%d", epochs), func() (Figure, error) {
			t, err := b.byDefault(ctx, fmt.Sprintf("default-%d", epochs), epochs)
			if err != nil {
				return Figure{}, err
			}
			f := Figure{Values: map[string]float64{"Dice": float64(t.MeanDice), "s": t.Seconds}}
			for i, label := range t.Labels {
				f.Values["Dice "+label] = float64(t.Dice[i])
			}
			return f, nil
		}))
	}
	return errors.Join(errs...)
}

func (b *bench) lengths() []int {
	if b.small {
		return []int{1, 2}
	}
	return []int{37, 111}
}

// searches runs Regularized PriorBand on Task04, on rungs of 4, 12 and 37 epochs.
func (b *bench) searches(ctx context.Context) error {
	return b.once(ctx, "search/task04", func() (Figure, error) { return b.search(ctx) })
}

// search is a figure of words: the table, and which trials failed. The search has
// gone on without those, as the paper's does, so they do not fail the figure.
func (b *bench) search(ctx context.Context) (Figure, error) {
	fidelity, budget := "{min: 4, max: 37, eta: 3, horizon: 37}", 185
	if b.small {
		fidelity, budget = "{min: 1, max: 4, eta: 2, horizon: 4}", 12
	}
	spec := fmt.Sprintf("%s	fidelity: %s\n	studies: nas: {space: spec.autonnunet.HPO_NAS, optimizer: spec.#RegularizedPriorBand, budget: {epochs: %d, count: \"full\"}}\n}\n",
		b.head("search"), fidelity, budget)
	_, outcome, err := b.experiment(ctx, "search", spec, nil)
	if err != nil {
		return Figure{}, err
	}
	if err := missing(outcome); err != nil {
		return Figure{}, errors.Join(err, failed(outcome))
	}
	var table bytes.Buffer
	if err := outcome.Report.Terminal(&table); err != nil {
		return Figure{}, err
	}
	f := Figure{Words: map[string]string{"table": table.String()}}
	if err := failed(outcome); err != nil {
		f.Words["failed"] = err.Error()
	}
	return f, nil
}
