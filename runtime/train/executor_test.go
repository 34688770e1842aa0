package train_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu"
	"runspec/runtime/engine/reference"
	"runspec/runtime/train"
)

// small are networks that together use every operation.
var small = []struct {
	name      string
	arch      unet.Architecture
	patch     [3]int
	loss      engine.Loss
	optimizer engine.Optimizer
}{
	{
		name: "plain instance leaky dropout",
		arch: unet.Architecture{
			Dim: 3, InputChannels: 2, Classes: 3, Encoder: unet.Plain,
			Stages: []unet.Stage{
				{Features: 5, Blocks: 2, Kernel: [3]int{3, 3, 3}, Stride: [3]int{1, 1, 1}},
				{Features: 7, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{2, 2, 2}},
				{Features: 9, Blocks: 2, Kernel: [3]int{1, 3, 3}, Stride: [3]int{1, 2, 2}},
			},
			DecoderBlocks: []int{1, 2}, Norm: unet.InstanceNorm, Activation: unet.LeakyReLU, Dropout: 0.3,
		},
		patch:     [3]int{4, 8, 12},
		loss:      engine.Loss{Kind: engine.DiceCE, Ignore: 3},
		optimizer: engine.Optimizer{Kind: engine.SGD, Momentum: 0.9, WeightDecay: 1e-3, Clip: 1},
	},
	{
		name: "residual batch prelu dropout",
		arch: unet.Architecture{
			Dim: 3, InputChannels: 1, Classes: 4, Encoder: unet.Residual,
			Stages: []unet.Stage{
				{Features: 4, Blocks: 1, Kernel: [3]int{1, 3, 3}, Stride: [3]int{1, 1, 1}},
				{Features: 6, Blocks: 2, Kernel: [3]int{3, 3, 3}, Stride: [3]int{1, 2, 2}},
				{Features: 6, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{2, 2, 2}},
			},
			DecoderBlocks: []int{1, 1}, Norm: unet.BatchNorm, Activation: unet.PReLU, Dropout: 0.2,
		},
		patch:     [3]int{4, 8, 8},
		loss:      engine.Loss{Kind: engine.Dice, BatchDice: true, Ignore: 4},
		optimizer: engine.Optimizer{Kind: engine.AdamW, WeightDecay: 1e-2, AMSGrad: true},
	},
	{
		name: "plain instance leaky regions",
		arch: unet.Architecture{
			Dim: 3, InputChannels: 1, Classes: 3, Encoder: unet.Plain,
			Stages: []unet.Stage{
				{Features: 4, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{1, 1, 1}},
				{Features: 8, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{2, 2, 2}},
				{Features: 8, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{2, 2, 2}},
			},
			DecoderBlocks: []int{1, 1}, Norm: unet.InstanceNorm, Activation: unet.LeakyReLU,
		},
		patch:     [3]int{8, 8, 8},
		loss:      engine.Loss{Kind: engine.DiceCE, Ignore: 3, Regions: [][]int16{{1, 2}, {2}, {0, 1}}},
		optimizer: engine.Optimizer{Kind: engine.SGD, Momentum: 0.9, Clip: 12},
	},
	{
		name: "plain instance gelu topk",
		arch: unet.Architecture{
			Dim: 2, InputChannels: 1, Classes: 2, Encoder: unet.Plain,
			Stages: []unet.Stage{
				{Features: 4, Blocks: 1, Kernel: [3]int{1, 3, 3}, Stride: [3]int{1, 1, 1}},
				{Features: 8, Blocks: 1, Kernel: [3]int{1, 5, 3}, Stride: [3]int{1, 2, 4}},
			},
			DecoderBlocks: []int{1}, Norm: unet.InstanceNorm, Activation: unet.GELU,
		},
		patch:     [3]int{1, 10, 16},
		loss:      engine.Loss{Kind: engine.TopK, Ignore: 2},
		optimizer: engine.Optimizer{Kind: engine.Adam, WeightDecay: 1e-3},
	},
	{
		name: "residual instance relu",
		arch: unet.Architecture{
			Dim: 3, InputChannels: 1, Classes: 3, Encoder: unet.Residual,
			Stages: []unet.Stage{
				{Features: 4, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{1, 1, 1}},
				{Features: 8, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{2, 2, 2}},
				{Features: 8, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{1, 2, 2}},
			},
			DecoderBlocks: []int{1, 1}, Norm: unet.InstanceNorm, Activation: unet.ReLU,
		},
		patch:     [3]int{4, 8, 8},
		loss:      engine.Loss{Kind: engine.CE},
		optimizer: engine.Optimizer{Kind: engine.SGD, Momentum: 0.99, WeightDecay: 3e-5, Clip: 12},
	},
	{
		name: "plain batch elu",
		arch: unet.Architecture{
			Dim: 3, InputChannels: 3, Classes: 3, Encoder: unet.Plain,
			Stages: []unet.Stage{
				{Features: 3, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{1, 1, 1}},
				{Features: 5, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{2, 2, 2}},
				{Features: 5, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{2, 2, 2}},
				{Features: 5, Blocks: 1, Kernel: [3]int{3, 3, 3}, Stride: [3]int{1, 1, 2}},
			},
			DecoderBlocks: []int{1, 1, 1}, Norm: unet.BatchNorm, Activation: unet.ELU,
		},
		patch:     [3]int{8, 8, 8},
		loss:      engine.Loss{Kind: engine.DiceCE, BatchDice: true},
		optimizer: engine.Optimizer{Kind: engine.SGD, Momentum: 0.9},
	},
}

// build makes the program of one of the small networks for a batch of 3.
func build(t testing.TB, i int) *engine.Program {
	t.Helper()
	n, err := unet.Build(small[i].arch)
	if err != nil {
		t.Fatal(err)
	}
	loss := small[i].loss
	p, err := train.Build(n, train.GraphOptions{
		Batch: 3, Patch: small[i].patch, Loss: loss, Optimizer: small[i].optimizer, Seed: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// started is an executor with weights from which every gradient differs from 0.
func started(t *testing.T, p *engine.Program, new func(*engine.Program) (engine.Executor, error)) engine.Executor {
	t.Helper()
	e, err := new(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	s := random(p)
	r := rand.New(rand.NewPCG(7, 8))
	for _, q := range p.Parameters { // in order: a map has none
		for i := range s.Parameters[q.Name].Data {
			s.Parameters[q.Name].Data[i] += float32(r.NormFloat64() * 0.2)
		}
	}
	if err := e.Restore(s); err != nil {
		t.Fatal(err)
	}
	return e
}

func threads(n int) func(*engine.Program) (engine.Executor, error) {
	return func(p *engine.Program) (engine.Executor, error) { return cpu.New(p, cpu.Options{Threads: n}) }
}

// labelled is noise, some of it under the label to ignore.
func labelled(p *engine.Program) engine.Batch {
	b := noise(p)
	for _, labels := range b.Labels {
		for i := range labels {
			if p.Loss.Ignore != 0 && i%7 == 3 {
				labels[i] = p.Loss.Ignore
			}
		}
	}
	return b
}

// TestExecutorsAgree compares the executors with each other where PyTorch's
// recordings do not reach: dropout, ignored labels, other strides and kernels.
func TestExecutorsAgree(t *testing.T) {
	for i, n := range small {
		for _, x := range executors[1:] {
			t.Run(n.name+"/"+x.name, func(t *testing.T) { agree(t, build(t, i), x) })
		}
	}
}

// agree compares an executor with the reference: three steps and an evaluation.
func agree(t *testing.T, p *engine.Program, x contender) {
	oracle, e := started(t, p, reference.New), started(t, p, x.new)
	b := labelled(p)
	for step := range 3 {
		stepBoth(t, step, oracle, e, b, 2e-5)
		// Momentum is the gradient, Adam's m a tenth of it.
		state := e.State()
		for slot, tensors := range oracle.State().Slots {
			closeState(t, fmt.Sprint(slot, " after step ", step), state.Slots[slot], tensors, 2e-3)
		}
	}
	closeState(t, "buffers", e.State().Buffers, oracle.State().Buffers, 1e-3)
	wantLoss, want, err := oracle.Evaluate(b)
	if err != nil {
		t.Fatal(err)
	}
	loss, got, err := e.Evaluate(b)
	if err != nil {
		t.Fatal(err)
	}
	if !(math.Abs(loss-wantLoss) <= 1e-3) {
		t.Errorf("loss of the evaluation: %v, reference %v", loss, wantLoss)
	}
	closeTensor(t, "logits", got, want, 5e-3)
}

// stepBoth takes a step with an executor and with the reference, and compares the
// losses.
func stepBoth(t *testing.T, step int, oracle, e engine.Executor, b engine.Batch, tolerance float64) {
	t.Helper()
	want, err := oracle.Step(b, 1e-3)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Step(b, 1e-3)
	if err != nil {
		t.Fatal(err)
	}
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("loss of step %d: %v, reference %v", step, got, want)
	}
}

// closeState compares tensors by name; tolerance is relative to each one's largest value.
func closeState(t *testing.T, what string, got, want map[string]engine.Tensor, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d tensors, reference %d", what, len(got), len(want))
	}
	for name, w := range want {
		closeTensor(t, what+" of "+name, got[name], w, tolerance)
	}
}

func closeTensor(t *testing.T, what string, got, want engine.Tensor, tolerance float64) {
	t.Helper()
	if !slices.Equal(got.Shape, want.Shape) {
		t.Fatalf("%s: shape %v, want %v", what, got.Shape, want.Shape)
	}
	size := 1e-3
	for _, v := range want.Data {
		size = max(size, math.Abs(float64(v)))
	}
	for i, v := range want.Data {
		if d := math.Abs(float64(got.Data[i]) - float64(v)); !(d <= tolerance*size) {
			t.Errorf("%s: %v at %d, want %v (largest %v)", what, got.Data[i], i, v, size)
			return
		}
	}
}

// TestThreads wants the same bits from any number of threads.
func TestThreads(t *testing.T) {
	programs := map[string]*engine.Program{"task04": task04Program(t, 8)}
	for i, n := range small {
		programs[n.name] = build(t, i)
	}
	for name, p := range programs {
		t.Run(name, func(t *testing.T) {
			b := labelled(p)
			var want engine.State
			for _, n := range []int{1, 2, 3, 7} {
				e := started(t, p, threads(n))
				for range 2 {
					if _, err := e.Step(b, 1e-3); err != nil {
						t.Fatal(err)
					}
				}
				if n == 1 {
					want = e.State()
				} else if d := cmp.Diff(want, e.State()); d != "" {
					t.Fatalf("%d threads give another result than 1: %.500s", n, d)
				}
			}
		})
	}
}

// TestContinue wants the same bits from training in one go and from training
// continued in a new executor, with evaluation and prediction in between.
func TestContinue(t *testing.T) {
	for i, n := range small {
		t.Run(n.name, func(t *testing.T) {
			p := build(t, i)
			b := labelled(p)
			step := func(e engine.Executor) {
				t.Helper()
				if _, err := e.Step(b, 1e-3); err != nil {
					t.Fatal(err)
				}
			}
			whole := started(t, p, threads(2))
			for range 4 {
				step(whole)
			}
			first := started(t, p, threads(2))
			step(first)
			if _, _, err := first.Evaluate(b); err != nil {
				t.Fatal(err)
			}
			if _, err := first.Predict(b.Image); err != nil {
				t.Fatal(err)
			}
			step(first)
			second, err := cpu.New(p, cpu.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			if err := second.Restore(first.State()); err != nil {
				t.Fatal(err)
			}
			step(second)
			step(second)
			if d := cmp.Diff(whole.State(), second.State()); d != "" {
				t.Fatalf("continued training differs: %.500s", d)
			}
		})
	}
}

// TestNotFinite wants a bad step refused and everything left as it was.
func TestNotFinite(t *testing.T) {
	for _, e := range executors {
		t.Run(e.name, func(t *testing.T) {
			p := build(t, 1)
			e := started(t, p, e.new)
			b := labelled(p)
			if _, err := e.Step(b, 1e-3); err != nil {
				t.Fatal(err)
			}
			before := e.State()
			b.Image.Data[5] = float32(math.NaN())
			if _, err := e.Step(b, 1e-3); !errors.Is(err, engine.ErrNotFinite) {
				t.Fatalf("a step on an undefined voxel: error %v", err)
			}
			if d := cmp.Diff(before, e.State()); d != "" {
				t.Errorf("the refused step changed something: %.500s", d)
			}
			b.Image.Data[5] = 0
			if loss, err := e.Step(b, 1e-3); err != nil || math.IsNaN(loss) {
				t.Errorf("the step after it: loss %v, error %v", loss, err)
			}
		})
	}
}

// TestPredictImages wants the logits of several images to be those of each.
func TestPredictImages(t *testing.T) {
	for _, e := range executors {
		t.Run(e.name, func(t *testing.T) {
			p := build(t, 0)
			e := started(t, p, e.new)
			images := noise(p).Image
			all, err := e.Predict(images)
			if err != nil {
				t.Fatal(err)
			}
			together := slices.Clone(all.Data)
			each, out := len(images.Data)/3, len(together)/3
			for i := range 3 {
				one := engine.Tensor{Shape: slices.Clone(images.Shape), Data: images.Data[i*each:][:each]}
				one.Shape[0] = 1
				got, err := e.Predict(one)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got.Data, together[i*out:][:out]) {
					t.Errorf("image %d alone has other logits than among three", i)
				}
			}
		})
	}
}

// TestBadInput wants errors that say what does not fit, and no panic.
func TestBadInput(t *testing.T) {
	p := build(t, 0)
	var all []engine.Executor
	for _, x := range executors {
		all = append(all, started(t, p, x.new))
	}
	for _, bad := range []struct {
		name, want string
		change     func(*engine.Batch)
	}{
		{"patch", "image of shape", func(b *engine.Batch) { b.Image.Shape[1]++ }},
		{"values", "values", func(b *engine.Batch) { b.Image.Data = b.Image.Data[1:] }},
		{"batch", "batch of", func(b *engine.Batch) {
			b.Image.Shape[0], b.Image.Data = 1, b.Image.Data[:len(b.Image.Data)/3]
		}},
		{"outputs", "outputs", func(b *engine.Batch) { b.Labels = b.Labels[:1] }},
		{"voxels", "labels for output 1", func(b *engine.Batch) { b.Labels[1] = b.Labels[0] }},
		{"label", "label 9", func(b *engine.Batch) { b.Labels[0][4] = 9 }},
		{"negative label", "label -1", func(b *engine.Batch) { b.Labels[0][4] = -1 }},
	} {
		for i, x := range executors {
			t.Run(bad.name+"/"+x.name, func(t *testing.T) {
				b := noise(p)
				bad.change(&b)
				if _, err := all[i].Step(b, 1); err == nil || !strings.Contains(err.Error(), bad.want) {
					t.Errorf("Step: error %v, want one about %q", err, bad.want)
				}
				if _, _, err := all[i].Evaluate(b); err == nil || !strings.Contains(err.Error(), bad.want) {
					t.Errorf("Evaluate: error %v, want one about %q", err, bad.want)
				}
			})
		}
	}
}

// TestBadState wants a state of another network refused without a change.
func TestBadState(t *testing.T) {
	p := build(t, 1)
	name := p.Parameters[0].Name
	for _, bad := range []struct {
		name, want string
		change     func(*engine.State)
	}{
		{"missing", name + " is missing", func(s *engine.State) { delete(s.Parameters, name) }},
		{"extra", "no other", func(s *engine.State) { s.Parameters["other"] = engine.Tensor{} }},
		{"shape", "shape [1]", func(s *engine.State) {
			s.Parameters[name] = engine.Tensor{Shape: []int{1}, Data: []float32{1}}
		}},
		{"slots", "m is missing", func(s *engine.State) { delete(s.Slots, "m") }},
		{"buffers", "is missing", func(s *engine.State) { s.Buffers = nil }},
	} {
		t.Run(bad.name, func(t *testing.T) {
			e := started(t, p, threads(1))
			if _, err := e.Step(noise(p), 1e-3); err != nil {
				t.Fatal(err)
			}
			before := e.State()
			s := e.State()
			bad.change(&s)
			if err := e.Restore(s); err == nil || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("error %v, want one about %q", err, bad.want)
			}
			if d := cmp.Diff(before, e.State()); d != "" {
				t.Errorf("the refused state changed something: %.300s", d)
			}
		})
	}
}

// TestBadOptions wants an error for what no program can be built from.
func TestBadOptions(t *testing.T) {
	n, err := unet.Build(small[0].arch)
	if err != nil {
		t.Fatal(err)
	}
	good := train.GraphOptions{
		Batch: 2, Patch: small[0].patch,
		Loss: engine.Loss{Kind: engine.CE}, Optimizer: engine.Optimizer{Kind: engine.SGD},
	}
	if _, err := train.Build(n, good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct {
		want   string
		change func(*train.GraphOptions)
	}{
		{"batch of 0", func(o *train.GraphOptions) { o.Batch = 0 }},
		{"patch", func(o *train.GraphOptions) { o.Patch[2]++ }},
		{"unknown loss", func(o *train.GraphOptions) { o.Loss.Kind = "x" }},
		{"unknown optimiser", func(o *train.GraphOptions) { o.Optimizer.Kind = "x" }},
		{"3 loss weights", func(o *train.GraphOptions) { o.Loss.Weights = []float64{1, 1, 1} }},
		{"no output's loss", func(o *train.GraphOptions) { o.Loss.Weights = []float64{0, 0} }},
	} {
		o := good
		bad.change(&o)
		if _, err := train.Build(n, o); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("error %v, want one about %q", err, bad.want)
		}
	}
}

// TestMemory holds the plan of Task04's full step to what PyTorch needs for
// it (1364 MB measured, of which half is the bar), and the network's own
// estimate, which plans print, to the plan.
func TestMemory(t *testing.T) {
	p := task04Program(t, 32)
	e, err := cpu.New(p, cpu.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	m := e.(*cpu.Executor).Memory()
	if planned := m.Weights + m.Gradients + m.Step; planned > 380<<20 {
		t.Errorf("a step needs %d MiB: weights %d, gradients %d, slab %d", planned>>20, m.Weights>>20, m.Gradients>>20, m.Step>>20)
	}
	if m.Predict > 50<<20 || m.Evaluate > 100<<20 {
		t.Errorf("slabs of %d MiB to evaluate, %d MiB to predict", m.Evaluate>>20, m.Predict>>20)
	}
	n, err := unet.Build(task04(32))
	if err != nil {
		t.Fatal(err)
	}
	estimate, err := n.TrainingMemory(p.Batch, p.Patch)
	if err != nil {
		t.Fatal(err)
	}
	if ratio := float64(estimate) / float64(m.Weights+m.Gradients+m.Step); ratio < 1 || ratio > 1.5 {
		t.Errorf("the estimate for plans is %d MiB, %.2f of the executor's plan", estimate>>20, ratio)
	}
}
