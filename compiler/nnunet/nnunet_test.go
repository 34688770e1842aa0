package nnunet

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/unet"
)

func TestReadDataset(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		want  Dataset
		heads int
	}{
		"nnU-Net": {
			`{"channel_names": {"1": "ADC", "0": "T2"}, "labels": {"TZ": 2, "background": 0, "PZ": 1}, "numTraining": 32, "file_ending": ".nrrd"}`,
			Dataset{Channels: []string{"T2", "ADC"}, NumTraining: 32, FileEnding: ".nrrd",
				Labels: []Label{{Name: "background", Values: []int{0}}, {Name: "PZ", Values: []int{1}}, {Name: "TZ", Values: []int{2}}}}, 3,
		},
		"Decathlon": {
			`{"name": "Hippocampus", "modality": {"0": "MRI"}, "labels": {"2": "Posterior", "0": "background", "1": "Anterior"}, "numTraining": 260}`,
			Dataset{Name: "Hippocampus", Channels: []string{"MRI"}, NumTraining: 260, FileEnding: ".nii.gz",
				Labels: []Label{{Name: "background", Values: []int{0}}, {Name: "Anterior", Values: []int{1}}, {Name: "Posterior", Values: []int{2}}}}, 3,
		},
		"ignore": {
			`{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "ignore": 2}, "numTraining": 5}`,
			Dataset{Channels: []string{"CT"}, NumTraining: 5, FileEnding: ".nii.gz", Ignore: 2,
				Labels: []Label{{Name: "background", Values: []int{0}}, {Name: "a", Values: []int{1}}}}, 2,
		},
		"regions": {
			`{"channel_names": {"0": "T1"}, "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}, "numTraining": 5, "regions_class_order": [1, 2, 3]}`,
			Dataset{Channels: []string{"T1"}, NumTraining: 5, FileEnding: ".nii.gz", Ignore: 4, RegionOrder: []int{1, 2, 3},
				Labels: []Label{{Name: "background", Values: []int{0}}, {Name: "whole", Values: []int{1, 2, 3}}, {Name: "core", Values: []int{2, 3}}, {Name: "enhancing", Values: []int{3}}}}, 3,
		},
		"lists": {
			`{"channel_names": {"0": "T1"}, "labels": {"background": 0, "whole": [1, 2], "core": [2]}, "numTraining": 5, "regions_class_order": [1, 2]}`,
			Dataset{Channels: []string{"T1"}, NumTraining: 5, FileEnding: ".nii.gz", RegionOrder: []int{1, 2},
				Labels: []Label{{Name: "background", Values: []int{0}}, {Name: "whole", Values: []int{1, 2}}, {Name: "core", Values: []int{2}, Listed: true}}}, 2,
		},
	} {
		got, err := ReadDataset([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if got.Heads() != c.heads {
			t.Errorf("%s: %d heads, want %d", name, got.Heads(), c.heads)
		}
	}
}

// TestKey has nnU-Net's keys of its summaries: of a number, of a tuple, and of a list
// of one, which is a tuple only among regions.
func TestKey(t *testing.T) {
	whole, core := Label{Values: []int{1, 2}}, Label{Values: []int{2}}
	listed := core
	listed.Listed = true
	regions, labels := Dataset{Labels: []Label{whole, core, listed}}, Dataset{Labels: []Label{core, listed}}
	for _, c := range []struct {
		d    Dataset
		l    Label
		want string
	}{{regions, whole, "(1, 2)"}, {regions, core, "2"}, {regions, listed, "(2,)"}, {labels, core, "2"}, {labels, listed, "2"}} {
		if got := c.d.Key(c.l); got != c.want {
			t.Errorf("%v: %s, want %s", c.l, got, c.want)
		}
	}
}

func TestReadDatasetRejects(t *testing.T) {
	const rest = `"channel_names": {"0": "CT"}, "numTraining": 5`
	for text, want := range map[string]string{
		`{`: "unexpected end",
		`{"labels": {"background": 0, "a": 1}, "numTraining": 5}`:                           "no channels",
		`{"channel_names": {"0": "a", "2": "b"}}`:                                           `key "2"`,
		`{"labels": {"background": 0, "a": 1}, "channel_names": {"0": "CT"}}`:               "numTraining is 0",
		`{"labels": {"background": 0}, ` + rest + `}`:                                       "1 labels",
		`{"labels": [1, 2], ` + rest + `}`:                                                  "is no object",
		`{"labels": {"a": 1, "b": 2}, ` + rest + `}`:                                        "background with value 0",
		`{"labels": {"background": 0, "a": 2}, ` + rest + `}`:                               `"a" has value 2 where 1 is next`,
		`{"labels": {"background": 0, "a": 1, "a": 2}, ` + rest + `}`:                       `"a" stands twice`,
		`{"labels": {"background": 0, "a": 1.5}, ` + rest + `}`:                             `"a" is 1.5`,
		`{"labels": {"background": 0, "a": -1}, ` + rest + `}`:                              "value -1",
		`{"labels": {"background": 0, "a": []}, ` + rest + `}`:                              `"a" has no values`,
		`{"labels": {"background": 0, "a": "left"}, ` + rest + `}`:                          `neither a number`,
		`{"labels": {"background": 0, "1": "left"}, ` + rest + `}`:                          "one way",
		`{"labels": {"background": 0, "a": 1, "ignore": 3}, ` + rest + `}`:                  "the ignore label is 3",
		`{"labels": {"background": 0, "a": [1, 2], "b": 2}, ` + rest + `}`:                  "regions_class_order",
		`{"labels": {"background": 0, "a": 1}, "numTraining": "many", "channel_names": {}}`: "numTraining",
	} {
		if _, err := ReadDataset([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got: %v", text, want, err)
		}
	}
}

// example is a data set of n cases of one shape.
func example(n int, spacing [3]float64, shape [3]int) (Dataset, Fingerprint) {
	d := Dataset{Name: "example", Channels: []string{"MRI"}, NumTraining: n, FileEnding: ".nii.gz",
		Labels: []Label{{Name: "background", Values: []int{0}}, {Name: "a", Values: []int{1}}, {Name: "b", Values: []int{2}}}}
	f := Fingerprint{Foreground: map[string]Intensity{"0": {Max: 9, Mean: 5, Median: 5, Min: 1, P005: 1, P995: 9, Std: 2}}, MedianRelativeSize: 1}
	for range n {
		f.Spacings = append(f.Spacings, spacing)
		f.ShapesAfterCrop = append(f.ShapesAfterCrop, shape)
	}
	return d, f
}

func TestFingerprintSurvivesItsFile(t *testing.T) {
	_, f := example(3, [3]float64{0.1, 1.0 / 3, 2}, [3]int{36, 50, 35})
	text, err := WriteFingerprint(f)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ReadFingerprint(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(f, back); d != "" {
		t.Error(d)
	}
	for _, key := range []string{"spacings", "shapes_after_crop", "foreground_intensity_properties_per_channel", "median_relative_size_after_cropping", "percentile_99_5"} {
		if !strings.Contains(string(text), `"`+key+`"`) {
			t.Errorf("nnU-Net's key %s is missing", key)
		}
	}
}

func TestFingerprintRejects(t *testing.T) {
	for want, spoil := range map[string]func(*Fingerprint){
		"no cases":               func(f *Fingerprint) { f.Spacings, f.ShapesAfterCrop = nil, nil },
		"3 spacings but 2":       func(f *Fingerprint) { f.ShapesAfterCrop = f.ShapesAfterCrop[:2] },
		"case 1 has spacing":     func(f *Fingerprint) { f.Spacings[1][2] = 0 },
		"case 2 has shape":       func(f *Fingerprint) { f.ShapesAfterCrop[2][0] = 0 },
		"intensity of NaN":       func(f *Fingerprint) { f.Foreground["0"] = Intensity{Mean: math.NaN()} },
		`1 channels but no "0"`:  func(f *Fingerprint) { f.Foreground = map[string]Intensity{"1": {}} },
		"after_cropping is 1.25": func(f *Fingerprint) { f.MedianRelativeSize = 1.25 },
	} {
		_, f := example(3, [3]float64{1, 1, 1}, [3]int{36, 50, 35})
		spoil(&f)
		if _, err := WriteFingerprint(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got: %v", want, err)
		}
	}
}

func TestPlanRejects(t *testing.T) {
	for want, o := range map[string]Options{
		`unknown planner "ResEncS"`: {Planner: "ResEncS"},
		"memory target of -1 GB":    {MemoryGB: -1},
		"no patch fits":             {MemoryGB: 1e-6},
		"block scale NaN":           {BlockScale: math.NaN()},
		"-3 base features":          {BaseFeatures: -3},
		"overwriting spacing":       {OverwriteSpacing: [3]float64{1, 0, 1}},
	} {
		d, f := example(20, [3]float64{1, 1, 1}, [3]int{36, 50, 35})
		if _, err := Plan(d, f, o); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "example") {
			t.Errorf("want %q, got: %v", want, err)
		}
	}
	d, f := example(20, [3]float64{1, 1, 1}, [3]int{36, 50, 35})
	d.Channels = append(d.Channels, "T2")
	if _, err := Plan(d, f, Options{}); err == nil || !strings.Contains(err.Error(), "1 channels, dataset.json 2") {
		t.Errorf("a fingerprint of other channels: %v", err)
	}
}

// TestXL checks the planner of which there is no recording: it differs from L
// by its two references and target alone, so the shrink loop must stop just
// under 3600e6 for a case that is large enough.
func TestXL(t *testing.T) {
	d, f := example(100, [3]float64{1, 1, 1}, [3]int{512, 512, 512})
	s, err := Plan(d, f, Options{Planner: ResEncXLPlanner})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := s.Configuration("3d_fullres")
	size := func(patch [3]int) int64 { return c.Architecture.FeatureMapSize(patch, false) }
	larger := c.Patch3()
	larger[argmin(larger)] += c.Architecture.Divisor()[argmin(larger)]
	if got := size(c.Patch3()); got > 3600e6 || size(larger) <= 3600e6 {
		t.Errorf("patch %v has size %d, %v has %d: 3600e6 should lie between", c.Patch, got, larger, size(larger))
	}
}

func argmin(list [3]int) int {
	best := 0
	for i, v := range list {
		if v < list[best] {
			best = i
		}
	}
	return best
}

// TestAnisotropicSpacing covers the rule that no recorded data set needs in
// full: the 10th percentile of the coarse axis, held above the other axes.
func TestAnisotropicSpacing(t *testing.T) {
	for _, c := range []struct {
		fine int // of 20 cases, how many are isotropic
		want float64
	}{
		{0, 4},
		{2, 0.5 + float64((4-0.5)*(19*0.1-1))}, // between the second and third case
		{5, 1 + 1e-5},
	} {
		_, f := example(20, [3]float64{4, 1, 1}, [3]int{20, 256, 256})
		for i := range c.fine {
			f.Spacings[i][0] = 0.5
		}
		got := fullresSpacing(f, Options{})
		if math.Abs(got[0]-max(c.want, 1+1e-5)) > 1e-12 || got[1] != 1 || got[2] != 1 {
			t.Errorf("%d fine cases: spacing %v, want %v along z", c.fine, got, c.want)
		}
	}
}

// TestShrinkTies: of axes that cover equally much the last shrinks first.
func TestShrinkTies(t *testing.T) {
	if got := shrinkAxis([]float64{64, 128, 64}, []float64{128, 256, 128}); got != 2 {
		t.Errorf("axis %d, want 2", got)
	}
	if got := shrinkAxis([]float64{64, 192, 64}, []float64{128, 256, 128}); got != 1 {
		t.Errorf("axis %d, want 1", got)
	}
}

func TestMasks(t *testing.T) {
	d, f := example(20, [3]float64{1, 1, 1}, [3]int{36, 50, 35})
	d.Channels = []string{"ct", "MRI"}
	f.Foreground["1"] = f.Foreground["0"]
	f.MedianRelativeSize = 0.7
	s, err := Plan(d, f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := s.Configuration("3d_fullres")
	got := fmt.Sprint(c.Normalisation, c.UseMask)
	if want := "[CTNormalization ZScoreNormalization] [false true]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestCascade(t *testing.T) {
	d, f := example(20, [3]float64{1, 1, 1}, [3]int{512, 512, 512})
	s, err := Plan(d, f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	fullres, _ := s.Configuration("3d_fullres")
	cascade, ok := s.Configuration("3d_cascade_fullres")
	if !ok || cascade.Architecture.InputChannels != 3 || fullres.Architecture.InputChannels != 1 {
		t.Errorf("the cascade reads the image and one channel per foreground label, got %d (3d_fullres %d)",
			cascade.Architecture.InputChannels, fullres.Architecture.InputChannels)
	}
	if !fullres.BatchDice || !cascade.BatchDice || cascade.PreviousStage != "3d_lowres" {
		t.Errorf("batch Dice %v and %v, previous stage %q", fullres.BatchDice, cascade.BatchDice, cascade.PreviousStage)
	}
}

// TestChanges pins the laptop profile: nnU-Net's plan with 8 features and
// batch 2 keeps the patch, where planning with 8 features does not.
func TestChanges(t *testing.T) {
	d, f := example(260, [3]float64{1, 1, 1}, [3]int{136, 150, 135})
	s, err := Plan(d, f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := s.Configuration("3d_fullres")
	before, _ := json.Marshal(plain)
	small, err := plain.WithFeatures(8, 0)
	if err != nil {
		t.Fatal(err)
	}
	if small, err = small.WithBatch(2); err != nil {
		t.Fatal(err)
	}
	var features []int
	for _, stage := range small.Architecture.Stages {
		features = append(features, stage.Features)
	}
	if d := cmp.Diff([]int{8, 16, 32, 64, 128, 256}, features); d != "" || small.Batch != 2 {
		t.Errorf("features %v, batch %d", features, small.Batch)
	}
	if d := cmp.Diff(plain.Patch, small.Patch); d != "" {
		t.Error(d)
	}
	if after, _ := json.Marshal(plain); string(after) != string(before) {
		t.Error("the original configuration changed too")
	}
	again, err := Plan(d, f, Options{BaseFeatures: 8})
	if err != nil {
		t.Fatal(err)
	}
	if replanned, _ := again.Configuration("3d_fullres"); cmp.Equal(replanned.Patch, plain.Patch) {
		t.Errorf("planning with 8 features should choose another patch than %v", plain.Patch)
	}

	if c, err := plain.WithPatch([]int{64, 96, 64}); err != nil || c.Patch3() != [3]int{64, 96, 64} {
		t.Error(c.Patch, err)
	}
	for _, patch := range [][]int{{64, 96, 60}, {64, 96}, {0, 32, 32}} {
		if _, err := plain.WithPatch(patch); err == nil {
			t.Errorf("patch %v was accepted", patch)
		}
	}
	if _, err := plain.WithBatch(0); err == nil {
		t.Error("batch 0 was accepted")
	}
	if _, err := plain.WithFeatures(0, 0); err == nil {
		t.Error("0 features were accepted")
	}
}

func TestSettingsSurviveJSON(t *testing.T) {
	d, f := example(20, [3]float64{3, 1, 1}, [3]int{136, 250, 235})
	s, err := Plan(d, f, Options{Planner: ResEncMPlanner, Activation: unet.GELU})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Settings
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, back); d != "" {
		t.Error(d)
	}
}

func FuzzReadDataset(f *testing.F) {
	f.Add([]byte(`{"channel_names": {"0": "T1"}, "labels": {"background": 0, "a": [1, 2], "b": 2, "ignore": 3}, "numTraining": 5, "regions_class_order": [1, 2]}`))
	f.Add([]byte(`{"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "x"}, "numTraining": 1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if d, err := ReadDataset(text); err == nil && (d.Heads() < 1 || len(d.Foreground()) < 1) {
			t.Errorf("accepted a data set without outputs: %+v", d)
		}
	})
}
