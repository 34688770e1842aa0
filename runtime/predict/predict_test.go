package predict

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"runspec/compiler/nnunet"
	"runspec/runtime/dataset"
	"runspec/runtime/engine"
	"runspec/runtime/internal/golden"
	"runspec/runtime/volume"
)

func TestGaussianIsNNUNets(t *testing.T) {
	for _, patch := range [][3]int{{16, 32, 24}, {40, 56, 40}, {5, 7, 20}, {1, 56, 40}} {
		name := fmt.Sprintf("inference/gauss_%dx%dx%d", patch[0], patch[1], patch[2])
		if patch[0] == 1 {
			name = fmt.Sprintf("inference/gauss_%dx%d", patch[1], patch[2])
		}
		t.Run(name, func(t *testing.T) {
			exact, weights := Gaussian(patch), importance(patch)
			for i, want := range golden.NPY(t, name+"_f64.npy").Data {
				if got := exact[i]; math.Abs(got-want) > 1e-12*math.Max(want, 1e-6) {
					t.Fatalf("voxel %d: %v, want %v", i, got, want)
				}
			}
			for i, want := range golden.NPY(t, name+"_half_x10.npy").Data {
				// nnU-Net's halves have 11 bits, or steps of 2^-24 below 2^-14.
				if got := float64(weights[i]); math.Abs(got-want) > math.Max(want/2048, 1.0/(1<<24)) {
					t.Fatalf("importance of voxel %d: %v, want %v", i, got, want)
				}
			}
		})
	}
}

// What holds for the map without the golden numbers.
func TestImportance(t *testing.T) {
	patch := [3]int{6, 8, 10}
	w := importance(patch)
	if peak := w[(3*8+4)*10+5]; peak != 10 || slices.Max(w) != 10 || slices.Min(w) <= 0 {
		t.Errorf("centre %v, largest %v, smallest %v; want 10, 10 and above 0", peak, slices.Max(w), slices.Min(w))
	}
	// Two voxels beside the centre of an axis 8 long: two sigma away.
	if got, want := w[(3*8+2)*10+5], float32(10*math.Exp(-2)); math.Abs(float64(got/want-1)) > 1e-6 {
		t.Errorf("two sigma from the centre: %v, want %v", got, want)
	}
}

func TestStepsAreNNUNets(t *testing.T) {
	var cases []struct {
		Image, Patch []int
		Step         float64
		Steps        [][]int
	}
	golden.JSON(t, "inference/steps.json", &cases)
	for _, c := range cases {
		for i := range c.Image {
			if got := Steps(c.Image[i], c.Patch[i], c.Step); !slices.Equal(got, c.Steps[i]) {
				t.Errorf("image %d, patch %d, step %v: %v, want %v", c.Image[i], c.Patch[i], c.Step, got, c.Steps[i])
			}
		}
	}
	if len(cases) == 0 {
		t.Error("no cases")
	}
}

func TestStepsRoundHalvesToEven(t *testing.T) {
	for _, c := range []struct {
		image, patch int
		want         []int
	}{{32, 32, []int{0}}, {35, 24, []int{0, 11}}, {51, 32, []int{0, 10, 19}}, {65, 32, []int{0, 11, 22, 33}}, {9, 4, []int{0, 2, 3, 5}}, {3, 1, []int{0, 1, 2}}} {
		if got := Steps(c.image, c.patch, 0.5); !slices.Equal(got, c.want) {
			t.Errorf("image %d, patch %d: %v, want %v", c.image, c.patch, got, c.want)
		}
	}
}

func TestWindowsCoverTheImage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		patch := rapid.IntRange(1, 40).Draw(t, "patch")
		image := patch + rapid.IntRange(0, 100).Draw(t, "more")
		step := rapid.Float64Range(0.1, 1).Draw(t, "step")
		steps := Steps(image, patch, step)
		if steps[0] != 0 || steps[len(steps)-1] != image-patch {
			t.Fatalf("windows %v do not reach the borders", steps)
		}
		for i := 1; i < len(steps); i++ {
			if d := steps[i] - steps[i-1]; d < 1 && patch > 1 && step*float64(patch) >= 1 || d > patch {
				t.Fatalf("windows %v repeat or leave gaps", steps)
			}
		}
	})
}

func TestFlipsAreInNNUNetsOrder(t *testing.T) {
	got := fmt.Sprint(flips([]int{0, 1, 2}))
	want := fmt.Sprint([]flip{{}, {true, false, false}, {false, true, false}, {false, false, true},
		{true, true, false}, {true, false, true}, {false, true, true}, {true, true, true}})
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// pointwise is a network whose logits are functions of the voxel itself, and,
// where position is set, of its place in the patch.
type pointwise struct {
	classes  int
	position float32
	calls    int
	spoil    float32
}

func (n *pointwise) Predict(im engine.Tensor) (engine.Tensor, error) {
	n.calls++
	s := im.Shape
	out := engine.Tensor{Shape: []int{s[0], s[1], s[2], s[3], n.classes}}
	for i := range len(im.Data) / s[4] {
		for k := range n.classes {
			v := im.Data[i*s[4]+k%s[4]] * float32(k+1)
			out.Data = append(out.Data, v+n.position*float32(i%s[3])+n.spoil)
		}
	}
	return out, nil
}

func ramp(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(math.Sin(float64(i)))
	}
	return out
}

// A network that answers voxel by voxel gives the same whatever the windows,
// flips and batches are.
func TestCaseOfAPointwiseNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var shape [3]int
		o := Options{Classes: 3, Batch: rapid.IntRange(0, 5).Draw(t, "batch"), Uniform: rapid.Bool().Draw(t, "uniform")}
		for i := range 3 {
			shape[i] = rapid.IntRange(1, 9).Draw(t, "image")
			o.Patch[i] = rapid.IntRange(2, 6).Draw(t, "patch")
			if rapid.Bool().Draw(t, "mirror") {
				o.Mirror = append(o.Mirror, i)
			}
		}
		voxels := product(shape)
		data := ramp(2 * voxels)
		got, err := Case(context.Background(), &pointwise{classes: 3}, data, 2, shape, o)
		if err != nil {
			t.Fatal(err)
		}
		if got.Shape != shape || got.K != 3 || len(got.Data) != 3*voxels {
			t.Fatalf("shape %v, %d classes, %d logits", got.Shape, got.K, len(got.Data))
		}
		for k := range 3 {
			for i := range voxels {
				want := data[k%2*voxels+i] * float32(k+1)
				if math.Abs(float64(got.Data[k*voxels+i]-want)) > 1e-5 {
					t.Fatalf("class %d voxel %d: %v, want %v", k, i, got.Data[k*voxels+i], want)
				}
			}
		}
	})
}

// What depends on the place in the window is averaged over the flips, and does
// not depend on the batch, to the bit.
func TestMirroringAveragesAndBatchesDoNotMatter(t *testing.T) {
	shape := [3]int{4, 4, 9}
	o := Options{Patch: [3]int{4, 4, 4}, Classes: 2, Mirror: []int{2}}
	data := ramp(product(shape))
	n := &pointwise{classes: 2, position: 1}
	want, err := Case(context.Background(), n, data, 1, shape, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range product(shape) { // positions 0..3 and 3..0 average to 1.5
		if math.Abs(float64(want.Data[i]-data[i]-1.5)) > 1e-5 {
			t.Fatalf("voxel %d: %v, want %v", i, want.Data[i], data[i]+1.5)
		}
	}
	if n.calls != 8 {
		t.Errorf("%d calls, want 4 windows of 2 flips", n.calls)
	}
	for batch := 2; batch <= 9; batch++ {
		o.Batch = batch
		got, err := Case(context.Background(), n, data, 1, shape, o)
		if err != nil || !slices.Equal(got.Data, want.Data) {
			t.Errorf("batch %d changes the logits (%v)", batch, err)
		}
	}
}

func TestSlicesOfA2DNetworkArePredictedOnce(t *testing.T) {
	n := &pointwise{classes: 2}
	shape := [3]int{5, 4, 4}
	if _, err := Case(context.Background(), n, ramp(product(shape)), 1, shape, Options{Patch: [3]int{1, 4, 4}, Classes: 2}); err != nil {
		t.Fatal(err)
	}
	if n.calls != 5 {
		t.Errorf("%d windows for 5 slices", n.calls)
	}
}

func TestCaseRefuses(t *testing.T) {
	shape := [3]int{4, 4, 4}
	good := Options{Patch: shape, Classes: 2}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		n    Network
		data int
		o    Options
		want error
	}{
		"NaN logits":    {context.Background(), &pointwise{classes: 2, spoil: float32(math.NaN())}, 64, good, ErrNotFinite},
		"inf logits":    {context.Background(), &pointwise{classes: 2, spoil: float32(math.Inf(1))}, 64, good, ErrNotFinite},
		"cancelled":     {cancelled, &pointwise{classes: 2}, 64, good, context.Canceled},
		"short image":   {context.Background(), &pointwise{classes: 2}, 63, good, nil},
		"other classes": {context.Background(), &pointwise{classes: 3}, 64, good, nil},
		"axis 3":        {context.Background(), &pointwise{classes: 2}, 64, Options{Patch: shape, Classes: 2, Mirror: []int{3}}, nil},
		"no patch":      {context.Background(), &pointwise{classes: 2}, 64, Options{Classes: 2}, nil},
		"step 2":        {context.Background(), &pointwise{classes: 2}, 64, Options{Patch: shape, Classes: 2, Step: 2}, nil},
	} {
		_, err := Case(c.ctx, c.n, ramp(c.data), 1, shape, c.o)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
	}
}

func TestExportIsNNUNets(t *testing.T) {
	var cases []struct {
		Name              string
		PlanSpacing       [3]float64 `json:"plan_spacing"`
		OriginalSpacing   [3]float64 `json:"original_spacing"`
		TransposeForward  [3]int     `json:"transpose_forward"`
		ShapeAfterCrop    [3]int     `json:"shape_after_cropping"`
		Box               [3][2]int  `json:"bbox"`
		ShapeBeforeCrop   [3]int     `json:"shape_before_cropping"`
		TransposeBackward [3]int     `json:"-"`
	}
	golden.JSON(t, "preprocessing/back.json", &cases)
	labels := nnunet.Dataset{Labels: []nnunet.Label{{Name: "background", Values: []int{0}}, {Name: "a", Values: []int{1}}, {Name: "b", Values: []int{2}}}}
	for _, c := range cases {
		logits := golden.NPY(t, "preprocessing/back_"+c.Name+"_logits.npy")
		want := golden.NPY(t, "preprocessing/back_"+c.Name+"_seg.npy")
		p := dataset.Properties{
			Grid:             volume.Grid{Shape: [3]int(want.Shape), Spacing: c.OriginalSpacing},
			TransposeForward: c.TransposeForward, ShapeBeforeCrop: c.ShapeBeforeCrop, Box: c.Box, ShapeAfterCrop: c.ShapeAfterCrop,
		}
		for i, axis := range c.TransposeForward {
			p.TransposeBackward[axis] = i
			p.SpacingTransposed[i] = c.OriginalSpacing[axis]
		}
		l := Logits{Shape: [3]int(logits.Shape[1:]), K: logits.Shape[0], Data: logits.Float32()}
		got, err := Export(l, c.PlanSpacing, p, labels)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if got.Grid != p.Grid {
			t.Errorf("%s: grid %+v", c.Name, got.Grid)
		}
		if n := different(got.Data, want.Int16()); n > len(want.Data)/1000 {
			t.Errorf("%s: %d of %d voxels differ", c.Name, n, len(want.Data))
		} else {
			t.Logf("%s: %d of %d voxels differ", c.Name, n, len(want.Data))
		}
	}
}

func different(a, b []int16) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func TestExportOfRegionsAndBadLogits(t *testing.T) {
	grid := volume.Grid{Shape: [3]int{1, 1, 4}}
	p := dataset.Properties{Grid: grid, TransposeForward: [3]int{0, 1, 2}, TransposeBackward: [3]int{0, 1, 2},
		ShapeBeforeCrop: grid.Shape, Box: [3][2]int{{0, 1}, {0, 1}, {1, 4}}, ShapeAfterCrop: [3]int{1, 1, 3}, SpacingTransposed: [3]float64{1, 1, 1}}
	d := nnunet.Dataset{Name: "regions", RegionOrder: []int{1, 2}, Labels: []nnunet.Label{
		{Name: "background", Values: []int{0}}, {Name: "whole", Values: []int{1, 2}}, {Name: "core", Values: []int{2}}}}
	l := Logits{Shape: [3]int{1, 1, 3}, K: 2, Data: []float32{1, 1, -1 /* whole */, -1, 0.1, 0 /* core */}}
	got, err := Export(l, [3]float64{1, 1, 1}, p, d)
	if err != nil {
		t.Fatal(err)
	}
	if want := []int16{0, 1, 2, 0}; !slices.Equal(got.Data, want) {
		t.Errorf("labels %v, want %v", got.Data, want)
	}
	l.K, l.Data = 3, append(l.Data, 0, 0, 0)
	if _, err := Export(l, [3]float64{1, 1, 1}, p, d); err == nil {
		t.Error("3 outputs for 2 regions: no error")
	}
	if _, err := Export(Logits{Shape: l.Shape, K: 2, Data: l.Data}, [3]float64{1, 1, 1}, p, d); err == nil {
		t.Error("more logits than voxels: no error")
	}
}
