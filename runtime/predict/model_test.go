package predict

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runspec/compiler/nnunet"
	"runspec/compiler/unet"
	"runspec/runtime/dataset"
	"runspec/runtime/engine"
	"runspec/runtime/volume"
)

// bright answers every voxel with its intensity for class 1 and a threshold for
// class 0.
type bright float32

func (b bright) Predict(im engine.Tensor) (engine.Tensor, error) {
	s := im.Shape
	out := engine.Tensor{Shape: []int{s[0], s[1], s[2], s[3], 2}}
	for _, v := range im.Data {
		out.Data = append(out.Data, float32(b), v)
	}
	return out, nil
}

// brightModel says that what lies above the mean of the networks' thresholds,
// in standard deviations, is the one organ.
func brightModel(networks ...Network) Model {
	return Model{
		Dataset:  nnunet.Dataset{Name: "Bright", Channels: []string{"MRI"}, Labels: []nnunet.Label{{Name: "background", Values: []int{0}}, {Name: "organ", Values: []int{1}}}},
		Settings: nnunet.Settings{TransposeForward: [3]int{2, 0, 1}, TransposeBackward: [3]int{1, 2, 0}},
		Configuration: nnunet.Configuration{Name: "3d_fullres", Spacing: []float64{1, 1, 1}, Patch: []int{6, 6, 6},
			Normalisation: []string{"ZScoreNormalization"}, UseMask: []bool{false}, Architecture: unet.Architecture{Dim: 3, Classes: 2}},
		Networks: networks, Mirror: MirrorAxes(3),
	}
}

func brightCase(t *testing.T) (dataset.RawCase, *volume.Image) {
	t.Helper()
	im := &volume.Image{Grid: volume.Grid{Shape: [3]int{5, 8, 7}, Spacing: [3]float64{1, 1, 1}, Affine: [3][4]float64{{1, 0, 0, 4}, {0, 1, 0, 5}, {0, 0, 1, 6}}}, Channels: 1}
	for i := range im.Voxels() {
		im.Data = append(im.Data, float32(i%13+1))
	}
	c := dataset.RawCase{ID: "a", Images: []string{filepath.Join(t.TempDir(), "a.nii.gz")}, Label: "no such file"}
	if err := volume.WriteImage(c.Images[0], im); err != nil {
		t.Fatal(err)
	}
	return c, im
}

// From file to labels: the answer lies on the file's grid, whatever the order of
// axes, and several networks count by the mean of their logits.
func TestModelPredictsFiles(t *testing.T) {
	c, im := brightCase(t)
	m := brightModel(bright(-1), bright(1)) // on average the mean intensity
	got, err := m.Labels(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	if got.Grid != im.Grid {
		t.Errorf("grid %+v, want %+v", got.Grid, im.Grid)
	}
	mean := 0.0
	for _, v := range im.Data {
		mean += float64(v) / float64(len(im.Data))
	}
	for i, v := range im.Data {
		if want := float64(v) > mean; (got.Data[i] == 1) != want {
			t.Fatalf("voxel %d of intensity %v: label %d", i, v, got.Data[i])
		}
	}
	p, err := m.Probabilities(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	for i := range im.Data {
		if sum := p.Data[i] + p.Data[len(im.Data)+i]; math.Abs(float64(sum)-1) > 1e-6 {
			t.Fatalf("voxel %d: probabilities sum to %v", i, sum)
		}
	}
	same, err := p.Labels(m.Dataset)
	if err != nil || !slices.Equal(same.Data, got.Data) || same.Grid != got.Grid {
		t.Errorf("the probabilities' labels differ from the logits' (%v)", err)
	}
}

func TestModelWithoutNetworks(t *testing.T) {
	c, _ := brightCase(t)
	if _, err := brightModel().Labels(context.Background(), c); err == nil || !strings.Contains(err.Error(), "no network") {
		t.Error(err)
	}
}

func TestProbabilities(t *testing.T) {
	logits := []float32{0, 1000, -1, 0, 0, float32(math.Log(3)) - 1}
	softmax(logits, 2)
	for i, want := range []float64{0.5, 1, 0.25, 0.5, 0, 0.75} {
		if math.Abs(float64(logits[i])-want) > 1e-6 {
			t.Errorf("softmax %d: %v, want %v", i, logits[i], want)
		}
	}
	region := []float32{0, -1000, 1000}
	sigmoid(region)
	if !slices.Equal(region, []float32{0.5, 0, 1}) {
		t.Errorf("sigmoid %v", region)
	}
}

// What lies outside the crop is background, and regions are decided at half.
func TestProbabilitiesOutsideTheCrop(t *testing.T) {
	grid := volume.Grid{Shape: [3]int{1, 1, 4}}
	p := dataset.Properties{Grid: grid, TransposeForward: [3]int{0, 1, 2}, TransposeBackward: [3]int{0, 1, 2},
		ShapeBeforeCrop: grid.Shape, Box: [3][2]int{{0, 1}, {0, 1}, {1, 4}}, ShapeAfterCrop: [3]int{1, 1, 3}, SpacingTransposed: [3]float64{1, 1, 1}}
	l := Logits{Shape: [3]int{1, 1, 3}, K: 2, Data: []float32{1, 1, -1, -1, 0.1, 0}}
	regions := nnunet.Dataset{Name: "regions", RegionOrder: []int{1, 2}, Labels: []nnunet.Label{
		{Name: "background", Values: []int{0}}, {Name: "whole", Values: []int{1, 2}}, {Name: "core", Values: []int{2}}}}
	for name, c := range map[string]struct {
		d       nnunet.Dataset
		labels  []int16
		outside []float32
	}{
		"regions": {regions, []int16{0, 1, 2, 0}, []float32{0, 0}},
		"labels":  {brightModel().Dataset, []int16{0, 0, 0, 1}, []float32{1, 0}},
	} {
		got, err := ExportProbabilities(l, [3]float64{1, 1, 1}, p, c.d)
		if err != nil {
			t.Fatal(err)
		}
		if outside := []float32{got.Data[0], got.Data[4]}; !slices.Equal(outside, c.outside) {
			t.Errorf("%s: outside the crop %v, want %v", name, outside, c.outside)
		}
		labels, err := got.Labels(c.d)
		if err != nil || !slices.Equal(labels.Data, c.labels) {
			t.Errorf("%s: %v, want %v (%v)", name, labels, c.labels, err)
		}
	}
}

// An ensemble decides by the mean of probabilities: one sure model outvotes two
// that are not.
func TestAverage(t *testing.T) {
	one := func(organ float32) Probabilities {
		return Probabilities{Grid: volume.Grid{Shape: [3]int{1, 1, 1}}, K: 2, Data: []float32{1 - organ, organ}}
	}
	got, err := Average([]Probabilities{one(1), one(0.4), one(0.4)})
	if err != nil || math.Abs(float64(got.Data[1])-0.6) > 1e-6 {
		t.Errorf("%v %v", got, err)
	}
	other := one(1)
	other.Grid.Shape[2] = 2
	if _, err := Average([]Probabilities{one(1), other}); err == nil || !strings.Contains(err.Error(), "number 2") {
		t.Error(err)
	}
	if _, err := Average(nil); err == nil {
		t.Error("an average of nothing")
	}
}
