package volume

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"runspec/runtime/internal/golden"
)

// published is the fingerprint that the paper's authors published of Task04.
type published struct {
	Shapes      [][3]int     `json:"shapes_after_crop"`
	Spacings    [][3]float64 `json:"spacings"`
	Intensities map[string]struct {
		Mean, Std float64
		Low       float64 `json:"percentile_00_5"`
		High      float64 `json:"percentile_99_5"`
	} `json:"foreground_intensity_properties_per_channel"`
}

func readPublished(t *testing.T) (p published) {
	t.Helper()
	b, err := os.ReadFile(golden.Shared(t, "reference/msd/Dataset004_Hippocampus/dataset_fingerprint.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// Every real file is read, and cropped as the authors' fingerprint says.
func TestTask04Shapes(t *testing.T) {
	dir, want := golden.Shared(t, "data/Task04_Hippocampus"), readPublished(t)
	files, err := filepath.Glob(filepath.Join(dir, "imagesTr", "hippocampus_*.nii.gz"))
	if err != nil || len(files) != len(want.Shapes) {
		t.Fatalf("%d files for %d shapes (%v)", len(files), len(want.Shapes), err)
	}
	slices.Sort(files)
	for i, path := range files {
		im, err := ReadImage(path)
		if err != nil {
			t.Fatal(err)
		}
		seg, err := ReadLabels(filepath.Join(dir, "labelsTr", filepath.Base(path)))
		if err != nil {
			t.Fatal(err)
		}
		if seg.Grid.Shape != im.Grid.Shape || im.Spacing != want.Spacings[i] {
			t.Errorf("%s: image %v, labels %v, spacing should be %v", path, im.Grid, seg.Grid, want.Spacings[i])
		}
		cropped, _, _ := CropToNonzero(im, seg)
		if cropped.Shape != want.Shapes[i] {
			t.Errorf("%s: cropped to %v, want %v", path, cropped.Shape, want.Shapes[i])
		}
	}
}

// recorded is one run of nnU-Net's DefaultPreprocessor.
type recorded struct {
	Name, Case, Config string
	Target             []float64  `json:"target_spacing"`
	Spacing            [3]float64 `json:"orig_spacing"`
	Transpose          [3]int     `json:"transpose_forward"`
	UseMask            []bool     `json:"use_mask"`
	Norm               []string
	Box                Box    `json:"bbox"`
	Out                [4]int `json:"out_shape"`
}

// The routines of this package in nnU-Net's order against nnU-Net itself.
func TestTask04Preprocessed(t *testing.T) {
	dir, props := golden.Shared(t, "data/Task04_Hippocampus"), readPublished(t).Intensities["0"]
	var index []recorded
	golden.JSON(t, preprocessing+"index.json", &index)
	for _, r := range index {
		t.Run(r.Name, func(t *testing.T) {
			im, err := ReadImage(filepath.Join(dir, "imagesTr", r.Case+".nii.gz"))
			if err != nil {
				t.Fatal(err)
			}
			seg, err := ReadLabels(filepath.Join(dir, "labelsTr", r.Case+".nii.gz"))
			if err != nil {
				t.Fatal(err)
			}
			if r.UseMask[0] { // synthetic holes and borders
				im.Data = golden.NPY(t, preprocessing+r.Name+"_input.npy").Float32()
				seg.Data = golden.NPY(t, preprocessing+r.Name+"_inputseg.npy").Int16()
			}
			shape := im.Shape
			im.Data, im.Grid.Shape = Transpose(im.Data, 1, shape, r.Transpose)
			seg.Data, seg.Grid.Shape = Transpose(seg.Data, 1, shape, r.Transpose)
			im, seg, box := CropToNonzero(im, seg)
			if box != r.Box {
				t.Fatalf("box %v, want %v", box, r.Box)
			}
			switch {
			case r.UseMask[0]:
				mask := make([]bool, len(seg.Data))
				for i, v := range seg.Data {
					mask[i] = v >= 0
				}
				ZScore(im.Data, mask)
			case r.Norm[0] == "ZScoreNormalization":
				ZScore(im.Data, nil)
			case r.Norm[0] == "CTNormalization":
				CT(im.Data, props.Low, props.High, props.Mean, props.Std)
			case r.Norm[0] == "RescaleTo01Normalization":
				RescaleTo01(im.Data)
			}
			current := [3]float64{r.Spacing[r.Transpose[0]], r.Spacing[r.Transpose[1]], r.Spacing[r.Transpose[2]]}
			target := current
			copy(target[3-len(r.Target):], r.Target)
			to := ResampledShape(im.Shape, current, target)
			if to != [3]int(r.Out[1:]) {
				t.Fatalf("resampled to %v, want %v", to, r.Out)
			}
			data := ResampleData(im.Data, 1, im.Shape, to, current, target, 3, 0)
			if d := far(t, data, golden.NPY(t, preprocessing+r.Name+"_data.npy").Float32()); d > 2e-5 {
				t.Errorf("data is off by %g", d)
			}
			labels := ResampleSeg(seg.Data, im.Shape, to, current, target, 1, 0, LargestShare)
			if n := differing(t, labels, golden.NPY(t, preprocessing+r.Name+"_seg.npy").Int16()); n > 0 {
				t.Errorf("%d labels differ", n)
			}
		})
	}
}

// BenchmarkCase is one whole case: read, crop, normalise, resample.
func BenchmarkCase(b *testing.B) {
	dir := golden.Shared(b, "data/Task04_Hippocampus")
	image, label := filepath.Join(dir, "imagesTr", "hippocampus_001.nii.gz"), filepath.Join(dir, "labelsTr", "hippocampus_001.nii.gz")
	target := [3]float64{1.2, 0.9, 1.1}
	for b.Loop() {
		im, err := ReadImage(image)
		if err != nil {
			b.Fatal(err)
		}
		seg, err := ReadLabels(label)
		if err != nil {
			b.Fatal(err)
		}
		im, seg, _ = CropToNonzero(im, seg)
		ZScore(im.Data, nil)
		to := ResampledShape(im.Shape, im.Spacing, target)
		ResampleData(im.Data, 1, im.Shape, to, im.Spacing, target, 3, 0)
		ResampleSeg(seg.Data, im.Shape, to, im.Spacing, target, 1, 0, LargestShare)
	}
}
