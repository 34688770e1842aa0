package evaluate

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"runspec/compiler/nnunet"
	"runspec/runtime/internal/golden"
	"runspec/runtime/volume"
)

var (
	background = nnunet.Label{Name: "background", Values: []int{0}}
	one        = nnunet.Label{Name: "one", Values: []int{1}}
	two        = nnunet.Label{Name: "two", Values: []int{2}}
	seven      = nnunet.Label{Name: "seven", Values: []int{7}}
	core       = nnunet.Label{Name: "core", Values: []int{2}, Listed: true}
	both       = nnunet.Label{Name: "both", Values: []int{1, 2}}
)

// cases reads a recorded (n, Z, Y, X) array as n label maps.
func cases(t *testing.T, file string) []volume.Labels {
	t.Helper()
	a := golden.NPY(t, "evaluation/"+file)
	if len(a.Shape) == 3 {
		a.Shape = append([]int{1}, a.Shape...)
	}
	shape := [3]int(a.Shape[1:])
	n := shape[0] * shape[1] * shape[2]
	var out []volume.Labels
	for i := range a.Shape[0] {
		out = append(out, volume.Labels{Grid: volume.Grid{Shape: shape}, Data: a.Int16()[i*n : (i+1)*n]})
	}
	return out
}

// recorded are the six cases that nnU-Net compared.
func recorded(t *testing.T) []Pair {
	t.Helper()
	ref, pred := cases(t, "ref.npy"), cases(t, "pred.npy")
	var out []Pair
	for i := range ref {
		out = append(out, Pair{ref[i], pred[i]})
	}
	return out
}

func TestSummaryAgainstNnUNet(t *testing.T) {
	for file, c := range map[string]struct {
		labels []nnunet.Label
		ignore int
	}{
		"summary_labels.json":             {[]nnunet.Label{background, one, two}, 0},
		"summary_ignore3.json":            {[]nnunet.Label{background, one, two}, 3},
		"summary_regions.json":            {[]nnunet.Label{background, both, core}, 0},
		"summary_with_absent_label7.json": {[]nnunet.Label{background, one, two, seven}, 0},
	} {
		t.Run(file, func(t *testing.T) {
			var compared []CaseMetrics
			for i, p := range recorded(t) {
				m, err := CompareVolumes(p.Reference, p.Prediction, c.labels, c.ignore)
				if err != nil {
					t.Fatal(err)
				}
				name := "c" + string(rune('0'+i)) + ".nii.gz"
				m.Reference, m.Prediction = "ref/"+name, "pred/"+name
				compared = append(compared, m)
			}
			got := Summarise(compared)
			want, err := ReadSummary(golden.Path(t, "evaluation/"+file))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12), cmpopts.EquateNaNs()); d != "" {
				t.Error(d)
			}

			// And as bytes: other programs read this file.
			path := filepath.Join(t.TempDir(), "summary.json")
			if err := got.Write(path); err != nil {
				t.Fatal(err)
			}
			ours, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := os.ReadFile(golden.Path(t, "evaluation/"+file))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(theirs), string(ours)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLabel(t *testing.T) {
	var compared []CaseMetrics
	for _, p := range recorded(t) {
		compared = append(compared, Compare(p.Reference.Data, p.Prediction.Data, []nnunet.Label{background, both, core}, 0))
	}
	s := Summarise(compared)
	if m, ok := s.Label("(1, 2)"); !ok || m != s.Mean[0].Metrics {
		t.Errorf("region (1, 2): %v %v", m, ok)
	}
	if _, ok := s.Label("9"); ok {
		t.Error("there is no label 9")
	}
}

func TestCompareByHand(t *testing.T) {
	ref := []int16{0, 1, 1, 1, 2, 3, 3, 0}
	pred := []int16{1, 1, 1, 0, 1, 1, 0, 0}
	m := Compare(ref, pred, []nnunet.Label{background, one}, 3).Labels[0].Metrics
	want := Metrics{Dice: 4.0 / 7, IoU: 2.0 / 5, TP: 2, FP: 2, FN: 1, TN: 1, Pred: 4, Ref: 3}
	if m != want {
		t.Errorf("got %+v, want %+v", m, want)
	}
	if kept := Compare(ref, pred, []nnunet.Label{one}, 0).Labels[0]; kept.FP != 3 || kept.TN != 2 {
		t.Errorf("without an ignore label %+v", kept)
	}
}

func TestShapesMustAgree(t *testing.T) {
	a := volume.Labels{Grid: volume.Grid{Shape: [3]int{2, 1, 1}}, Data: make([]int16, 2)}
	b := volume.Labels{Grid: volume.Grid{Shape: [3]int{1, 2, 1}}, Data: make([]int16, 2)}
	if _, err := CompareVolumes(a, b, []nnunet.Label{one}, 0); err == nil || !strings.Contains(err.Error(), "[2 1 1]") {
		t.Error(err)
	}
	if _, err := DeterminePostprocessing([]Pair{{a, b}}, []nnunet.Label{one}, 0); err == nil {
		t.Error("post-processing was determined on different shapes")
	}
}

func TestNothingCompared(t *testing.T) {
	s := Summarise(nil)
	if !math.IsNaN(s.ForegroundMean.Dice) || len(s.Mean) != 0 {
		t.Errorf("no case: %+v", s)
	}
}

func TestSummaryFileErrors(t *testing.T) {
	dir := t.TempDir()
	if err := (Summary{}).Write(filepath.Join(dir, "missing", "summary.json")); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Error(err)
	}
	if _, err := ReadSummary(filepath.Join(dir, "summary.json")); err == nil {
		t.Error("a missing file was read")
	}
	for text, want := range map[string]string{
		`{"mean"`:                 "unexpected end",
		`{}`:                      "foreground_mean: no Dice",
		`{"mean": {"1": "high"}}`: "cannot unmarshal",
	} {
		path := filepath.Join(dir, "bad.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadSummary(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: want %q, got: %v", text, want, err)
		}
	}
}

func TestNaNOnlyOutsideStrings(t *testing.T) {
	got := string(nullNaN([]byte(`{"NaN \" NaN": NaN, "b": [NaN]}`)))
	if want := `{"NaN \" NaN": null, "b": [null]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestFloatsReadLikePython(t *testing.T) {
	for want, v := range map[string]float64{"28.0": 28, "0.0": 0, "0.1": 0.1, "1e-05": 1e-5, "0.0001": 1e-4, "1e+16": 1e16, "123456789.5": 123456789.5, "NaN": math.NaN()} {
		if got := float(v); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
