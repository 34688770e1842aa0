package reference

import (
	"math"
	"testing"

	"runspec/runtime/engine"
	"runspec/runtime/internal/golden"
)

// TestLosses compares values and gradients with nnU-Net's, with and without a
// label to ignore; the tolerances are those of the recordings' README.
func TestLosses(t *testing.T) {
	var recorded map[string]any
	golden.JSON(t, "losses/losses.json", &recorded)
	logits := golden.NPY(t, "losses/logits.npy")
	for name, o := range map[string]engine.Objective{
		"ce":                       {Kind: engine.CE},
		"ce_ignore":                {Kind: engine.CE, Ignore: 4},
		"dice":                     {Kind: engine.Dice},
		"dice_batchdice":           {Kind: engine.Dice, BatchDice: true},
		"dice_ce":                  {Kind: engine.DiceCE},
		"dice_ce_batchdice":        {Kind: engine.DiceCE, BatchDice: true},
		"dice_ce_ignore":           {Kind: engine.DiceCE, Ignore: 4},
		"dice_ce_ignore_batchdice": {Kind: engine.DiceCE, Ignore: 4, BatchDice: true},
		"dice_ce_all_ignored":      {Kind: engine.DiceCE, Ignore: 4},
		"topk10":                   {Kind: engine.TopK},
		"topk10_ignore4":           {Kind: engine.TopK, Ignore: 4},
	} {
		want, ok := recorded[name].(float64)
		if !ok {
			t.Errorf("no recording of %s", name)
			continue
		}
		labels := golden.NPY(t, "losses/target.npy")
		if o.Ignore != 0 {
			labels = golden.NPY(t, "losses/target_ignore4.npy")
		}
		if name == "dice_ce_all_ignored" {
			for i := range labels.Data {
				labels.Data[i] = 4
			}
		}
		value, grad := differentiate(o, logits, labels)
		if !(math.Abs(value-want) <= 1e-6) {
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

// differentiate runs the three operations of a loss.
func differentiate(o engine.Objective, logits, labels golden.Array) (float64, []float64) {
	s := logits.Shape
	shape := []int{s[0], s[2], s[3], s[4], s[1]}
	in := [][]float64{last(logits), labels.Data, nil, {1}}
	shapes := [][]int{shape, shape[:4], nil, {}}
	in[2] = make([]float64, o.Rows(s[0])*s[1]*3+4)
	statistics := call{op: engine.LossStatistics{Objective: o}, in: in[:2], shapes: shapes[:2], out: in[2]}
	v := call{op: engine.LossValue{Objective: o}, in: in[:3], shapes: shapes, out: make([]float64, 1)}
	d := call{op: engine.LossGradient{Objective: o}, in: in, shapes: shapes, out: make([]float64, len(in[0]))}
	for _, c := range []*call{&statistics, &v, &d} {
		if err := c.compute(); err != nil {
			panic(err)
		}
	}
	return v.out[0], d.out
}

// last moves the channels of (N, C, D, H, W) behind the voxels.
func last(a golden.Array) []float64 {
	c := a.Shape[1]
	voxels := len(a.Data) / a.Shape[0] / c
	out := make([]float64, len(a.Data))
	for i, v := range a.Data {
		n, ch, at := i/(c*voxels), i/voxels%c, i%voxels
		out[(n*voxels+at)*c+ch] = v
	}
	return out
}
