package kernel

import (
	"math"
	"testing"

	"runspec/runtime/internal/golden"
)

// channelsLast turns a recorded [N,C,D,H,W] into [N,V,C].
func channelsLast(a golden.Array) []float32 {
	n, c := a.Shape[0], a.Shape[1]
	v := len(a.Data) / n / c
	out := make([]float32, len(a.Data))
	for i := range n {
		for ch := range c {
			for j := range v {
				out[(i*v+j)*c+ch] = float32(a.Data[(i*c+ch)*v+j])
			}
		}
	}
	return out
}

// TestLossesAgainstNNUNet holds values to 1e-6 and gradients to 1e-7, the
// tolerances of reference/nnunet/losses.
func TestLossesAgainstNNUNet(t *testing.T) {
	// The file also holds a table, so only single numbers are read here.
	var values struct {
		Dice              float64 `json:"dice"`
		DiceBatch         float64 `json:"dice_batchdice"`
		DiceCE            float64 `json:"dice_ce"`
		DiceCEBatch       float64 `json:"dice_ce_batchdice"`
		DiceCEIgnore      float64 `json:"dice_ce_ignore"`
		DiceCEIgnoreBatch float64 `json:"dice_ce_ignore_batchdice"`
		DiceCEAllIgnored  float64 `json:"dice_ce_all_ignored"`
		CE                float64 `json:"ce"`
		CEIgnore          float64 `json:"ce_ignore"`
		TopK              float64 `json:"topk10"`
		TopKIgnore        float64 `json:"topk10_ignore4"`
	}
	golden.JSON(t, "losses/losses.json", &values)
	array := golden.NPY(t, "losses/logits.npy")
	logits := channelsLast(array)
	labels := golden.NPY(t, "losses/target.npy").Int16()
	masked := golden.NPY(t, "losses/target_ignore4.npy").Int16()
	nothing := make([]int16, len(labels))
	for i := range nothing {
		nothing[i] = 4
	}
	for _, test := range []struct {
		name   string
		loss   Loss
		labels []int16
		want   float64
	}{
		{"ce", Loss{CrossEntropy: true}, labels, values.CE},
		{"ce_ignore", Loss{CrossEntropy: true, Ignore: 4}, masked, values.CEIgnore},
		{"dice", Loss{Dice: true}, labels, values.Dice},
		{"dice_batchdice", Loss{Dice: true, BatchDice: true}, labels, values.DiceBatch},
		{"dice_ce", Loss{Dice: true, CrossEntropy: true}, labels, values.DiceCE},
		{"dice_ce_batchdice", Loss{Dice: true, CrossEntropy: true, BatchDice: true}, labels, values.DiceCEBatch},
		{"dice_ce_ignore", Loss{Dice: true, CrossEntropy: true, Ignore: 4}, masked, values.DiceCEIgnore},
		{"dice_ce_ignore_batchdice", Loss{Dice: true, CrossEntropy: true, BatchDice: true, Ignore: 4}, masked, values.DiceCEIgnoreBatch},
		{"dice_ce_all_ignored", Loss{Dice: true, CrossEntropy: true, Ignore: 4}, nothing, values.DiceCEAllIgnored},
		{"topk10", Loss{TopK: 0.1}, labels, values.TopK},
		{"topk10_ignore4", Loss{TopK: 0.1, Ignore: 4}, masked, values.TopKIgnore},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := channelsLast(golden.NPY(t, "losses/grad_"+test.name+".npy"))
			l := test.loss
			l.Samples, l.Voxels, l.Classes = array.Shape[0], len(labels)/array.Shape[0], array.Shape[1]
			for _, threads := range []int{1, 3} {
				got := make([]float32, len(logits))
				value, err := l.Compute(NewPool(threads), logits, test.labels, 1, got)
				if err != nil {
					t.Fatal(err)
				}
				if d := math.Abs(value - test.want); !(d <= 1e-6) {
					t.Errorf("loss %.8f, nnU-Net's %.8f", value, test.want)
				}
				if d := maxDiff(got, want); !(d <= 1e-7) {
					t.Errorf("gradient off by %.3g", d)
				}
			}
		})
	}
}

func maxDiff(a, b []float32) float64 {
	d := 0.0
	for i := range a {
		e := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(e) {
			return e
		}
		d = max(d, e)
	}
	return d
}

func TestLossWeightsGradientAndRefusesLabels(t *testing.T) {
	l := Loss{Samples: 2, Voxels: 1500, Classes: 3, CrossEntropy: true, Dice: true}
	logits, labels := random(1, l.LogitsLen()), make([]int16, l.LabelsLen())
	for i := range labels {
		labels[i] = int16(i % 3)
	}
	p := NewPool(2)
	one, half := make([]float32, len(logits)), make([]float32, len(logits))
	a, _ := l.Compute(p, logits, labels, 1, one)
	b, _ := l.Compute(p, logits, labels, 0.5, half)
	if a != 2*b {
		t.Errorf("half the weight gives %v, the whole %v", b, a)
	}
	for i := range one {
		if one[i] != 2*half[i] {
			t.Fatalf("gradient %d: %v is not twice %v", i, one[i], half[i])
		}
	}
	labels[1700] = 3
	if _, err := l.Compute(p, logits, labels, 1, one); err == nil {
		t.Error("label 3 of three classes was accepted")
	}
}

func TestKthLargest(t *testing.T) {
	x := []float32{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5}
	for k, want := range map[int]struct {
		value float32
		ties  int
	}{1: {9, 1}, 2: {6, 1}, 3: {5, 1}, 4: {5, 2}, 5: {5, 3}, 6: {4, 1}, 11: {1, 2}} {
		if v, n := kthLargest(x, k); v != want.value || n != want.ties {
			t.Errorf("k=%d: %v with %d ties, want %v with %d", k, v, n, want.value, want.ties)
		}
	}
}
