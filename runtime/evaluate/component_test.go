package evaluate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/nnunet"
	"runspec/runtime/internal/golden"
	"runspec/runtime/volume"
)

func TestLargestComponentAgainstNnUNet(t *testing.T) {
	for _, c := range []struct {
		in, out string
		values  []int
	}{
		{"cc_in.npy", "cc_all.npy", []int{1, 2}},
		{"cc_in.npy", "cc_l1.npy", []int{1}},
		{"cc_in.npy", "cc_l2.npy", []int{2}},
		{"cc_tie_in.npy", "cc_tie_out.npy", []int{1}},
	} {
		in, want := cases(t, c.in)[0], cases(t, c.out)[0]
		got := Step{c.values}.Apply(in)
		if d := cmp.Diff(want.Data, got.Data); d != "" {
			t.Errorf("%s: %s", c.out, d)
		}
		if d := cmp.Diff(cases(t, c.in)[0].Data, in.Data); d != "" {
			t.Errorf("%s: the step changed its input: %s", c.out, d)
		}
	}
}

func TestPostprocessingAgainstNnUNet(t *testing.T) {
	var decision struct {
		Arguments []struct {
			Values []int `json:"labels_or_regions"`
		} `json:"kwargs"`
	}
	golden.JSON(t, "evaluation/postprocessing_decision.json", &decision)
	var want []Step
	for _, a := range decision.Arguments {
		want = append(want, Step{a.Values})
	}
	pairs := recorded(t)
	got, err := DeterminePostprocessing(pairs, []nnunet.Label{background, one, two}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got.Steps); d != "" {
		t.Error(d)
	}
	for i, want := range cases(t, "postprocessed.npy") {
		if d := cmp.Diff(want.Data, got.Apply(pairs[i].Prediction).Data); d != "" {
			t.Errorf("case %d: %s", i, d)
		}
	}

	// The file is nnU-Net's, byte for byte, and is read back.
	theirs := golden.Path(t, "evaluation/postprocessing.json")
	text, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	ours := filepath.Join(t.TempDir(), "postprocessing.json")
	if err := got.Write(ours); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(ours)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(text), string(written)); d != "" {
		t.Error(d)
	}
	for _, path := range []string{theirs, ours} {
		if back, err := ReadPostprocessing(path); err != nil || cmp.Diff(want, back) != "" {
			t.Errorf("%s: %v %v", path, back, err)
		}
	}
}

// line is a label map of one row of voxels.
func line(values ...int16) volume.Labels {
	return volume.Labels{Grid: volume.Grid{Shape: [3]int{1, 1, len(values)}}, Data: values}
}

// TestPostprocessingSteps has one label that gains by its own step where the
// joint step would cost the other one.
func TestPostprocessingSteps(t *testing.T) {
	pairs := []Pair{{
		Reference:  line(1, 1, 1, 0, 0, 0, 2, 0, 0, 0),
		Prediction: line(1, 1, 1, 0, 1, 0, 2, 0, 0, 0),
	}}
	got, err := DeterminePostprocessing(pairs, []nnunet.Label{background, one, two}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Step{{[]int{1}}}, got.Steps); d != "" {
		t.Error(d)
	}
	// A single label is not tried a second time.
	got, err = DeterminePostprocessing(pairs, []nnunet.Label{background, one}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Step{{[]int{1}}}, got.Steps); d != "" {
		t.Error(d)
	}
	// Nothing to gain, nothing done.
	perfect := []Pair{{pairs[0].Reference, pairs[0].Reference}}
	if got, err := DeterminePostprocessing(perfect, []nnunet.Label{background, one, two}, 0); err != nil || got.Steps != nil {
		t.Error(got, err)
	}
}

func TestNothingToKeep(t *testing.T) {
	empty := line(0, 0, 2)
	if d := cmp.Diff(empty.Data, (Step{[]int{1}}).Apply(empty).Data); d != "" {
		t.Error(d)
	}
}

func TestPostprocessingFiles(t *testing.T) {
	file := func(steps, arguments string) string {
		return `{"postprocessing_fns": [` + steps + `], "postprocessing_kwargs": [` + arguments + `], "input_folder": NaN}`
	}
	const step = `"remove_all_but_largest_component_from_segmentation"`
	for text, want := range map[string]string{
		file("", ""): "[]",
		file(step+","+step, `{"labels_or_regions": 2}, {"labels_or_regions": [[1, 2], 3]}`): "[{[2]} {[1 2 3]}]",
		file(step, ""):                           "of one length",
		"{}":                                     "of one length",
		file(`"fill_holes"`, `{}`):               `no step "fill_holes"`,
		file(step, `{"labels_or_regions": "a"}`): "it must be a number or a list",
		file(step, `{"labels_or_regions": 1, "background_label": 4}`): "to background 0",
		"\x80\x04pickle": "postprocessing.json beside it",
	} {
		path := filepath.Join(t.TempDir(), "postprocessing.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		steps, err := ReadPostprocessing(path)
		got := fmt.Sprint(steps)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || err != nil && !strings.Contains(got, path) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// A label alone is a number in the file, a region a list.
func TestPostprocessingValues(t *testing.T) {
	for want, labels := range map[string][]nnunet.Label{
		"1":                   {background, one, two},
		"[\n    1\n]":         {background, one},
		"[\n    2,\n    1\n]": {background, both, two},
	} {
		w := &writer{}
		s := Step{[]int{1}}
		if strings.Contains(want, "2") {
			s.Values = []int{2, 1}
		}
		if (Postprocessing{labels: labels}).values(w, s); w.String() != want {
			t.Errorf("%s, want %s", w, want)
		}
	}
}
