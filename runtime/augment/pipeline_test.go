package augment

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
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
	}
	golden.JSON(t, "augmentation/initial_patch_size.json", &recorded)
	for _, rec := range recorded {
		g := NewGeometry(three(rec.Patch), len(rec.Patch))
		if want := three(rec.Initial); g.Initial != want {
			t.Errorf("patch %v: initial %v, want %v", rec.Patch, g.Initial, want)
		}
		if math.Abs(g.Angle*180/math.Pi-rec.Angle) > 1e-9 {
			t.Errorf("patch %v: ±%v°, want %v°", rec.Patch, g.Angle*180/math.Pi, rec.Angle)
		}
		if want := rec.Planar || len(rec.Patch) == 2; g.Planar != want {
			t.Errorf("patch %v: planar %v, want %v", rec.Patch, g.Planar, want)
		}
	}
}

// The list of transforms, their order and their chances are nnU-Net's.
func TestPipelineAgainstNNUNet(t *testing.T) {
	type step struct {
		Type      string
		P         float64
		Transform *struct {
			Type   string
			Params json.RawMessage
		}
	}
	var recorded map[string]struct{ Train []step }
	golden.JSON(t, "augmentation/pipeline.json", &recorded)
	names := map[string]string{
		"noise": "GaussianNoiseTransform", "blur": "GaussianBlurTransform",
		"brightness": "MultiplicativeBrightnessTransform", "contrast": "ContrastTransform",
		"low resolution": "SimulateLowResolutionTransform", "inverted gamma": "GammaTransform", "gamma": "GammaTransform",
	}
	for plan, rec := range recorded {
		var random []step
		for _, s := range rec.Train {
			if s.Type == "RandomTransform" {
				random = append(random, s)
			}
		}
		if len(random) != len(current.transforms) {
			t.Fatalf("%s: %d transforms, want %d", plan, len(current.transforms), len(random))
		}
		for i, tr := range current.transforms {
			if names[tr.name] != random[i].Transform.Type || tr.p != random[i].P {
				t.Errorf("%s: step %d is %s with %v, want %s with %v", plan, i, tr.name, tr.p,
					random[i].Transform.Type, random[i].P)
			}
		}
	}
}

// Every transform comes with its chance times the factor, and mirroring with
// even odds whatever the factor.
func TestChances(t *testing.T) {
	for _, factor := range []float64{0, 0.5, 1, 3, 20} {
		counts := map[string]int{}
		var p pipeline
		p.spatial = func(*sample, window, Geometry, float64, *rand.Rand) {}
		for _, tr := range current.transforms {
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
		for _, tr := range current.transforms {
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
	for _, factor := range []float64{0, 1, 2.5, 5} {
		n, untouched := 2000, 0
		s := empty(1, g.Patch)
		for i := range n {
			spatial(s, w, g, factor, stream(3, i, 1))
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
	mixed := 0
	for i := range 50 {
		s := empty(1, [3]int{5, 8, 8})
		s.planar = true
		g := Geometry{Patch: s.shape, Initial: c.Shape, Angle: math.Pi, Planar: true}
		spatial(s, w, g, 5, stream(1, i, 0))
		lowResolution(s, stream(1, i, 1))
		if !even(s) {
			t.Fatalf("draw %d: planar transforms mix slices", i)
		}
		s.planar, g.Planar = false, false
		spatial(s, w, g, 5, stream(1, i, 0))
		if !even(s) {
			mixed++
		}
	}
	if mixed < 45 {
		t.Errorf("only %d of 50 rotations in space mix slices", mixed)
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
