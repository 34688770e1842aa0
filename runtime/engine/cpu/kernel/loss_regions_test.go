package kernel

import (
	"math"
	"testing"

	"runspec/runtime/internal/golden"
)

// TestRegionLossesAgainstNNUNet is TestLossesAgainstNNUNet for data sets with
// regions, with equal bits from one thread and from three.
func TestRegionLossesAgainstNNUNet(t *testing.T) {
	var values struct {
		Plain       float64 `json:"dice_bce_regions"`
		Batch       float64 `json:"dice_bce_regions_batchdice"`
		Ignore      float64 `json:"dice_bce_regions_ignore"`
		IgnoreBatch float64 `json:"dice_bce_regions_ignore_batchdice"`
	}
	golden.JSON(t, "losses/losses.json", &values)
	array, labels, masked, regions := golden.Regions(t)
	logits := channelsLast(array)
	for _, test := range []struct {
		name   string
		loss   Loss
		labels []int16
		want   float64
	}{
		{"dice_bce_regions", Loss{}, labels, values.Plain},
		{"dice_bce_regions_batchdice", Loss{BatchDice: true}, labels, values.Batch},
		{"dice_bce_regions_ignore", Loss{Ignore: 8}, masked, values.Ignore},
		{"dice_bce_regions_ignore_batchdice", Loss{Ignore: 8, BatchDice: true}, masked, values.IgnoreBatch},
	} {
		l := test.loss
		l.CrossEntropy, l.Dice, l.Regions = true, true, regions
		l.Samples, l.Voxels, l.Classes = array.Shape[0], len(labels)/array.Shape[0], array.Shape[1]
		want := channelsLast(golden.NPY(t, "losses/grad_"+test.name+".npy"))
		var first []float32
		for _, threads := range []int{1, 3} {
			got := make([]float32, len(logits))
			value, err := l.Compute(NewPool(threads), logits, test.labels, 1, got)
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(value-test.want) <= 1e-6) {
				t.Errorf("%s: loss %.8f, nnU-Net's %.8f", test.name, value, test.want)
			}
			for i, w := range want {
				if !(math.Abs(float64(got[i]-w)) <= 1e-7) {
					t.Errorf("%s: gradient %v at %d, nnU-Net's %v", test.name, got[i], i, w)
					break
				}
			}
			if first == nil {
				first = got
			}
			for i := range got {
				if math.Float32bits(got[i]) != math.Float32bits(first[i]) {
					t.Errorf("%s: %d threads give another gradient at %d", test.name, threads, i)
					break
				}
			}
		}
	}
}
