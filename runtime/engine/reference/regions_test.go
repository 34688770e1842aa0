package reference

import (
	"math"
	"testing"

	"runspec/runtime/engine"
	"runspec/runtime/internal/golden"
)

// TestRegionLosses compares values and gradients over regions with nnU-Net's.
func TestRegionLosses(t *testing.T) {
	var recorded map[string]any
	golden.JSON(t, "losses/losses.json", &recorded)
	logits, labels, masked, regions := golden.Regions(t)
	for name, o := range map[string]engine.Objective{
		"dice_bce_regions":                  {Kind: engine.DiceCE},
		"dice_bce_regions_batchdice":        {Kind: engine.DiceCE, BatchDice: true},
		"dice_bce_regions_ignore":           {Kind: engine.DiceCE, Ignore: 8},
		"dice_bce_regions_ignore_batchdice": {Kind: engine.DiceCE, Ignore: 8, BatchDice: true},
	} {
		o.Regions = regions
		target := labels
		if o.Ignore != 0 {
			target = masked
		}
		wide := golden.Array{Shape: []int{len(target)}, Data: make([]float64, len(target))}
		for i, v := range target {
			wide.Data[i] = float64(v)
		}
		value, grad := differentiate(o, logits, wide)
		if want := recorded[name].(float64); !(math.Abs(value-want) <= 1e-6) {
			t.Errorf("%s: %v, PyTorch has %v", name, value, want)
		}
		for i, w := range last(golden.NPY(t, "losses/grad_"+name+".npy")) {
			if !(math.Abs(grad[i]-w) <= 1e-7) {
				t.Errorf("%s: gradient %v at %d, PyTorch has %v", name, grad[i], i, w)
				break
			}
		}
	}
}
