package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"runspec/compiler"
	"runspec/runtime/execute"

	run "runspec/runtime"
)

var (
	placeSeeds   = flag.Int("same-place", 0, "seeds that TestSamePlace trains anew, about five minutes each")
	placeRuns    = flag.String("same-place-runs", "", "folder that keeps the trainings; default: a temporary one")
	placeThreads = flag.Int("same-place-threads", 2, "threads of the trainings; changes no result")
)

// smallTraining is one training of the small setting: see train_small.py, and
// testdata/spec/small_training.cue for ours.
type smallTraining struct {
	Fold     int       `json:"fold"`
	Seed     int       `json:"seed"`
	Mean     float64   `json:"mean"` // Dice over the fold's cases and both labels
	PerLabel []float64 `json:"sliding_window_dice_per_label"`
	Cases    int       `json:"cases"`
}

// TestSamePlace compares where our trainings and nnU-Net's own end: the same
// small setting on Task04, fold 0, five seeds each. The 90 % interval of the
// difference of mean Dice (Welch 1947) must lie within 0.015 of zero, which is
// a test of equivalence at 5 % (Schuirmann 1987). It reads the recorded
// numbers; with -same-place it makes ours anew first.
//
//	go test . -run TestSamePlace -same-place 5 -timeout 2h
func TestSamePlace(t *testing.T) {
	const ours, theirs = "runtime/proofs/nnunet/runspec.json", "runtime/proofs/nnunet/nnunet.json"
	if *placeSeeds > 0 {
		trainSmall(t, ours, *placeSeeds)
	}
	a, b := meansOf(t, ours), meansOf(t, theirs)
	if len(a) < 5 || len(b) < 5 {
		t.Fatalf("%d trainings of ours and %d of nnU-Net's; five each are wanted", len(a), len(b))
	}
	low, high := welch(a, b, 0.9)
	t.Logf("Dice of ours %.4f (%d seeds), of nnU-Net's %.4f (%d seeds); 90 %% interval of the difference [%+.4f, %+.4f]",
		stat.Mean(a, nil), len(a), stat.Mean(b, nil), len(b), low, high)
	if low < -0.015 || high > 0.015 {
		t.Errorf("the interval [%+.4f, %+.4f] leaves ± 0.015", low, high)
	}
}

// welch is the two-sided confidence interval of the difference of two means
// whose variances may differ.
func welch(a, b []float64, level float64) (low, high float64) {
	ma, va := stat.MeanVariance(a, nil)
	mb, vb := stat.MeanVariance(b, nil)
	ea, eb := va/float64(len(a)), vb/float64(len(b))
	freedom := (ea + eb) * (ea + eb) / (ea*ea/float64(len(a)-1) + eb*eb/float64(len(b)-1))
	half := math.Sqrt(ea+eb) * distuv.StudentsT{Sigma: 1, Nu: freedom}.Quantile((1+level)/2)
	return ma - mb - half, ma - mb + half
}

func TestWelch(t *testing.T) {
	// scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.9)
	low, high := welch([]float64{1, 2, 3, 4, 7}, []float64{2, 2.5, 3.5}, 0.9)
	if math.Abs(low+1.5001372943928692) > 1e-6 || math.Abs(high-2.9668039610595356) > 1e-6 {
		t.Errorf("[%v, %v]", low, high)
	}
}

// meansOf reads the mean Dice of the recorded trainings on fold 0.
func meansOf(t *testing.T, path string) (out []float64) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []smallTraining
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, one := range list {
		if one.Fold == 0 {
			out = append(out, one.Mean)
		}
	}
	return out
}

// trainSmall trains seeds 0 to n-1 and records them.
func trainSmall(t *testing.T, path string, n int) {
	data, err := filepath.Abs("../shared/data")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(data); err != nil {
		t.Skip("no Task04 at ../shared/data to train on")
	}
	dir := *placeRuns
	if dir == "" {
		dir = t.TempDir()
	}
	var list []smallTraining
	for seed := range n {
		list = append(list, trainSeed(t, data, dir, seed))
	}
	text, err := json.MarshalIndent(list, "", " ")
	if err == nil {
		err = os.WriteFile(path, append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func trainSeed(t *testing.T, data, dir string, seed int) smallTraining {
	t.Helper()
	o := run.Options{
		RunDir: filepath.Join(dir, fmt.Sprintf("seed%d", seed)), CacheDir: filepath.Join(dir, "cache"),
		DataDir: data, Threads: *placeThreads, Train: execute.Do,
	}
	p, err := compiler.Compile("testdata/spec/small_training.cue", compiler.Options{
		Tags:    map[string]string{"seed": strconv.Itoa(seed)},
		Sources: compiler.Sources{Data: run.Sources(context.Background(), o, false)},
	})
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := run.Run(context.Background(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	table := outcome.Report.Tables[0]
	one := smallTraining{Seed: seed, Cases: 52}
	for i, c := range table.Columns {
		cell := table.Rows[0].Cells[i].Value
		switch {
		case cell == nil:
		case c.ID == "dice":
			one.Mean = *cell
		case strings.HasPrefix(c.ID, "dice/"):
			one.PerLabel = append(one.PerLabel, *cell)
		}
	}
	t.Logf("seed %d: Dice %v, %v", seed, one.Mean, one.PerLabel)
	return one
}
