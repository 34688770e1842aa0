package evaluate

import (
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
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for i, want := range cases(t, "postprocessed.npy") {
		processed := pairs[i].Prediction
		for _, s := range got {
			processed = s.Apply(processed)
		}
		if d := cmp.Diff(want.Data, processed.Data); d != "" {
			t.Errorf("case %d: %s", i, d)
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
	if d := cmp.Diff([]Step{{[]int{1}}}, got); d != "" {
		t.Error(d)
	}
	// A single label is not tried a second time.
	got, err = DeterminePostprocessing(pairs, []nnunet.Label{background, one}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Step{{[]int{1}}}, got); d != "" {
		t.Error(d)
	}
	// Nothing to gain, nothing done.
	perfect := []Pair{{pairs[0].Reference, pairs[0].Reference}}
	if got, err := DeterminePostprocessing(perfect, []nnunet.Label{background, one, two}, 0); err != nil || got != nil {
		t.Error(got, err)
	}
}

func TestNothingToKeep(t *testing.T) {
	empty := line(0, 0, 2)
	if d := cmp.Diff(empty.Data, (Step{[]int{1}}).Apply(empty).Data); d != "" {
		t.Error(d)
	}
}
