package augment

import (
	"math"
	"math/rand/v2"
)

// noise adds white Gaussian noise. What nnU-Net calls its variance, drawn from
// [0, 0.1), is used as the standard deviation there, and so here.
func noise(s *sample, r *rand.Rand) {
	sigma := float32(uniform(r, 0, 0.1))
	if s.recipe != nil {
		s.recipe.noise(r, sigma, s.channels*s.shape[0]*s.shape[1]*s.shape[2])
		return
	}
	for i := range s.image {
		s.image[i] += sigma * float32(r.NormFloat64())
	}
}

// brightness multiplies every channel by a factor of its own.
func brightness(s *sample, r *rand.Rand) {
	for c := range s.channels {
		f := float32(around(r, 0.75, 1.25))
		s.shade(c, func(h *Shade) { h.Brightness = f }, func(x []float32) { multiply(x, f) })
	}
}

func multiply(x []float32, f float32) {
	for i := range x {
		x[i] *= f
	}
}

// contrast stretches every channel about its mean by a factor of its own.
func contrast(s *sample, r *rand.Rand) {
	for c := range s.channels {
		f := float32(around(r, 0.75, 1.25))
		s.shade(c, func(h *Shade) { h.Contrast = f }, func(x []float32) { stretch(x, f) })
	}
}

// stretch scales the distance to the mean, and clips to the old range.
func stretch(x []float32, f float32) {
	m := statistics(x)
	widen(x, f, float32(m.mean), m.min, m.max)
}

// widen scales the distance to the mean, and clips to [lo, hi].
func widen(x []float32, f, mean, lo, hi float32) {
	for i, v := range x {
		x[i] = min(max((v-mean)*f+mean, lo), hi)
	}
}

// gamma bends every channel by a power of its own.
func gamma(s *sample, r *rand.Rand) {
	for c := range s.channels {
		g := around(r, 0.7, 1.5)
		s.shade(c, func(h *Shade) { h.Gamma = g }, func(x []float32) { bend(x, g) })
	}
}

// gammaInverted bends the negated channels, which acts on their bright end.
func gammaInverted(s *sample, r *rand.Rand) {
	for c := range s.channels {
		g := around(r, 0.7, 1.5)
		s.shade(c, func(h *Shade) { h.Inverted = g }, func(x []float32) {
			multiply(x, -1)
			bend(x, g)
			multiply(x, -1)
		})
	}
}

// tiny keeps divisions by a range or deviation of zero harmless.
const tiny = 1e-7

// bend raises to the power g, then restores mean and standard deviation.
func bend(x []float32, g float64) {
	before := statistics(x)
	curve(x, g, before)
	after := statistics(x)
	scale := float32(before.deviation / max(after.deviation, tiny))
	shift := float32(before.mean - after.mean*float64(scale))
	for i, v := range x {
		x[i] = v*scale + shift
	}
}

// curve maps the values' range to [0, 1], raises to the power g, and maps back.
func curve(x []float32, g float64, before moments) {
	low, width := before.min, before.max-before.min
	inverse := 1 / max(width, tiny)
	last, bent := low, low
	for i, v := range x {
		if v != last { // runs of equal voxels are common outside the case
			last, bent = v, power((v-low)*inverse, g)*width+low
		}
		x[i] = bent
	}
}

// moments of a channel; the deviation is the unbiased one, as torch's.
type moments struct {
	mean, deviation float64
	min, max        float32
}

// statistics of a channel: sums are taken about the first value, so that an
// offset far from zero costs no digits.
func statistics(x []float32) moments {
	origin := x[0]
	m := moments{min: origin, max: origin}
	var sum, squares float64
	for _, v := range x {
		m.min, m.max = min(m.min, v), max(m.max, v)
		d := float64(v - origin)
		sum += d
		squares += d * d
	}
	n := float64(len(x))
	m.mean = float64(origin) + sum/n
	m.deviation = math.Sqrt(max(squares-sum*sum/n, 0) / max(n-1, 1))
	return m
}

// power is x to the g for x in [0, 1] and g > 0, to about 1e-7: math.Pow is
// exact to the last bit, and takes five times as long.
func power(x float32, g float64) float32 {
	if x <= 0 {
		return 0
	}
	b := math.Float64bits(float64(x))
	exponent := int(b>>52) - 1023
	m := math.Float64frombits(b&(1<<52-1) | 1023<<52) // [1, 2)
	if m > math.Sqrt2 {
		m /= 2
		exponent++
	}
	// ln m = 2 artanh(t), t = (m-1)/(m+1), |t| < 0.172
	t := (m - 1) / (m + 1)
	t2 := t * t
	ln := 2 * t * (1 + t2*(1.0/3+t2*(1.0/5+t2*(1.0/7+t2*(1.0/9)))))
	e := g * (float64(exponent) + ln*math.Log2E)
	if e < -126 {
		return 0
	}
	whole := math.Floor(e + 0.5)
	u := (e - whole) * math.Ln2 // |u| < 0.347
	v := 1 + u*(1+u*(1.0/2+u*(1.0/6+u*(1.0/24+u*(1.0/120+u*(1.0/720))))))
	return float32(v * math.Float64frombits(uint64(int(whole)+1023)<<52))
}
