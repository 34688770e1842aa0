package augment

import (
	"testing"

	"runspec/runtime/internal/golden"
)

func TestCubicSpatialAgainstBatchgenerators(t *testing.T) {
	var recorded []struct {
		Name   string
		Patch  [3]int
		Angles [3]float64
		Scale  float64
	}
	golden.JSON(t, "augmentation/v1/spatial.json", &recorded)
	for _, rec := range recorded {
		t.Run(rec.Name, func(t *testing.T) {
			c := fixture(t)
			s := empty(c.Channels, rec.Patch)
			s.warpCubic(window{c: c, size: c.Shape}, matrix(rec.Angles, rec.Scale), false)
			near(t, "image", s.image, golden.NPY(t, "augmentation/v1/spatial_"+rec.Name+"_img.npy"), 5e-6)
			want := golden.NPY(t, "augmentation/v1/spatial_"+rec.Name+"_seg.npy")
			if n := differing(s.labels, want); n > 0 {
				t.Errorf("%d of %d labels differ", n, len(want.Data))
			}
		})
	}
}

func TestIntensityAgainstBatchgenerators(t *testing.T) {
	for name, apply := range map[string]func(s *sample, x []float32){
		"brightness_1.2":   func(_ *sample, x []float32) { multiply(x, 1.2) },
		"contrast_1.2":     func(_ *sample, x []float32) { stretch(x, 1.2) },
		"gamma_1.3":        func(_ *sample, x []float32) { bend(x, 1.3) },
		"gamma_1.3_invert": func(_ *sample, x []float32) { multiply(x, -1); bend(x, 1.3); multiply(x, -1) },
		"blur_sigma0.8":    func(s *sample, x []float32) { s.smooth(x, [3]float64{0.8, 0.8, 0.8}, scipy) },
		"lowres_0.6":       func(s *sample, x []float32) { s.coarsenCubic(x, [3]float64{0.6, 0.6, 0.6}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := copied(fixture(t))
			for c := range s.channels {
				apply(s, s.channel(c))
			}
			near(t, name, s.image, golden.NPY(t, "augmentation/v1/"+name+".npy"), 5e-6)
		})
	}
}
