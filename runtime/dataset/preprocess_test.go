package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"

	"runspec/compiler/nnunet"
	"runspec/runtime/internal/golden"
	"runspec/runtime/volume"
)

// goldenCase is one whole-case run of nnU-Net's DefaultPreprocessor.
type goldenCase struct {
	Name      string
	Case      string
	Config    string
	Target    []float64  `json:"target_spacing"`
	Spacing   [3]float64 `json:"orig_spacing"`
	Transpose [3]int     `json:"transpose_forward"`
	UseMask   []bool     `json:"use_mask"`
	Norm      []string
	Box       [3][2]int `json:"bbox"`
	AfterCrop [3]int    `json:"shape_after_crop"`
	OutShape  [4]int    `json:"out_shape"`
	Locations map[string]struct {
		N       int
		First20 [][4]int
		Sum     [4]int
	} `json:"class_locations"`
	Synthetic bool `json:"synthetic_zeroing"`
}

func TestPrepareAgainstNNUNet(t *testing.T) {
	raw, err := Open(golden.Shared(t, "data/Task04_Hippocampus"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []goldenCase
	golden.JSON(t, "preprocessing/index.json", &cases)
	if len(cases) < 9 {
		t.Fatalf("%d cases in the reference", len(cases))
	}
	var f nnunet.Fingerprint
	golden.JSON(t, "fingerprint/hippocampus_fingerprint.json", &f)
	for _, want := range cases {
		t.Run(want.Name, func(t *testing.T) {
			c, err := raw.Case(want.Case)
			if err != nil {
				t.Fatal(err)
			}
			image, labels, err := readCase(c, raw.Description)
			if err != nil {
				t.Fatal(err)
			}
			if want.Synthetic {
				image.Data = golden.NPY(t, "preprocessing/"+want.Name+"_input.npy").Float32()
				labels.Data = golden.NPY(t, "preprocessing/"+want.Name+"_inputseg.npy").Int16()
			}
			image.Spacing = want.Spacing
			s := nnunet.Settings{TransposeForward: want.Transpose, Foreground: []nnunet.Intensity{f.Foreground["0"]}}
			conf := nnunet.Configuration{Name: want.Config, Spacing: want.Target, Normalisation: want.Norm, UseMask: want.UseMask}
			got, err := prepare(image, labels, false, raw.Description, s, conf)
			if err != nil {
				t.Fatal(err)
			}
			compareCase(t, got, want)
		})
	}
}

func compareCase(t *testing.T, got *Case, want goldenCase) {
	p := got.Properties
	if got.Shape != [3]int(want.OutShape[1:]) || p.Box != want.Box || p.ShapeAfterCrop != want.AfterCrop {
		t.Fatalf("shape %v box %v after crop %v, nnU-Net %v %v %v", got.Shape, p.Box, p.ShapeAfterCrop, want.OutShape, want.Box, want.AfterCrop)
	}
	data, seg := golden.NPY(t, "preprocessing/"+want.Name+"_data.npy"), golden.NPY(t, "preprocessing/"+want.Name+"_seg.npy").Int16()
	worst := 0.0
	for i, v := range got.Data {
		worst = math.Max(worst, math.Abs(float64(v)-data.Data[i]))
	}
	differ := 0
	for i, v := range got.Seg {
		if v != seg[i] {
			differ++
		}
	}
	t.Logf("data off by at most %.1e, %d of %d labels differ", worst, differ, len(seg))
	if len(data.Data) != len(got.Data) || worst > 2e-4 {
		t.Errorf("data off by %.2e", worst)
	}
	if len(seg) != len(got.Seg) || differ > len(seg)/1000 {
		t.Errorf("%d of %d labels differ", differ, len(seg))
	}
	if len(got.Locations) != len(want.Locations) {
		t.Fatalf("%d labels have locations, nnU-Net %d", len(got.Locations), len(want.Locations))
	}
	for _, l := range got.Locations {
		w := want.Locations[strconv.Itoa(int(l.Label))]
		var sum [4]int
		for i, v := range l.Voxels {
			at := [4]int{0, int(v) / (got.Shape[1] * got.Shape[2]), int(v) / got.Shape[2] % got.Shape[1], int(v) % got.Shape[2]}
			for a := range sum {
				sum[a] += at[a]
			}
			if i < len(w.First20) && at != w.First20[i] {
				t.Fatalf("label %d: location %d is %v, nnU-Net %v", l.Label, i, at, w.First20[i])
			}
		}
		if len(l.Voxels) != w.N || sum != w.Sum {
			t.Errorf("label %d: %d locations with sum %v, nnU-Net %d with %v", l.Label, len(l.Voxels), sum, w.N, w.Sum)
		}
	}
}

// conf3d is a configuration for phantoms: one channel, isotropic.
func conf3d(spacing ...float64) (nnunet.Settings, nnunet.Configuration) {
	return nnunet.Settings{TransposeForward: [3]int{0, 1, 2}, TransposeBackward: [3]int{0, 1, 2}},
		nnunet.Configuration{Name: "3d_fullres", Spacing: spacing, Normalisation: []string{"ZScoreNormalization"}, UseMask: []bool{false}}
}

func describedPhantom(t *testing.T, organs int) nnunet.Dataset {
	t.Helper()
	text, err := json.Marshal(describePhantom(smallPhantom(2, organs)))
	if err != nil {
		t.Fatal(err)
	}
	d, err := nnunet.ReadDataset(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Prediction prepares the same data as training, from the image alone.
func TestPrepareWithoutLabels(t *testing.T) {
	d := describedPhantom(t, 2)
	s, conf := conf3d(1.5, 1.2, 0.9)
	s.TransposeForward, s.TransposeBackward = [3]int{2, 0, 1}, [3]int{1, 2, 0}
	image, labels := phantomCase(smallPhantom(2, 2), 0)
	for k := range 3 * 32 * 2 { // zero voxels at the border, so that the crop matters
		image.Data[k] = 0
	}
	with, err := prepare(image, labels, false, d, s, conf)
	if err != nil {
		t.Fatal(err)
	}
	without, err := prepare(image, nil, false, d, s, conf)
	if err != nil {
		t.Fatal(err)
	}
	if without.Seg != nil || without.Locations != nil || fmt.Sprint(without.Data) != fmt.Sprint(with.Data) || without.Properties != with.Properties {
		t.Error("the image is prepared differently without labels")
	}
	p := with.Properties
	if p.Grid.Shape != image.Shape || p.ShapeBeforeCrop != [3]int{image.Shape[2], image.Shape[0], image.Shape[1]} ||
		p.SpacingTransposed != [3]float64{1, 2, 1} || with.Spacing != [3]float64{1.5, 1.2, 0.9} || len(with.Locations) != 2 {
		t.Errorf("%+v %v", p, with.Spacing)
	}
}

// A region's voxels are those of all its labels; with an ignore label there is
// one list more, of everything annotated.
func TestLocateRegionsAndIgnore(t *testing.T) {
	d := nnunet.Dataset{Labels: []nnunet.Label{{Name: "background", Values: []int{0}}, {Name: "whole", Values: []int{1, 2}}, {Name: "core", Values: []int{2}}}, Ignore: 3}
	got := locate([]int16{-1, 0, 1, 2, 3, 1}, d)
	if len(got) != 3 || got[0].Label != 1 || got[1].Label != 2 || got[2].Label != AnyLabel {
		t.Fatal(got)
	}
	if len(got[0].Voxels) != 3 || len(got[1].Voxels) != 1 || got[1].Voxels[0] != 3 || len(got[2].Voxels) != 5 {
		t.Error(got)
	}
}

func TestLocateManyVoxels(t *testing.T) {
	d := nnunet.Dataset{Labels: []nnunet.Label{{Name: "background", Values: []int{0}}, {Name: "a", Values: []int{1}}}}
	for total, want := range map[int]int{9_999: 9_999, 10_001: 10_000, 1_000_050: 10_001, 1_200_000: 12_000} {
		seg := make([]int16, total)
		for i := range seg {
			seg[i] = 1
		}
		got := locate(seg, d)[0].Voxels
		seen := map[int32]bool{}
		for _, v := range got {
			seen[v] = true
		}
		if len(got) != want || len(seen) != want {
			t.Errorf("%d voxels: %d locations, %d distinct; want %d", total, len(got), len(seen), want)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	d := describedPhantom(t, 2)
	for name, spoil := range map[string]func(*nnunet.Configuration){
		"spacing":       func(c *nnunet.Configuration) { c.Spacing = []float64{1} },
		"zero spacing":  func(c *nnunet.Configuration) { c.Spacing = []float64{0, 1, 1} },
		"channels":      func(c *nnunet.Configuration) { c.Normalisation = nil },
		"normalisation": func(c *nnunet.Configuration) { c.Normalisation = []string{"Nonsense"} },
		"RGB":           func(c *nnunet.Configuration) { c.Normalisation = []string{"RGBTo01Normalization"} },
		"CT":            func(c *nnunet.Configuration) { c.Normalisation = []string{"CTNormalization"} },
	} {
		s, conf := conf3d(2, 1, 1)
		spoil(&conf)
		image, labels := phantomCase(smallPhantom(2, 2), 0)
		if _, err := prepare(image, labels, false, d, s, conf); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Preprocess names what is wrong with a file and what to do.
func TestPreprocessBadInput(t *testing.T) {
	d := describedPhantom(t, 2)
	s, conf := conf3d(2, 1, 1)
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		spoil func(*volume.Image, *volume.Labels)
		file  string
		says  string
	}{
		"label":  {func(_ *volume.Image, l *volume.Labels) { l.Data[5] = 9 }, "label.nii.gz", "label 9"},
		"nan":    {func(im *volume.Image, _ *volume.Labels) { im.Data[5] = nan }, "image.nii.gz", "NaN"},
		"zero":   {func(im *volume.Image, _ *volume.Labels) { clear(im.Data) }, "image.nii.gz", "0 everywhere"},
		"shapes": {func(_ *volume.Image, l *volume.Labels) { l.Shape[0]--; l.Data = l.Data[:l.Voxels()] }, "label.nii.gz", "voxels"},
		"channels": {func(im *volume.Image, _ *volume.Labels) {
			im.Channels, im.Data = 2, append(im.Data, im.Data...)
		}, "image.nii.gz", "2 channels"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			image, labels := phantomCase(smallPhantom(2, 2), 0)
			c.spoil(image, labels)
			raw := RawCase{ID: "a", Images: []string{dir + "/image.nii.gz"}, Label: dir + "/label.nii.gz"}
			if err := errors.Join(volume.WriteImage(raw.Images[0], image), volume.WriteLabels(raw.Label, labels)); err != nil {
				t.Fatal(err)
			}
			_, err := Preprocess(raw, d, s, conf)
			wantError(t, err, dir+"/"+c.file, c.says)
		})
	}
	_, err := Preprocess(RawCase{ID: "a", Images: []string{"nowhere.nii.gz"}}, d, s, conf)
	wantError(t, err, "nowhere.nii.gz")
	if !errors.Is(err, os.ErrNotExist) {
		t.Error("the cause is lost:", err)
	}
}
