package volume

import (
	"testing"

	"runspec/runtime/internal/golden"
)

func TestNormalise(t *testing.T) {
	x := func(name string) []float32 { return golden.NPY(t, preprocessing+name+".npy").Float32() }
	var props struct {
		Mean, Std float64
		Low       float64 `json:"percentile_00_5"`
		High      float64 `json:"percentile_99_5"`
	}
	golden.JSON(t, preprocessing+"norm_props.json", &props)
	var mask []bool
	for _, v := range golden.NPY(t, preprocessing+"norm_seg.npy").Data {
		mask = append(mask, v >= 0)
	}
	for _, c := range []struct {
		input, want string
		apply       func([]float32)
	}{
		{"norm_x", "norm_zscore", func(d []float32) { ZScore(d, nil) }},
		{"norm_x", "norm_zscore_mask", func(d []float32) { ZScore(d, mask) }},
		{"norm_x", "norm_ct", func(d []float32) { CT(d, props.Low, props.High, props.Mean, props.Std) }},
		{"norm_x", "norm_rescale01", RescaleTo01},
		{"norm_rgb_x", "norm_rgb", RGBTo01},
		{"norm_x", "norm_none", func([]float32) {}},
	} {
		got := x(c.input)
		c.apply(got)
		if d := far(t, got, x(c.want)); d > 1e-5 {
			t.Errorf("%s is off by %g", c.want, d)
		}
	}
}

func TestNormaliseConstant(t *testing.T) {
	for i, apply := range []func([]float32){
		func(d []float32) { ZScore(d, nil) },
		func(d []float32) { ZScore(d, make([]bool, len(d))) },
		func(d []float32) { CT(d, -1, 1, 1, 0) },
		RescaleTo01,
		RGBTo01,
	} {
		apply(nil)
		d := []float32{7, 7, 7}
		apply(d)
		for _, v := range d {
			if v-v != 0 || (i != 1 && i != 4 && v != 0) {
				t.Errorf("normalisation %d of a constant gives %v", i, d)
			}
		}
	}
}
