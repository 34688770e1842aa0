package augment

import (
	"math"
	"slices"
	"testing"

	"runspec/runtime/dataset"
)

// even and halves are the distribution functions that nnU-Net draws parameters
// from: uniform in a range, and with even odds uniform below or above 1.
func even(lo, hi float64) func(float64) float64 {
	return func(x float64) float64 { return min(max((x-lo)/(hi-lo), 0), 1) }
}

func halves(lo, hi float64) func(float64) float64 {
	below, above := even(lo, 1), even(1, hi)
	return func(x float64) float64 { return (below(x) + above(x)) / 2 }
}

// follows is the one-sample Kolmogorov-Smirnov test at a level of 1 in 10,000.
func follows(t *testing.T, name string, drawn []float64, cdf func(float64) float64) {
	t.Helper()
	if d, limit := deviation(drawn, cdf), 2.23/math.Sqrt(float64(len(drawn))); !(d < limit) {
		t.Errorf("%s: %d draws deviate by %.4f from the recipe's distribution, which may be %.4f", name, len(drawn), d, limit)
	}
}

// deviation is the greatest distance between the empirical and the true
// distribution function.
func deviation(drawn []float64, cdf func(float64) float64) float64 {
	slices.Sort(drawn)
	worst, n := 0.0, float64(len(drawn))
	for i, v := range drawn {
		p := cdf(v)
		worst = max(worst, p-float64(i)/n, float64(i+1)/n-p)
	}
	return worst
}

// The test itself tells the distributions of the two generations apart, and
// notices a range that is off by a tenth.
func TestDeviation(t *testing.T) {
	r, n := stream(1, 2, 3), 2000
	drawn := make([]float64, n)
	for i := range drawn {
		drawn[i] = uniform(r, 0.7, 1.4)
	}
	limit := 2.23 / math.Sqrt(float64(n))
	for name, test := range map[string]struct {
		cdf  func(float64) float64
		same bool
	}{
		"its own": {even(0.7, 1.4), true}, "halves": {halves(0.7, 1.4), false}, "wider": {even(0.65, 1.45), false},
	} {
		if d := deviation(drawn, test.cdf); (d < limit) != test.same {
			t.Errorf("%s: the deviation is %v, the limit %v", name, d, limit)
		}
	}
}

// ranges that the recipes draw each transform's parameter from.
var ranges = map[string][2]float64{
	"noise": {0, 0.1}, "blur": {0.5, 1}, "brightness": {0.75, 1.25}, "contrast": {0.75, 1.25},
	"low resolution": {0.5, 1}, "inverted gamma": {0.7, 1.5}, "gamma": {0.7, 1.5},
}

// draws of a transform as seen in the images that it makes.
const draws = 2000

// Every parameter of every transform of both generations follows the recipe's
// distribution. Parameters are read off what a transform does to an image made
// for it.
func TestDistributions(t *testing.T) {
	for name, p := range generations {
		t.Run(string(name), func(t *testing.T) {
			for _, tr := range p.transforms {
				if tr.name == "low resolution" {
					continue // below
				}
				probe, known := probes[tr.name]
				if !known {
					t.Fatalf("nothing is known about the parameters of %s", tr.name)
				}
				var drawn []float64
				for i := 0; len(drawn) < draws; i++ {
					s := empty(2, probe.shape)
					for c := range s.channels {
						probe.fill(s.channel(c))
					}
					tr.apply(s, stream(21, i, 1))
					for c := range s.channels {
						if v, touched := probe.read(s.channel(c)); touched {
							drawn = append(drawn, v)
						}
						if probe.shared {
							break
						}
					}
				}
				follows(t, tr.name, drawn, probe.cdf(ranges[tr.name][0], ranges[tr.name][1]))
			}
		})
	}
}

// probe is an image in which a transform's parameter shows.
type probe struct {
	shape  [3]int
	fill   func(x []float32)
	read   func(x []float32) (v float64, touched bool)
	shared bool // by all channels
	cdf    func(lo, hi float64) func(float64) float64
}

// grey fills an image with values from 0 to 1; those at places 1 and 2 are a
// quarter and a half.
func grey(x []float32) {
	for i := range x {
		x[i] = float32(i) / float32(len(x)-1)
	}
	x[1], x[2] = 0.25, 0.5
}

// exponent reads the power off a bent grey image: what became of a half.
func exponent(x []float32) float64 {
	low, high := float64(x[0]), float64(x[len(x)-1])
	return -math.Log2((float64(x[2]) - low) / (high - low))
}

var probes = map[string]probe{
	"noise": {[3]int{10, 20, 20}, func(x []float32) { clear(x) },
		func(x []float32) (float64, bool) { return statistics(x).deviation, true }, true, even},
	"blur": {[3]int{9, 9, 9}, func(x []float32) { clear(x); x[4*81+4*9+4] = 1 },
		func(x []float32) (float64, bool) {
			centre, beside := float64(x[4*81+4*9+4]), float64(x[4*81+4*9+3])
			return math.Sqrt(0.5 / math.Log(centre/beside)), beside > 0
		}, false, even},
	"brightness": {[3]int{1, 1, 2}, func(x []float32) { x[0], x[1] = 1, 1 },
		func(x []float32) (float64, bool) { return float64(x[0]), true }, false, even},
	"contrast": {[3]int{1, 2, 2}, func(x []float32) { copy(x, []float32{-9, -1, 1, 9}) },
		func(x []float32) (float64, bool) { return float64(x[2]), true }, false, even},
	"gamma": {[3]int{5, 5, 5}, grey,
		func(x []float32) (float64, bool) { return exponent(x), true }, false, halves},
	"inverted gamma": {[3]int{5, 5, 5}, func(x []float32) { grey(x); multiply(x, -1) },
		func(x []float32) (float64, bool) { multiply(x, -1); return exponent(x), true }, false, halves},
}

// Channels draw parameters of their own, and are blurred or not on their own; but
// noise is as strong in all of them.
func TestChannelsDrawAlone(t *testing.T) {
	for name, p := range generations {
		for _, tr := range p.transforms {
			probe, known := probes[tr.name]
			if !known {
				continue
			}
			var first, second []float64
			counts := map[[2]bool]int{}
			for i := range draws {
				s := empty(2, probe.shape)
				probe.fill(s.channel(0))
				probe.fill(s.channel(1))
				tr.apply(s, stream(71, i, 1))
				a, touched := probe.read(s.channel(0))
				b, also := probe.read(s.channel(1))
				counts[[2]bool{touched, also}]++
				if touched && also {
					first, second = append(first, a), append(second, b)
				}
			}
			r, limit := correlation(first, second), 4/math.Sqrt(float64(len(first)))
			if shared := r > 0.99; shared != probe.shared || !shared && math.Abs(r) > limit {
				t.Errorf("%s: %s of two channels correlates by %.3f", name, tr.name, r)
			}
			if len(counts) != 1 && !within(counts[[2]bool{true, true}], draws, 0.25) {
				t.Errorf("%s: %s touched both of two channels %d times out of %d", name, tr.name, counts[[2]bool{true, true}], draws)
			}
		}
	}
}

func correlation(a, b []float64) float64 {
	var sa, sb, aa, bb, ab float64
	n := float64(len(a))
	for i := range a {
		sa, sb = sa+a[i], sb+b[i]
		aa, bb, ab = aa+a[i]*a[i], bb+b[i]*b[i], ab+a[i]*b[i]
	}
	return (ab - sa*sb/n) / math.Sqrt((aa-sa*sa/n)*(bb-sb*sb/n))
}

// The zoom of low resolution: drawn for each channel that it touches, one for all
// axes, but 1 across thick slices. What is recorded is what the transform did.
func TestLowResolutionDistribution(t *testing.T) {
	for name, p := range generations {
		at := slices.IndexFunc(p.transforms, func(tr transform) bool { return tr.name == "low resolution" })
		for _, planar := range []bool{false, true} {
			var drawn []float64
			for i := 0; len(drawn) < draws; i++ {
				s := copied(blobs("a", 2, [3]int{7, 8, 9}, 1))
				s.planar = planar
				want := copied(blobs("a", 2, [3]int{7, 8, 9}, 1))
				coarsen := want.coarsen
				if name == V1 {
					coarsen = want.coarsenCubic
				}
				want.planar = planar
				want.lowResolution(stream(41, i, 1), func(x []float32, scale [3]float64) {
					drawn = append(drawn, scale[2])
					if scale[1] != scale[2] || planar && scale[0] != 1 || !planar && scale[0] != scale[2] {
						t.Fatalf("%s: scales %v, planar %v", name, scale, planar)
					}
					coarsen(x, scale)
				})
				p.transforms[at].apply(s, stream(41, i, 1))
				if !slices.Equal(s.image, want.image) {
					t.Fatalf("%s: draw %d did something else than was recorded", name, i)
				}
			}
			follows(t, "zoom", drawn, even(ranges["low resolution"][0], ranges["low resolution"][1]))
		}
	}
}

// A blur of the earlier generation is the same along all axes; of the current
// one each axis has its own.
func TestBlurAxes(t *testing.T) {
	for name, want := range map[Generation]bool{V1: true, V2: false} {
		for i := range 20 {
			s := empty(1, [3]int{9, 9, 9})
			clear(s.image)
			s.image[4*81+4*9+4] = 1
			if generations[name].transforms[1].apply(s, stream(51, i, 0)); s.image[4*81+4*9+3] == 0 {
				continue // not touched
			}
			z, y, x := s.image[3*81+4*9+4], s.image[4*81+3*9+4], s.image[4*81+4*9+3]
			if round := math.Abs(float64(z-y))+math.Abs(float64(x-y)) < 1e-6; round != want {
				t.Errorf("%s: an impulse spreads by %v, %v and %v", name, z, y, x)
			}
		}
	}
}

// Angles and scales of the spatial transform, read off three ramps that it
// rotates: the affine map itself.
func TestSpatialDistributions(t *testing.T) {
	for name, p := range generations {
		for _, test := range []struct {
			name  string
			shape [3]int // of the ramps
			g     Geometry
			axes  int // of rotation
		}{
			{"space", [3]int{21, 21, 21}, Geometry{Angle: math.Pi / 6}, 3},
			{"slices", [3]int{3, 25, 25}, Geometry{Angle: math.Pi, Planar: true}, 1},
		} {
			t.Run(string(name)+" in "+test.name, func(t *testing.T) {
				var angles [3][]float64
				var scales []float64
				w := ramps(test.shape)
				s := empty(3, [3]int{3, 3, 3})
				for i := range draws {
					p.spatial(s, w, test.g, 5, stream(31, i, 2))
					a := shown(s)
					scale := math.Hypot(a[2][2], math.Hypot(a[1][2], a[0][2]))
					scales = append(scales, scale)
					for k, v := range euler(a, scale, name, test.axes) {
						angles[k] = append(angles[k], v)
					}
				}
				cdf := even(0.7, 1.4)
				if name == V1 {
					cdf = halves(0.7, 1.4)
				}
				for k := range test.axes {
					for _, other := range [][]float64{scales, angles[(k+1)%test.axes]} {
						if r := correlation(angles[k], other); &other[0] != &angles[k][0] && math.Abs(r) > 4/math.Sqrt(draws) {
							t.Errorf("angle %d correlates with another parameter by %.3f", k, r)
						}
					}
				}
				follows(t, "scale", scales, cdf)
				for k := range test.axes {
					follows(t, "angle", angles[k], even(-test.g.Angle, test.g.Angle))
				}
			})
		}
	}
}

// ramps shows along each axis, in a channel of its own, the distance from the
// centre.
func ramps(shape [3]int) window {
	n, sx := shape[0]*shape[1]*shape[2], shape[2]
	c := &dataset.Case{Channels: 3, Shape: shape, Seg: make([]int16, n)}
	for d := range 3 {
		for i := range n {
			at := [3]int{i / (shape[1] * sx), i / sx % shape[1], i % sx}
			c.Data = append(c.Data, float32(at[d]-shape[d]/2))
		}
	}
	return window{c: c, size: shape}
}

// shown is the affine map that a sample of ramps was made by.
func shown(s *sample) (a [3][3]float64) {
	ny, nx := s.shape[1], s.shape[2]
	centre := (s.shape[0]/2*ny+ny/2)*nx + nx/2
	for d := range 3 {
		x := s.channel(d)
		for k, step := range [3]int{ny * nx, nx, 1} {
			a[d][k] = float64(x[centre+step]-x[centre-step]) / 2
		}
	}
	return a
}

// euler gives the angles whose rotations make up a: Rz·Ry·Rx, or (Rx·Ry·Rz)ᵀ in
// the earlier generation.
func euler(a [3][3]float64, scale float64, g Generation, axes int) []float64 {
	if axes == 1 {
		sign := 1.0
		if g == V1 {
			sign = -1
		}
		return []float64{sign * math.Atan2(a[2][1], a[1][1])}
	}
	if g == V1 { // Rx·Ry·Rz is [cy·cz, -cy·sz, sy; …, -sx·cy; …, cx·cy]
		return []float64{math.Atan2(-a[2][1], a[2][2]), math.Asin(a[2][0] / scale), math.Atan2(-a[1][0], a[0][0])}
	}
	return []float64{math.Atan2(a[2][1], a[2][2]), math.Asin(-a[2][0] / scale), math.Atan2(a[1][0], a[0][0])}
}
