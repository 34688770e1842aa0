package train

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/evaluate"
	"runspec/runtime/internal/golden"
)

// TestRate compares with PyTorch's schedulers to 1e-12, resumed ones included.
func TestRate(t *testing.T) {
	var table map[string][]float64
	golden.JSON(t, "schedulers/lr.json", &table)
	key := regexp.MustCompile(`^(\w+)_lr([\d.]+)_T(\d+)(?:_resume(\d+))?$`)
	for name, rates := range table {
		m := key.FindStringSubmatch(name)
		if m == nil {
			t.Fatalf("key %q", name)
		}
		initial, _ := strconv.ParseFloat(m[2], 64)
		horizon, _ := strconv.Atoi(m[3])
		from, _ := strconv.Atoi(m[4])
		for i, want := range rates {
			got, err := Rate(m[1], initial, from+i, horizon)
			if err != nil || math.Abs(got-want) > 1e-12*math.Abs(want)+1e-18 {
				t.Errorf("%s: epoch %d: %v, %v; want %v", name, from+i, got, err, want)
			}
		}
	}
	if _, err := Rate("Step", 0.1, 0, 10); err == nil {
		t.Error("an unknown schedule was taken")
	}
}

// TestInitialise compares the moments of every parameter with nnU-Net's.
func TestInitialise(t *testing.T) {
	var nets map[string]map[string]struct {
		Shape     []int
		Mean, Std float64
	}
	golden.JSON(t, "networks/init_stats.json", &nets)
	want := nets["PlainConvUNet"]
	n := buildHippocampus(t, want["decoder.seg_layers.2.weight"].Shape[0])
	s, err := Initialise(n, 7)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range s.Parameters {
		w, ok := want[name]
		if !ok {
			t.Errorf("nnU-Net has no parameter %s", name)
			continue
		}
		mean, std := moments(p.Data)
		size := float64(len(p.Data))
		// Five standard errors of two independent samples.
		if tol := 5 * w.Std * math.Sqrt(2/size); math.Abs(mean-w.Mean) > tol+1e-7 {
			t.Errorf("%s: mean %v, nnU-Net %v", name, mean, w.Mean)
		}
		if tol := 5 * w.Std / math.Sqrt(size); math.Abs(std-w.Std) > tol+1e-7 {
			t.Errorf("%s: standard deviation %v, nnU-Net %v", name, std, w.Std)
		}
	}
	again, _ := Initialise(n, 7)
	other, _ := Initialise(n, 8)
	for name, p := range s.Parameters {
		if !slices.Equal(p.Data, again.Parameters[name].Data) {
			t.Errorf("%s: the same seed gave other values", name)
		}
		if strings.HasSuffix(name, "conv.weight") && slices.Equal(p.Data, other.Parameters[name].Data) {
			t.Errorf("%s: another seed gave the same values", name)
		}
	}
}

func buildHippocampus(t *testing.T, classes int) unet.Network {
	t.Helper()
	a := unet.Architecture{Dim: 3, InputChannels: 1, Classes: classes, Encoder: unet.Plain, DecoderBlocks: []int{2, 2, 2},
		Norm: unet.InstanceNorm, Activation: unet.LeakyReLU}
	for i := range 4 {
		stride := [3]int{2, 2, 2}
		if i == 0 {
			stride = [3]int{1, 1, 1}
		}
		a.Stages = append(a.Stages, unet.Stage{Features: 32 << i, Blocks: 2, Kernel: [3]int{3, 3, 3}, Stride: stride})
	}
	n, err := unet.Build(a)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func moments(x []float32) (mean, std float64) {
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	for _, v := range x {
		std += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
	}
	return mean, math.Sqrt(std)
}

func TestOverlap(t *testing.T) {
	o := newOverlap(3, 0, nil)
	// voxels: predicted 1,1,0,2 (a tie goes to the lower class); labels 1,0,-1,1
	o.add([]float32{0, 2, 1, 0, 3, 1, 5, 5, 5, 0, 1, 2}, []int16{1, 0, -1, 1})
	per, mean := pseudoDice(o.Monitored, false)
	// class 1: tp 1, fp 1, fn 1 → 0.5; class 2: fp 1 → 0
	if per[0] != 0.5 || per[1] != 0 || mean != 0.25 {
		t.Errorf("Dice %v, mean %v", per, mean)
	}
	// Two regions that overlap: {1, 2} and {2}; label 3 is ignored.
	over := newOverlap(2, 3, [][]int16{{1, 2}, {2}})
	over.add([]float32{1, -1, 1, 1, -1, 1, 1, 1}, []int16{1, 2, 1, 3})
	if per, mean := pseudoDice(over.Monitored, true); per[0] != 0.8 || math.Abs(float64(per[1])-2.0/3) > 1e-12 || math.Abs(float64(mean)-(0.8+2.0/3)/2) > 1e-12 {
		t.Errorf("regions: Dice %v, mean %v", per, mean)
	}
	empty := newOverlap(2, 0, nil)
	empty.add([]float32{1, 0}, []int16{0})
	if per, mean := pseudoDice(empty.Monitored, false); per[0].Known() || mean.Known() {
		t.Errorf("no foreground anywhere gave %v, %v", per, mean)
	}
}

func TestOverlay(t *testing.T) {
	h := plan.Hyperparameters{Optimizer: "SGD", Momentum: 0.99, InitialLR: 0.01, AugFactor: 1}
	got, err := Overlay(h, space.Configuration{"optimizer": space.Text("AdamW"), "initial_lr": space.Number(1e-3)})
	if err != nil || got.Optimizer != "AdamW" || got.InitialLR != 1e-3 || got.Momentum != 0.99 || got.AugFactor != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Overlay(h, space.Configuration{"learning_rate": space.Number(1)}); err == nil || !strings.Contains(err.Error(), "learning_rate") {
		t.Errorf("an unknown hyperparameter gave %v", err)
	}
}

func TestCheckpoint(t *testing.T) {
	s := engine.State{
		Steps:      17,
		Parameters: map[string]engine.Tensor{"a.weight": {Shape: []int{2, 1}, Data: []float32{1.5, -2e-30}}},
		Buffers:    map[string]engine.Tensor{"b.running_mean": {Shape: []int{1}, Data: []float32{3}}},
		Slots:      map[string]map[string]engine.Tensor{"momentum": {"a.weight": {Shape: []int{2, 1}, Data: []float32{4, 5}}}},
	}
	p := Progress{Epochs: 3, EMA: 0.25, Best: 0.5, BestEpoch: 2, BestLoss: evaluate.Missing(), Curve: []Epoch{{Epoch: 0, Dice: []evaluate.Score{evaluate.Missing(), 0.1}}}}
	path := filepath.Join(t.TempDir(), "checkpoint")
	if err := (Checkpoint{State: s, Progress: p, Training: "me", Kernels: "slide rule"}).Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadCheckpoint(path)
	if err != nil || !cmp.Equal(s, got.State) || got.Training != "me" || got.Kernels != "slide rule" {
		t.Errorf("%v; %q; %s", err, got.Training, cmp.Diff(s, got.State))
	}
	nan := cmp.Comparer(func(a, b evaluate.Score) bool { return a == b || !a.Known() && !b.Known() })
	if d := cmp.Diff(p, got.Progress, nan); d != "" {
		t.Error(d)
	}
	whole, _ := os.ReadFile(path)
	for _, cut := range []int{0, 4, 20, len(whole) / 2, len(whole) - 1} {
		os.WriteFile(path, whole[:cut], 0o644)
		if _, err := ReadCheckpoint(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("a file cut to %d bytes gave %v", cut, err)
		}
	}
	for _, at := range []int{len(whole) - 2, bytes.Index(whole, []byte("bestEpoch")) + 12} { // in the data, in the progress
		broken := bytes.Clone(whole)
		broken[at] ^= 1
		os.WriteFile(path, broken, 0o644)
		if _, err := ReadCheckpoint(path); err == nil {
			t.Errorf("a flipped bit at %d went unnoticed", at)
		}
	}
}

// TestFollowedBy keeps a processor's bits those of one set of kernels, unless a
// device has a part in the training anyway.
func TestFollowedBy(t *testing.T) {
	host := Checkpoint{Kernels: "avx2", Progress: Progress{Curve: []Epoch{{}}}}
	mixed := Checkpoint{Kernels: "avx2", Progress: Progress{Curve: []Epoch{{}, {Device: "cuda x bf16"}}}}
	for _, c := range []struct {
		from Checkpoint
		code Code
		want bool
	}{
		{host, Code{Instructions: "avx2"}, true},
		{host, Code{Instructions: "portable"}, false},
		{host, Code{Instructions: "portable", Device: "cuda x bf16"}, true},
		{mixed, Code{Instructions: "portable"}, true},
	} {
		if got := c.from.followedBy(c.code); got != c.want {
			t.Errorf("%s, %d epochs, by %+v: %v", c.from.Kernels, len(c.from.Progress.Curve), c.code, got)
		}
	}
}
