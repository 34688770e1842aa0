package reference

import (
	"fmt"
	"math"
	"testing"

	"runspec/runtime/engine"
	"runspec/runtime/internal/golden"
)

// TestTruncatedSupervision sums the losses of a network with fewer outputs than its
// plan, as Auto-nnU-Net's authors do: the plan's weights, cut off. Ours gives such a
// network weights of its own (unet.DeepSupervisionWeights), which sum to 1; the
// losses of the outputs are the same.
func TestTruncatedSupervision(t *testing.T) {
	var recorded struct {
		Weights  []float64          `json:"weights"`
		PerLevel []float64          `json:"per_level"`
		Totals   map[string]float64 `json:"total_by_n_outputs"`
	}
	golden.JSON(t, "hnas/ds_truncation.json", &recorded)
	total := map[int]float64{}
	for i, want := range recorded.PerLevel {
		logits := golden.NPY(t, fmt.Sprintf("hnas/ds_trunc_logits_%d.npy", i))
		labels := golden.NPY(t, fmt.Sprintf("hnas/ds_trunc_target_%d.npy", i))
		got, _ := differentiate(engine.Objective{Kind: engine.DiceCE}, logits, labels)
		if !(math.Abs(got-want) <= 1e-6) {
			t.Errorf("output %d: loss %v, PyTorch has %v", i, got, want)
		}
		for n := i + 1; n <= len(recorded.PerLevel); n++ {
			total[n] += recorded.Weights[i] * got
		}
	}
	for n, got := range total {
		if want := recorded.Totals[fmt.Sprint(n)]; !(math.Abs(got-want) <= 1e-6) {
			t.Errorf("%d outputs: %v, the authors have %v", n, got, want)
		}
	}
}
