package augment

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"runspec/runtime/dataset"
	"runspec/runtime/internal/golden"
)

func TestGeometryAgainstNNUNet(t *testing.T) {
	var recorded []struct {
		Patch   []int
		Planar  bool `json:"dummy_2d"`
		Degrees float64
		Angle   float64 `json:"rotation_degrees"`
		Initial []int
		Before  []int `json:"initial_old_nnunet"`
		Mirror  []int
	}
	golden.JSON(t, "augmentation/initial_patch_size.json", &recorded)
	for _, rec := range recorded {
		g := NewGeometry(three(rec.Patch), len(rec.Patch))
		if g.Initial != three(rec.Initial) || g.Initial != three(rec.Before) {
			t.Errorf("patch %v: initial %v, want %v, and %v before batchgeneratorsv2", rec.Patch, g.Initial, rec.Initial, rec.Before)
		}
		o := Options{Patch: g.Patch, Batch: 1, Dim: len(rec.Patch), Augmentation: V2}
		l := mustLoad(t, []*dataset.Case{blobs("a", 1, [3]int{2, 2, 2}, 1)}, o)
		for i, axis := range l.o.Mirror { // ours count the slice that a 2-D patch is
			if axis-(3-len(rec.Patch)) != rec.Mirror[i] || len(l.o.Mirror) != len(rec.Mirror) {
				t.Errorf("patch %v: mirror axes %v, want %v", rec.Patch, l.o.Mirror, rec.Mirror)
			}
		}
		if math.Abs(g.Angle*180/math.Pi-rec.Angle) > 1e-9 {
			t.Errorf("patch %v: ±%v°, want %v°", rec.Patch, g.Angle*180/math.Pi, rec.Angle)
		}
		if want := rec.Planar || len(rec.Patch) == 2; g.Planar != want {
			t.Errorf("patch %v: planar %v, want %v", rec.Patch, g.Planar, want)
		}
	}
}

// recordedStep is one transform of nnU-Net's list, and what it holds.
type recordedStep struct {
	Type      string
	P         float64
	Params    map[string]any
	Transform *recordedStep
}

// bounds reads a parameter's range: two numbers, or BGContrast's text.
func bounds(t *testing.T, v any) (b [2]float64) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		b[0], b[1] = v[0].(float64), v[1].(float64)
	case string:
		if _, err := fmt.Sscanf(v, "BGContrast(contrast_range=(%f, %f))", &b[0], &b[1]); err != nil {
			t.Fatalf("%q: %v", v, err)
		}
	}
	return b
}

// The list of transforms, their order, their chances and the ranges of their
// parameters are nnU-Net's. That of batchgenerators has the same ones.
func TestPipelineAgainstNNUNet(t *testing.T) {
	var plans map[string]struct {
		Train         []recordedStep
		Patch         []int `json:"patch_size"`
		Planar        bool  `json:"dummy_2d"`
		Initial       []int `json:"initial_patch_size"`
		InitialBefore []int `json:"initial_patch_size_old_nnunet"`
	}
	golden.JSON(t, "augmentation/pipeline.json", &plans)
	for plan, rec := range plans {
		g := NewGeometry(three(rec.Patch), len(rec.Patch))
		if g.Initial != three(rec.Initial) || g.Initial != three(rec.InitialBefore) {
			t.Errorf("%s: initial patch %v, want %v and %v", plan, g.Initial, rec.Initial, rec.InitialBefore)
		}
		var order []string
		var random []recordedStep
		for _, s := range rec.Train {
			switch s.Type {
			case "RandomTransform":
				random = append(random, s)
			case "SpatialTransform":
				sameSpatial(t, s.Params, g)
			case "MirrorTransform":
				if axes := s.Params["allowed_axes"].([]any); len(axes) != len(rec.Patch) {
					t.Errorf("%s: mirror axes %v", plan, axes)
				}
			}
			order = append(order, strings.TrimSuffix(s.Type, "Transform"))
		}
		want := "Spatial Random Random Random Random Random Random Random Mirror RemoveLabel DownsampleSegForDS"
		if rec.Planar {
			want = "Convert3DTo2D Spatial Convert2DTo3D" + strings.TrimPrefix(want, "Spatial")
		}
		if got := strings.Join(order, " "); got != want {
			t.Errorf("%s: the order is %s, want %s", plan, got, want)
		}
		for name, p := range generations {
			sameTransforms(t, plan+", "+string(name), p.transforms, random)
		}
	}
}

func sameSpatial(t *testing.T, params map[string]any, g Geometry) {
	t.Helper()
	if params["p_rotation"] != rotationP || params["p_scaling"] != scalingP {
		t.Errorf("rotation and scaling with chances %v and %v, want %v and %v", rotationP, scalingP, params["p_rotation"], params["p_scaling"])
	}
	if b := bounds(t, params["scaling"]); b != [2]float64{scaleLo, scaleHi} {
		t.Errorf("scales in [%v, %v), want %v", scaleLo, scaleHi, b)
	}
	if b := bounds(t, params["rotation"]); math.Abs(b[1]-g.Angle) > 1e-12 || b[0] != -b[1] {
		t.Errorf("angles in ±%v, want %v", g.Angle, b)
	}
}

func sameTransforms(t *testing.T, list string, ours []transform, want []recordedStep) {
	t.Helper()
	names := map[string][2]string{
		"noise": {"GaussianNoise", "noise_variance"}, "blur": {"GaussianBlur", "blur_sigma"},
		"brightness": {"MultiplicativeBrightness", "multiplier_range"}, "contrast": {"Contrast", "contrast_range"},
		"low resolution": {"SimulateLowResolution", "scale"},
		"inverted gamma": {"Gamma", "gamma"}, "gamma": {"Gamma", "gamma"},
	}
	if len(ours) != len(want) {
		t.Fatalf("%s: %d transforms, want %d", list, len(ours), len(want))
	}
	for i, tr := range ours {
		w := want[i]
		if names[tr.name][0]+"Transform" != w.Transform.Type || tr.p != w.P {
			t.Errorf("%s: step %d is %s with %v, want %s with %v", list, i, tr.name, tr.p, w.Transform.Type, w.P)
		}
		if b := bounds(t, w.Transform.Params[names[tr.name][1]]); b != ranges[tr.name] {
			t.Errorf("%s: %s draws from %v, want %v", list, tr.name, ranges[tr.name], b)
		}
		if inverts, gamma := w.Transform.Params["p_invert_image"]; gamma && (inverts == 1.) != (tr.name == "inverted gamma") {
			t.Errorf("%s: step %d is %s, but inverts with chance %v", list, i, tr.name, inverts)
		}
	}
}

// Every transform comes with its chance times the factor, and mirroring with
// even odds whatever the factor.
func TestChances(t *testing.T) {
	for name, p := range generations {
		t.Run(string(name), func(t *testing.T) { chances(t, p.transforms) })
	}
}

func chances(t *testing.T, transforms []transform) {
	for _, factor := range []float64{0, 0.5, 1, 3, 20} {
		counts := map[string]int{}
		var p pipeline
		p.spatial = func(*sample, window, Geometry, float64, *rand.Rand) {}
		for _, tr := range transforms {
			tr.apply = func(*sample, *rand.Rand) { counts[tr.name]++ }
			p.transforms = append(p.transforms, tr)
		}
		s := empty(1, [3]int{2, 2, 2})
		n, mirrored := 4000, [3]int{}
		for i := range n {
			copy(s.image, []float32{0, 1, 2, 3, 4, 5, 6, 7})
			p.apply(s, window{}, Geometry{}, factor, []int{0, 1, 2}, stream(11, i, 0))
			for d := range 3 {
				if int(s.image[0])>>(2-d)&1 == 1 {
					mirrored[d]++
				}
			}
		}
		for _, tr := range transforms {
			if want := min(tr.p*factor, 1); !within(counts[tr.name], n, want) {
				t.Errorf("factor %v: %s came %d times out of %d, chance %v", factor, tr.name, counts[tr.name], n, want)
			}
		}
		for d, k := range mirrored {
			if !within(k, n, 0.5) {
				t.Errorf("factor %v: axis %d was mirrored %d times out of %d", factor, d, k, n)
			}
		}
	}
}

// Rotation and scaling each come with a chance of 0.2 times the factor.
func TestSpatialChances(t *testing.T) {
	c := blobs("a", 1, [3]int{14, 14, 14}, 5)
	g := Geometry{Patch: [3]int{6, 6, 6}, Initial: [3]int{14, 14, 14}, Angle: math.Pi / 6}
	w := window{c: c, size: c.Shape}
	plain := empty(1, g.Patch)
	crop(plain, w)
	for name, p := range generations {
		t.Run(string(name), func(t *testing.T) { spatialChances(t, p, g, w, plain) })
	}
}

func spatialChances(t *testing.T, p pipeline, g Geometry, w window, plain *sample) {
	for _, factor := range []float64{0, 1, 2.5, 5} {
		n, untouched := 2000, 0
		s := empty(1, g.Patch)
		for i := range n {
			p.spatial(s, w, g, factor, stream(3, i, 1))
			if slices.Equal(s.image, plain.image) {
				untouched++
			}
		}
		want := math.Pow(1-min(0.2*factor, 1), 2)
		if !within(untouched, n, want) {
			t.Errorf("factor %v: %d of %d samples were only cropped, chance %v", factor, untouched, n, want)
		}
	}
}

// Parameters follow nnU-Net's distributions: checked by what they do to an image.
func TestParameters(t *testing.T) {
	var stats struct {
		Below float64 `json:"frac_below1"`
		Mean  float64
	}
	golden.JSON(t, "augmentation/bgcontrast_stats.json", &stats)
	r, n := stream(1, 1, 1), 20000
	below, sum := 0, 0.0
	for range n {
		f := around(r, 0.7, 1.5)
		if f < 0.7 || f > 1.5 {
			t.Fatalf("factor %v lies outside [0.7, 1.5]", f)
		}
		if f < 1 {
			below++
		}
		sum += f
	}
	if share := float64(below) / float64(n); math.Abs(share-stats.Below) > 0.02 {
		t.Errorf("%v of the factors lie below 1, nnU-Net's %v", share, stats.Below)
	}
	if math.Abs(sum/float64(n)-stats.Mean) > 0.01 {
		t.Errorf("factors have the mean %v, nnU-Net's %v", sum/float64(n), stats.Mean)
	}

	// The noise's deviation is uniform in [0, 0.1): mean variance 0.1²/3.
	variance, m := 0.0, 400
	for i := range m {
		s := empty(2, [3]int{4, 5, 6})
		clear(s.image)
		noise(s, stream(4, i, 0))
		v := statistics(s.image).deviation
		if v > 0.13 {
			t.Fatalf("noise of deviation %v", v)
		}
		variance += v * v / float64(m)
	}
	if want := 0.01 / 3; math.Abs(variance-want) > 5*0.003/math.Sqrt(float64(m)) {
		t.Errorf("the noise's mean variance is %v, want %v", variance, want)
	}

	// Blur and low resolution touch each channel with even odds.
	for name, apply := range map[string]func(*sample, *rand.Rand){"blur": blur, "low resolution": lowResolution} {
		var touched [2]int
		for i := range m {
			s := copied(blobs("a", 2, [3]int{6, 7, 8}, 1))
			before := slices.Clone(s.image)
			apply(s, stream(6, i, 0))
			for c := range touched {
				if !slices.Equal(s.channel(c), before[c*336:(c+1)*336]) {
					touched[c]++
				}
			}
		}
		for c, k := range touched {
			// A zoom near 1 rounds to the same shape: low resolution then does nothing.
			if !within(k, m, 0.5) && (name == "blur" || k > m/2 || !within(k, m, 0.45)) {
				t.Errorf("%s touched channel %d %d times out of %d", name, c, k, m)
			}
		}
	}
}

// Where slices are thick, low resolution and the spatial transform leave each
// slice to itself: a stack of even slices stays one. Without that they mix.
func TestSlicesStayApart(t *testing.T) {
	c := &dataset.Case{Channels: 1, Shape: [3]int{5, 30, 30}, Seg: make([]int16, 4500)}
	for i := range 4500 {
		c.Data = append(c.Data, float32(1+i/900))
	}
	w := window{c: c, size: c.Shape}
	even := func(s *sample) bool {
		for i, v := range s.image {
			if math.Abs(float64(v)-float64(1+i/64)) > 1e-5 {
				return false
			}
		}
		return true
	}
	for name, p := range generations {
		mixed := 0
		for i := range 50 {
			s := empty(1, [3]int{5, 8, 8})
			s.planar = true
			g := Geometry{Patch: s.shape, Initial: c.Shape, Angle: math.Pi, Planar: true}
			p.spatial(s, w, g, 5, stream(1, i, 0))
			p.transforms[4].apply(s, stream(1, i, 1))
			if !even(s) {
				t.Fatalf("%s: draw %d: planar transforms mix slices", name, i)
			}
			s.planar, g.Planar = false, false
			p.spatial(s, w, g, 5, stream(1, i, 0))
			if !even(s) {
				mixed++
			}
		}
		if mixed < 45 {
			t.Errorf("%s: only %d of 50 rotations in space mix slices", name, mixed)
		}
	}
}

func TestPower(t *testing.T) {
	r := stream(2, 2, 2)
	for range 20000 {
		x, g := r.Float32(), uniform(r, 0.7, 1.5)
		if r.IntN(4) == 0 {
			x = float32(math.Exp(-40 * r.Float64()))
		}
		want := math.Pow(float64(x), g)
		if got := float64(power(x, g)); math.Abs(got-want) > 3e-7*want+1e-30 {
			t.Fatalf("power(%v, %v) = %v, want %v", x, g, got, want)
		}
	}
	for _, x := range []float32{0, 1} {
		if got := power(x, 1.3); math.Abs(float64(got-x)) > 1e-7 {
			t.Errorf("power(%v, 1.3) = %v", x, got)
		}
	}
}
