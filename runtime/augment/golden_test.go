package augment

import (
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"runspec/runtime/dataset"
	"runspec/runtime/internal/golden"
)

func TestMain(m *testing.M) { os.Exit(golden.Complete(m, "augmentation", "sampling")) }

// fixture is the recorded input of the transforms as a case: a synthetic image
// of two channels and its labels.
func fixture(t *testing.T) *dataset.Case {
	t.Helper()
	img, seg := golden.NPY(t, "augmentation/img3d.npy"), golden.NPY(t, "augmentation/seg3d.npy")
	return &dataset.Case{
		ID: "img3d", Channels: img.Shape[0], Shape: [3]int(img.Shape[1:]),
		Data: img.Float32(), Seg: seg.Int16(),
	}
}

// slice is slice z of a case as a case of one slice.
func slice(c *dataset.Case, z int) *dataset.Case {
	n := c.Shape[1] * c.Shape[2]
	out := &dataset.Case{ID: c.ID, Channels: c.Channels, Shape: [3]int{1, c.Shape[1], c.Shape[2]}}
	for k := range c.Channels {
		out.Data = append(out.Data, c.Data[(k*c.Shape[0]+z)*n:][:n]...)
	}
	out.Seg = append(out.Seg, c.Seg[z*n:(z+1)*n]...)
	return out
}

// empty is a sample of the given shape with unwritten memory.
func empty(channels int, shape [3]int) *sample {
	n := shape[0] * shape[1] * shape[2]
	s := &sample{shape: shape, channels: channels, scratch: new(scratch),
		image: make([]float32, n*channels), labels: make([]int16, n)}
	for i := range s.image {
		s.image[i] = 1e9
	}
	for i := range s.labels {
		s.labels[i] = 99
	}
	return s
}

// copied is a sample with a case's own voxels.
func copied(c *dataset.Case) *sample {
	s := empty(c.Channels, c.Shape)
	copy(s.image, c.Data)
	copy(s.labels, c.Seg)
	return s
}

func near(t *testing.T, name string, got []float32, want golden.Array, tolerance float64) {
	t.Helper()
	if len(got) != len(want.Data) {
		t.Fatalf("%s: %d voxels, want %d", name, len(got), len(want.Data))
	}
	worst := 0.0
	for i, v := range want.Data {
		worst = max(worst, math.Abs(float64(got[i])-v))
	}
	t.Logf("%s: largest error %.2g", name, worst)
	if !(worst <= tolerance) {
		t.Errorf("%s: largest error %v, tolerance %v", name, worst, tolerance)
	}
}

func differing(got []int16, want golden.Array) int {
	n := 0
	for i, v := range want.Data {
		if float64(got[i]) != v {
			n++
		}
	}
	return n
}

func TestSpatialAgainstNNUNet(t *testing.T) {
	var recorded []struct {
		Name   string
		Patch  []int
		Angles []float64
		Scale  *float64
		Affine [][]float64
	}
	golden.JSON(t, "augmentation/spatial.json", &recorded)
	for _, rec := range recorded {
		t.Run(rec.Name, func(t *testing.T) {
			c, planar := fixture(t), len(rec.Patch) == 2
			shape := rec.Patch
			if planar {
				c, shape = slice(c, 7), append([]int{1}, rec.Patch...)
			}
			s, w := empty(c.Channels, [3]int(shape)), window{c: c, size: c.Shape}
			if rec.Affine == nil {
				crop(s, w)
			} else {
				a := recordedAffine(rec.Angles, rec.Scale, planar)
				sameAffine(t, a, rec.Affine)
				warp(s, w, a, planar)
			}
			near(t, "image", s.image, golden.NPY(t, "augmentation/spatial_"+rec.Name+"_img.npy"), 1e-4)
			want := golden.NPY(t, "augmentation/spatial_"+rec.Name+"_seg.npy")
			if n := differing(s.labels, want); float64(n) > 0.002*float64(len(want.Data)) {
				t.Errorf("%d of %d labels differ", n, len(want.Data))
			} else {
				t.Logf("%d of %d labels differ", n, len(want.Data))
			}
		})
	}
}

func recordedAffine(angles []float64, scale *float64, planar bool) affine {
	zoom, angle := 1.0, [3]float64{}
	if scale != nil {
		zoom = *scale
	}
	if planar {
		return planarAffine(angles[len(angles)-1], zoom)
	}
	copy(angle[:], angles)
	return newAffine(angle, zoom)
}

func sameAffine(t *testing.T, got affine, want [][]float64) {
	t.Helper()
	skip := 3 - len(want)
	for i, row := range want {
		for j, v := range row {
			if math.Abs(float64(got[i+skip][j+skip])-v) > 1e-6 {
				t.Errorf("affine[%d][%d] = %v, want %v", i, j, got[i+skip][j+skip], v)
			}
		}
	}
}

// A window that hangs over the case on all sides must give what the same window
// cut out and padded first gives, which is nnU-Net's order.
func TestWarpOfOverhangingWindow(t *testing.T) {
	c := fixture(t)
	for name, a := range map[string]affine{
		"rotated": newAffine([3]float64{0.4, -0.3, 0.5}, 1.3),
		"zoomed":  newAffine([3]float64{0, 0, 0}, 1.4),
		"planar":  planarAffine(2.5, 0.8),
	} {
		for _, corner := range [][3]int{{-3, -5, -4}, {2, 3, 1}, {-2, 4, 6}, {9, -6, -3}, {30, 0, 0}} {
			t.Run(fmt.Sprint(name, corner), func(t *testing.T) {
				size := [3]int{17, 20, 19}
				w := window{c: c, corner: corner, size: size}
				padded := empty(c.Channels, size)
				crop(padded, window{c: c, corner: corner, size: size})
				whole := window{size: size, c: &dataset.Case{
					Channels: c.Channels, Shape: size, Data: padded.image, Seg: padded.labels}}
				patch := [3]int{17, 12, 13} // planar: as many slices as the window
				got, want := empty(c.Channels, patch), empty(c.Channels, patch)
				warp(got, w, a, name == "planar")
				warp(want, whole, a, name == "planar")
				for i, v := range want.image {
					if math.Abs(float64(got.image[i]-v)) > 1e-5 {
						t.Fatalf("image voxel %d: %v, want %v", i, got.image[i], v)
					}
				}
				wrong := 0
				for i, l := range want.labels {
					if got.labels[i] != l {
						wrong++
					}
				}
				if wrong > 0 {
					t.Errorf("%d labels differ", wrong)
				}
			})
		}
	}
}

// Where slices are thick one transform in two dimensions serves all slices of all
// channels, of which nnU-Net makes one image of many channels.
func TestSlicesShareOneTransform(t *testing.T) {
	var fixed struct {
		Shape [3]int `json:"convert3dto2d_shape"` // (C*Z, Y, X)
	}
	golden.JSON(t, "augmentation/fixed_params.json", &fixed)
	c := fixture(t)
	if want := [3]int{c.Channels * c.Shape[0], c.Shape[1], c.Shape[2]}; fixed.Shape != want {
		t.Fatalf("nnU-Net's slices are %v, ours %v", fixed.Shape, want)
	}
	for name, warp := range map[Generation]func(s *sample, w window){
		V2: func(s *sample, w window) { warp(s, w, planarAffine(0.9, 1.2), true) },
		V1: func(s *sample, w window) { s.warpCubic(w, planarMatrix(0.9, 1.2), true) },
	} {
		all := empty(c.Channels, [3]int{c.Shape[0], 12, 10})
		warp(all, window{c: c, size: c.Shape})
		for z := range c.Shape[0] {
			one := slice(c, z)
			alone := empty(c.Channels, [3]int{1, 12, 10})
			warp(alone, window{c: one, size: one.Shape})
			for k := range c.Channels {
				if !slices.Equal(alone.channel(k), all.channel(k)[z*120:(z+1)*120]) {
					t.Fatalf("%s: slice %d of channel %d is another in the stack", name, z, k)
				}
			}
			if !slices.Equal(alone.labels, all.labels[z*120:(z+1)*120]) {
				t.Fatalf("%s: labels of slice %d are others in the stack", name, z)
			}
		}
	}
}

func TestIntensityAgainstNNUNet(t *testing.T) {
	var fixed struct {
		Brightness, Contrast, Lowres, Gamma []float64
		Blur                                struct {
			Sigmas  []float64            `json:"sigmas_per_axis_ch0"`
			Kernels map[string][]float64 `json:"kernels_truncate6"`
		}
	}
	golden.JSON(t, "augmentation/fixed_params.json", &fixed)
	each := func(s *sample, f func(c int, x []float32)) {
		for c := range s.channels {
			f(c, s.channel(c))
		}
	}
	for _, test := range []struct {
		name      string
		tolerance float64
		apply     func(s *sample)
	}{
		{"brightness", 1e-6, func(s *sample) {
			each(s, func(c int, x []float32) { multiply(x, float32(fixed.Brightness[c])) })
		}},
		{"contrast", 1e-5, func(s *sample) {
			each(s, func(c int, x []float32) { stretch(x, float32(fixed.Contrast[c])) })
		}},
		{"contrast_norange", 1e-5, func(s *sample) {
			each(s, func(c int, x []float32) {
				inf := float32(math.Inf(1))
				widen(x, float32(fixed.Contrast[c]), float32(statistics(x).mean), -inf, inf)
			})
		}},
		{"gamma_noretain", 1e-5, func(s *sample) {
			each(s, func(c int, x []float32) { curve(x, fixed.Gamma[c], statistics(x)) })
		}},
		{"gamma", 1e-4, func(s *sample) {
			each(s, func(c int, x []float32) { bend(x, fixed.Gamma[c]) })
		}},
		{"gamma_invert", 1e-4, func(s *sample) {
			each(s, func(c int, x []float32) {
				multiply(x, -1)
				bend(x, fixed.Gamma[c])
				multiply(x, -1)
			})
		}},
		{"blur", 1e-5, func(s *sample) { s.smooth(s.channel(0), [3]float64(fixed.Blur.Sigmas), torch) }},
		{"lowres", 1e-5, func(s *sample) {
			each(s, func(c int, x []float32) { f := fixed.Lowres[c]; s.coarsen(x, [3]float64{f, f, f}) })
		}},
		{"lowres_ignore0", 1e-5, func(s *sample) {
			each(s, func(c int, x []float32) { f := fixed.Lowres[c]; s.coarsen(x, [3]float64{1, f, f}) })
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := copied(fixture(t))
			test.apply(s)
			near(t, test.name, s.image, golden.NPY(t, "augmentation/"+test.name+".npy"), test.tolerance)
		})
	}
	for sigma, want := range fixed.Blur.Kernels {
		var v float64
		fmt.Sscan(sigma, &v)
		near(t, "kernel "+sigma, kernel(v), golden.Array{Data: want}, 1e-6)
	}
}

func TestMirrorAgainstNNUNet(t *testing.T) {
	s := copied(fixture(t))
	s.mirror(0)
	s.mirror(2)
	near(t, "mirror_02", s.image, golden.NPY(t, "augmentation/mirror_02.npy"), 0)
	seg := fixture(t).Seg
	for i, l := range s.labels {
		z, y, x := i/288, i/16%18, i%16
		if want := seg[((13-z)*18+y)*16+15-x]; l != want {
			t.Fatalf("label (%d, %d, %d) is %d, want %d", z, y, x, l, want)
		}
	}
}

func TestMaskAgainstNNUNet(t *testing.T) {
	s := copied(fixture(t))
	s.mask([]bool{false, true})
	near(t, "mask", s.image, golden.NPY(t, "augmentation/mask.npy"), 0)
}

func TestTargetsAgainstNNUNet(t *testing.T) {
	var fixed struct {
		Scales [][3]float64 `json:"ds_scales"`
	}
	golden.JSON(t, "augmentation/fixed_params.json", &fixed)
	s := copied(fixture(t))
	s.settle()
	if n := differing(s.labels, golden.NPY(t, "augmentation/removelabel_seg.npy")); n > 0 {
		t.Errorf("-1 to 0: %d labels differ", n)
	}
	regions := Target{Shape: s.shape, Labels: s.labels}.Regions([][]int{{1, 2}, {2}})
	for i, v := range golden.NPY(t, "augmentation/regions.npy").Data {
		if float64(regions[i]) != v {
			t.Fatalf("regions: place %d is %d, want %v", i, regions[i], v)
		}
	}
	for k, scale := range fixed.Scales {
		want := golden.NPY(t, fmt.Sprintf("augmentation/ds_%d.npy", k))
		var shape [3]int
		var at [3][]int
		for d := range 3 {
			shape[d] = int(math.RoundToEven(float64(s.shape[d]) * scale[d]))
			at[d] = nearestExact(s.shape[d], shape[d])
		}
		got := make([]int16, shape[0]*shape[1]*shape[2])
		if len(got) != len(want.Data) {
			t.Fatalf("target %d: shape %v, want %v", k, shape, want.Shape)
		}
		gather(got, s.labels, s.shape, at)
		if n := differing(got, want); n > 0 {
			t.Errorf("target %d: %d labels differ", k, n)
		}
	}
}
