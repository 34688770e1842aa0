package train_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu"
	"runspec/runtime/engine/reference"
	"runspec/runtime/internal/golden"
	"runspec/runtime/train"
)

// contender is an executor under test.
type contender struct {
	name string
	new  func(*engine.Program) (engine.Executor, error)
}

// executors are all that have to agree with PyTorch's recordings; xla is among
// them where there is a plug-in.
var executors = append([]contender{
	{"reference", reference.New},
	{"cpu", func(p *engine.Program) (engine.Executor, error) { return cpu.New(p, cpu.Options{Threads: 2}) }},
}, plugins()...)

var networks = []string{
	"plain_in_lrelu", "plain_2d_in_relu", "plain_in_gelu_dropout",
	"resenc_in_lrelu", "plain_bn_elu_aniso", "resenc_bn_prelu_dropout",
}

// inspector is what executors offer for comparisons beyond engine.Executor.
type inspector interface {
	Logits(image engine.Tensor, training bool) ([]engine.Tensor, error)
}

// TestConformance compares every executor with what PyTorch recorded of six
// small networks; the tolerances are those of the recordings' README.
func TestConformance(t *testing.T) {
	for _, name := range networks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openRecording(t, name)
			for _, e := range executors {
				t.Run(e.name, func(t *testing.T) {
					c := conformance{recording: r, new: e.new}
					t.Run("logits", c.logits)
					t.Run("losses", c.losses)
					t.Run("gradients", c.gradients)
					t.Run("steps", c.steps)
				})
			}
		})
	}
}

// recording is one folder of reference/nnunet/networks/small.
type recording struct {
	dir     string
	network unet.Network
	info    info
	batch   engine.Batch
	weights engine.State
}

type info struct {
	Architecture struct {
		Class string `json:"network_class_name"`
		Args  struct {
			Features []int   `json:"features_per_stage"`
			Kernels  [][]int `json:"kernel_sizes"`
			Strides  [][]int `json:"strides"`
			Decoder  []int   `json:"n_conv_per_stage_decoder"`
			Convs    []int   `json:"n_conv_per_stage"`
			Blocks   []int   `json:"n_blocks_per_stage"`
			Norm     string  `json:"norm_op"`
			Nonlin   string  `json:"nonlin"`
		} `json:"arch_kwargs"`
	} `json:"architecture"`
	In     int   `json:"in_ch"`
	Out    int   `json:"out_ch"`
	Patch  []int `json:"patch_size"`
	Batch  int   `json:"batch"`
	Losses map[string]struct {
		Total    float64   `json:"total"`
		PerLevel []float64 `json:"per_level"`
		Norm     float64   `json:"grad_norm"`
		Without  []string  `json:"params_without_grad"`
	} `json:"losses"`
	Optim map[string]struct {
		Steps []struct {
			Loss float64 `json:"loss"`
		} `json:"steps"`
		After float64 `json:"loss_after"`
		Scale float64 `json:"loss_scale"`
	} `json:"optim"`
}

// three completes a 2-D triple with a leading z.
func three(v []int) [3]int {
	if len(v) == 2 {
		return [3]int{1, v[0], v[1]}
	}
	return [3]int(v)
}

func openRecording(t *testing.T, name string) *recording {
	r := &recording{dir: "networks/small/" + name}
	golden.JSON(t, r.dir+"/info.json", &r.info)
	var err error
	if r.network, err = unet.Build(r.info.architecture(t)); err != nil {
		t.Fatal(err)
	}
	r.batch.Image = channelsLast(golden.NPY(t, r.dir+"/input.npy"))
	for i := range r.network.Outputs {
		r.batch.Labels = append(r.batch.Labels, golden.NPY(t, fmt.Sprintf("%s/target_%d.npy", r.dir, i)).Int16())
	}
	r.weights.Parameters = r.parameters(t, golden.Safetensors(t, r.dir+"/weights.safetensors"))
	return r
}

// architecture leaves dropout out: the recordings have it switched off.
func (f info) architecture(t *testing.T) unet.Architecture {
	a := unet.Architecture{
		Dim: len(f.Patch), InputChannels: f.In, Classes: f.Out,
		Encoder: unet.Plain, Norm: unet.InstanceNorm, DecoderBlocks: f.Architecture.Args.Decoder,
	}
	args := f.Architecture.Args
	blocks := args.Convs
	if strings.Contains(f.Architecture.Class, "Residual") {
		a.Encoder, blocks = unet.Residual, args.Blocks
	}
	if strings.Contains(args.Norm, "BatchNorm") {
		a.Norm = unet.BatchNorm
	}
	var err error
	if a.Activation, err = unet.ParseActivation(args.Nonlin[strings.LastIndex(args.Nonlin, ".")+1:]); err != nil {
		t.Fatal(err)
	}
	for i, n := range args.Features {
		a.Stages = append(a.Stages, unet.Stage{
			Features: n, Blocks: blocks[i], Kernel: three(args.Kernels[i]), Stride: three(args.Strides[i]),
		})
	}
	return a
}

// parameters keeps a file's tensors of the network's parameters; the file
// lists some twice, and buffers with them.
func (r *recording) parameters(t *testing.T, file map[string]golden.Tensor) map[string]engine.Tensor {
	out := map[string]engine.Tensor{}
	for _, p := range r.network.Parameters {
		f, ok := file[p.Name]
		if !ok {
			t.Fatalf("the recording has no %s", p.Name)
		}
		out[p.Name] = engine.Tensor{Shape: f.Shape, Data: f.Float32()}
	}
	return out
}

// channelsLast turns (N, C, [D,] H, W) into (N, D, H, W, C).
func channelsLast(a golden.Array) engine.Tensor {
	n, c := a.Shape[0], a.Shape[1]
	size := three(a.Shape[2:])
	voxels := size[0] * size[1] * size[2]
	t := engine.Tensor{Shape: []int{n, size[0], size[1], size[2], c}, Data: make([]float32, len(a.Data))}
	for i := range n {
		for ch := range c {
			for v := range voxels {
				t.Data[(i*voxels+v)*c+ch] = float32(a.Data[(i*c+ch)*voxels+v])
			}
		}
	}
	return t
}

type conformance struct {
	*recording
	new func(*engine.Program) (engine.Executor, error)
}

var sgd = engine.Optimizer{Kind: engine.SGD, Momentum: 0.99, WeightDecay: 3e-5}

// executor builds the network with the recorded weights; loss weights are
// multiplied by scale.
func (c conformance) executor(t *testing.T, loss engine.Loss, o engine.Optimizer, scale float64) engine.Executor {
	t.Helper()
	if loss.Weights == nil {
		loss.Weights = c.network.DeepSupervisionWeights()
	}
	for i := range loss.Weights {
		loss.Weights[i] *= scale
	}
	p, err := train.Build(c.network, train.GraphOptions{
		Batch: c.info.Batch, Patch: three(c.info.Patch), Loss: loss, Optimizer: o,
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.new(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if err := e.Restore(c.weights); err != nil {
		t.Fatal(err)
	}
	return e
}

func (c conformance) logits(t *testing.T) {
	e := c.executor(t, engine.Loss{Kind: engine.DiceCE}, sgd, 1)
	for _, mode := range []struct {
		name     string
		training bool
	}{{"eval", false}, {"train", true}} {
		all, err := e.(inspector).Logits(c.batch.Image, mode.training)
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range all {
			file := fmt.Sprintf("logits_%s_%d.npy", mode.name, i)
			if !c.has(file) {
				continue
			}
			compareLogits(t, file, got, channelsLast(golden.NPY(t, c.dir+"/"+file)))
		}
	}
	want := channelsLast(golden.NPY(t, c.dir+"/logits_eval_0.npy"))
	if c.has("logits_eval_nods.npy") {
		want = channelsLast(golden.NPY(t, c.dir+"/logits_eval_nods.npy"))
	}
	got, err := e.Predict(c.batch.Image)
	if err != nil {
		t.Fatal(err)
	}
	compareLogits(t, "Predict", got, want)
	_, got, err = e.Evaluate(c.batch)
	if err != nil {
		t.Fatal(err)
	}
	compareLogits(t, "Evaluate", got, want)
}

func compareLogits(t *testing.T, what string, got, want engine.Tensor) {
	t.Helper()
	if !slices.Equal(got.Shape, want.Shape) {
		t.Fatalf("%s: shape %v, want %v", what, got.Shape, want.Shape)
	}
	worst := 0.0
	for i, w := range want.Data {
		d := math.Abs(float64(got.Data[i]) - float64(w))
		worst = max(worst, d)
		if !(d <= 2e-5+1e-4*math.Abs(float64(w))) {
			t.Fatalf("%s: logit %d is %v, PyTorch has %v", what, i, got.Data[i], w)
		}
	}
	t.Logf("%s: largest difference %.2g", what, worst)
}

// lossCases are the recorded losses by name.
var lossCases = map[string]engine.Loss{
	"dice":              {Kind: engine.Dice},
	"dice_batchdice":    {Kind: engine.Dice, BatchDice: true},
	"ce":                {Kind: engine.CE},
	"dice_ce":           {Kind: engine.DiceCE},
	"dice_ce_batchdice": {Kind: engine.DiceCE, BatchDice: true},
	"topk10":            {Kind: engine.TopK},
}

// losses checks total and per output in training mode: the loss of a step at
// rate 0.
func (c conformance) losses(t *testing.T) {
	for name, loss := range lossCases {
		recorded := c.info.Losses[name]
		step := func(what string, loss engine.Loss, want float64) {
			e := c.executor(t, loss, sgd, 1)
			got, err := e.Step(c.batch, 0)
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(got-want) <= 1e-5) {
				t.Errorf("%s %s: %.7f, PyTorch has %.7f", name, what, got, want)
			}
		}
		step("total", loss, recorded.Total)
		for i, want := range recorded.PerLevel {
			loss.Weights = make([]float64, len(recorded.PerLevel))
			loss.Weights[i] = 1
			step(fmt.Sprint("output ", i), loss, want)
		}
	}
}

// gradients are read from the momentum buffer after one step without decay.
func (c conformance) gradients(t *testing.T) {
	for _, name := range []string{"dice_ce", "dice_batchdice", "topk10"} {
		if name != "dice_ce" && !c.has("grads_"+name+".safetensors") {
			continue
		}
		e := c.executor(t, lossCases[name], engine.Optimizer{Kind: engine.SGD, Momentum: 0.9}, 1)
		if _, err := e.Step(c.batch, 0); err != nil {
			t.Fatal(err)
		}
		got := e.State().Slots["momentum"]
		want := golden.Safetensors(t, c.dir+"/grads_"+name+".safetensors")
		worst := 0.0
		for _, p := range c.network.Parameters {
			w, ok := want[p.Name]
			g, has := got[p.Name]
			if ok != has || ok == slices.Contains(c.info.Losses[name].Without, p.Name) {
				t.Fatalf("%s: gradient of %s: recorded %v, computed %v", name, p.Name, ok, has)
			}
			if !ok {
				continue
			}
			// A bias before a norm has the gradient 0; PyTorch records its
			// rounding errors, below 1e-6.
			size := 0.0
			for _, v := range w.Data {
				size = max(size, math.Abs(v))
			}
			for i, v := range w.Data {
				d := math.Abs(float64(g.Data[i]) - v)
				if size > 1e-5 {
					worst = max(worst, d/size)
				}
				if !(d <= 1e-3*size+1e-6) {
					t.Fatalf("%s: gradient of %s at %d is %v, PyTorch has %v", name, p.Name, i, g.Data[i], v)
				}
			}
		}
		t.Logf("%s: largest difference %.2g of the tensor's largest gradient", name, worst)
	}
}

// steps takes three optimiser steps on one batch.
func (c conformance) steps(t *testing.T) {
	for _, o := range []struct {
		name  string
		opt   engine.Optimizer
		rate  float64
		scale float64
	}{
		{"sgd", engine.Optimizer{Kind: engine.SGD, Momentum: 0.99, WeightDecay: 3e-5, Clip: 12}, 0.01, 1},
		{"adam", engine.Optimizer{Kind: engine.Adam, WeightDecay: 3e-5, Clip: 12}, 1e-3, 1},
		{"adamw", engine.Optimizer{Kind: engine.AdamW, WeightDecay: 1e-2, AMSGrad: true, Clip: 12}, 1e-3, 1},
		{"sgd_clipped", engine.Optimizer{Kind: engine.SGD, Momentum: 0.9, WeightDecay: 3e-5, Clip: 12}, 0.01, 200},
	} {
		e := c.executor(t, engine.Loss{Kind: engine.DiceCE}, o.opt, o.scale)
		recorded := c.info.Optim[o.name]
		step := func(rate, want, tolerance float64) {
			loss, err := e.Step(c.batch, rate)
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(loss-want) <= tolerance*o.scale) {
				t.Errorf("%s: loss of step %d is %.7f, PyTorch has %.7f", o.name, e.State().Steps, loss, want)
			}
		}
		for i, s := range recorded.Steps {
			step(o.rate, s.Loss, 1e-5*float64(1+4*i)) // rounding errors grow
			if i == 0 {
				c.compareBuffers(t, "buffers_after_1_train_forward.safetensors", e.State())
			}
		}
		c.compareState(t, o.name, e.State(), o.rate, strings.HasPrefix(o.name, "adam"))
		step(0, recorded.After, 5e-5)
		// The recorded buffers have seen the forward pass of the loss after the steps too.
		c.compareBuffers(t, "buffers_after3_"+o.name+".safetensors", e.State())
	}
}

// compareState compares parameters after three steps, in full or by their
// sums, whichever was recorded.
func (c conformance) compareState(t *testing.T, name string, s engine.State, rate float64, adam bool) {
	t.Helper()
	// Adam divides by the gradient's size: where that is all rounding, the
	// parameter may go either way.
	grads := golden.Safetensors(t, c.dir+"/grads_dice_ce.safetensors")
	tolerance := func(p string) func(int) float64 {
		return func(i int) float64 {
			if adam && (grads[p].Data == nil || math.Abs(grads[p].Data[i]) < 1e-6) {
				return 3*2*rate + 1e-4
			}
			return 1e-4
		}
	}
	if c.has("params_after3_" + name + ".safetensors") {
		want := golden.Safetensors(t, c.dir+"/params_after3_"+name+".safetensors")
		for _, p := range c.network.Parameters {
			compareParameter(t, name, p.Name, s.Parameters[p.Name].Data, want[p.Name].Data, tolerance(p.Name))
		}
		return
	}
	if !c.has("params_after3_" + name + "_sums.json") {
		return
	}
	var sums map[string][2]float64
	golden.JSON(t, c.dir+"/params_after3_"+name+"_sums.json", &sums)
	for _, p := range c.network.Parameters {
		got, slack := 0.0, 0.0
		for i, v := range s.Parameters[p.Name].Data {
			got += float64(v)
			slack += tolerance(p.Name)(i)
		}
		if want := sums[p.Name][0]; !(math.Abs(got-want) <= slack) {
			t.Errorf("%s: %s sums to %v, PyTorch has %v", name, p.Name, got, want)
		}
	}
}

// compareBuffers compares running statistics, where they were recorded.
func (c conformance) compareBuffers(t *testing.T, file string, s engine.State) {
	t.Helper()
	if !c.has(file) {
		return
	}
	want := golden.Safetensors(t, c.dir+"/"+file)
	for key, got := range s.Buffers {
		compareParameter(t, file, key, got.Data, want[key].Data, func(int) float64 { return 1e-4 })
	}
	if len(s.Buffers) == 0 {
		t.Errorf("%s: no buffers", file)
	}
}

// has says whether a file was recorded, or kept in the committed subset.
func (c conformance) has(file string) bool {
	for _, root := range []string{"../../../shared/reference/nnunet", "../internal/golden/testdata/nnunet"} {
		if _, err := os.Stat(filepath.Join(root, c.dir, file)); err == nil {
			return true
		}
	}
	return false
}

func compareParameter(t *testing.T, name, key string, got []float32, want []float64, tolerance func(int) float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %s has %d values, PyTorch %d", name, key, len(got), len(want))
	}
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - w); !(d <= tolerance(i)) {
			t.Fatalf("%s: %s at %d is %v, PyTorch has %v", name, key, i, got[i], w)
		}
	}
}
