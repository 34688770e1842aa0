package train_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"runspec/compiler/nnunet"
	"runspec/compiler/unet"
	"runspec/runtime/dataset"
	"runspec/runtime/engine"
	"runspec/runtime/internal/golden"
	"runspec/runtime/predict"
	"runspec/runtime/train"
	"runspec/runtime/volume"
)

// inference is one entry of reference/nnunet/inference/index.json: a small
// trained network and what nnU-Net's predictor made of a case with it.
type inference struct {
	Name    string
	Config  string
	Patch   []int
	Mirror  []int `json:"mirror_axes"`
	Step    float64
	Gauss   bool
	Windows int       `json:"n_windows"`
	Spacing []float64 `json:"plan_spacing"`
	Shape   []int     `json:"data_shape"` // (C, Z, Y, X)
	Props   struct {
		Spacing         [3]float64
		ShapeBeforeCrop [3]int    `json:"shape_before_cropping"`
		Box             [3][2]int `json:"bbox_used_for_cropping"`
		ShapeAfterCrop  [3]int    `json:"shape_after_cropping_and_before_resampling"`
	}
	Arch struct {
		Features []int   `json:"features_per_stage"`
		Kernels  [][]int `json:"kernel_sizes"`
		Strides  [][]int `json:"strides"`
		Convs    []int   `json:"n_conv_per_stage"`
		Decoder  []int   `json:"n_conv_per_stage_decoder"`
	}
}

// hippocampus has the labels of Task04.
var hippocampus = nnunet.Dataset{Name: "Hippocampus", Labels: []nnunet.Label{
	{Name: "background", Values: []int{0}}, {Name: "Anterior", Values: []int{1}}, {Name: "Posterior", Values: []int{2}},
}}

// TestSlidingWindow compares whole cases with nnU-Net's predictor: logits
// within 1e-3 of its float32 accumulation, labels after export in at most one
// voxel of a thousand.
func TestSlidingWindow(t *testing.T) {
	var cases []inference
	golden.JSON(t, "inference/index.json", &cases)
	for _, c := range cases {
		for _, e := range executors {
			if e.name == "reference" {
				continue // half a minute a window; the conformance tests tie the executors together
			}
			t.Run(c.Name+"/"+e.name, func(t *testing.T) {
				n := &counted{Network: c.network(t, e.new)}
				c.compare(t, n)
				if want := c.Windows << len(c.Mirror); n.images != want {
					t.Errorf("%d windows predicted, nnU-Net has %d", n.images, want)
				}
			})
		}
	}
}

// counted counts the windows that a network is asked for.
type counted struct {
	predict.Network
	images int
}

func (n *counted) Predict(image engine.Tensor) (engine.Tensor, error) {
	n.images += image.Shape[0]
	return n.Network.Predict(image)
}

func (c inference) network(t *testing.T, new func(*engine.Program) (engine.Executor, error)) engine.Executor {
	a := unet.Architecture{
		Dim: len(c.Patch), InputChannels: c.Shape[0], Classes: 3, Encoder: unet.Plain,
		DecoderBlocks: c.Arch.Decoder, Norm: unet.InstanceNorm, Activation: unet.LeakyReLU,
	}
	for i, features := range c.Arch.Features {
		a.Stages = append(a.Stages, unet.Stage{
			Features: features, Blocks: c.Arch.Convs[i], Kernel: three(c.Arch.Kernels[i]), Stride: three(c.Arch.Strides[i]),
		})
	}
	r := &recording{}
	var err error
	if r.network, err = unet.Build(a); err != nil {
		t.Fatal(err)
	}
	p, err := train.Build(r.network, train.GraphOptions{
		Batch: 1, Patch: three(c.Patch), Loss: engine.Loss{Kind: engine.DiceCE}, Optimizer: sgd,
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := new(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	weights := r.parameters(t, golden.Safetensors(t, "inference/"+c.Name+"/weights.safetensors"))
	if err := e.Restore(engine.State{Parameters: weights}); err != nil {
		t.Fatal(err)
	}
	return e
}

func (c inference) compare(t *testing.T, n predict.Network) {
	dir := "inference/" + c.Name + "/"
	data := golden.NPY(t, dir+"data.npy")
	o := predict.Options{Patch: three(c.Patch), Classes: 3, Step: c.Step, Batch: 3, Uniform: !c.Gauss}
	for _, axis := range c.Mirror {
		o.Mirror = append(o.Mirror, axis+3-len(c.Patch))
	}
	got, err := predict.Case(context.Background(), n, data.Float32(), data.Shape[0], [3]int(data.Shape[1:]), o)
	if err != nil {
		t.Fatal(err)
	}
	want := golden.NPY(t, dir+"logits_f32.npy")
	if !slices.Equal(want.Shape, []int{got.K, got.Shape[0], got.Shape[1], got.Shape[2]}) {
		t.Fatalf("logits %d × %v, want %v", got.K, got.Shape, want.Shape)
	}
	worst := 0.0
	for i, w := range want.Data {
		worst = max(worst, math.Abs(float64(got.Data[i])-w))
	}
	t.Logf("largest difference of logits %.2g", worst)
	if !(worst <= 1e-3) {
		t.Errorf("logits differ by up to %v from nnU-Net's", worst)
	}
	c.compareHalf(t, got)
	c.compareExport(t, got)
}

// compareHalf compares with what nnU-Net really has: it sums in half precision,
// which errs by up to a half where only corners of windows cover a voxel, so the
// middle difference is looked at.
func (c inference) compareHalf(t *testing.T, got predict.Logits) {
	var off []float64
	for i, w := range golden.NPY(t, "inference/"+c.Name+"/logits_half.npy").Data {
		off = append(off, math.Abs(float64(got.Data[i])-w))
	}
	slices.Sort(off)
	if middle := off[len(off)/2]; !(middle <= 5e-3) {
		t.Errorf("logits differ by %v in the middle from nnU-Net's half precision", middle)
	}
}

func (c inference) compareExport(t *testing.T, logits predict.Logits) {
	want := golden.NPY(t, "inference/"+c.Name+"/segmentation_f32.npy")
	straight := [3]int{0, 1, 2}
	p := dataset.Properties{
		Grid:             volume.Grid{Shape: [3]int(want.Shape), Spacing: c.Props.Spacing},
		TransposeForward: straight, TransposeBackward: straight,
		ShapeBeforeCrop: c.Props.ShapeBeforeCrop, Box: c.Props.Box, ShapeAfterCrop: c.Props.ShapeAfterCrop,
		SpacingTransposed: c.Props.Spacing,
	}
	spacing := c.Props.Spacing // a 2-D configuration keeps that of the slices
	copy(spacing[3-len(c.Spacing):], c.Spacing)
	got, err := predict.Export(logits, spacing, p, hippocampus)
	if err != nil {
		t.Fatal(err)
	}
	different := 0
	for i, label := range want.Int16() {
		if got.Data[i] != label {
			different++
		}
	}
	t.Logf("%d of %d labels differ", different, len(want.Data))
	half := 0
	for i, label := range golden.NPY(t, "inference/"+c.Name+"/segmentation.npy").Int16() {
		if got.Data[i] != label {
			half++
		}
	}
	if max(different, half) > len(want.Data)/1000 {
		t.Errorf("%d of %d labels differ from nnU-Net's, %d from those that it decides in half precision", different, len(want.Data), half)
	}
}
