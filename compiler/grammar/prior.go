package grammar

import "math"

// Confidence is how far a prior is trusted.
type Confidence string

// The words for confidence.
const (
	Low    Confidence = "low"
	Medium Confidence = "medium"
	High   Confidence = "high"
)

// Spread is the standard deviation of a prior over an ordered range, as a
// share of the range (Auto-nnU-Net's optimiser, NePS); 0 for no confidence.
func (c Confidence) Spread() float64 {
	return map[Confidence]float64{Low: 0.5, Medium: 0.25, High: 0.125}[c]
}

// Weight is the weight of the default choice against 1 of each other one
// (Auto-nnU-Net's optimiser, NePS); 0 for no confidence.
func (c Confidence) Weight() float64 {
	return map[Confidence]float64{Low: 2, Medium: 4, High: 6}[c]
}

// uniform are n equal probabilities.
func uniform(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1 / float64(n)
	}
	return out
}

// categorical are n probabilities with a confidence's weight on the default.
func categorical(n, def int, c Confidence) []float64 {
	w := c.Weight()
	out := make([]float64, n)
	for i := range out {
		out[i] = 1 / (w + float64(n-1))
	}
	out[def] *= w
	return out
}

// ordered are n probabilities that fall off on both sides of the default: those
// of a normal truncated to the range, in a bucket of width 1 around each place.
// The authors sum the density numerically, which differs in the fifth digit.
func ordered(n, def int, c Confidence) []float64 {
	std := c.Spread() * float64(n-1)
	if std == 0 {
		return uniform(n)
	}
	below := func(x float64) float64 { return math.Erfc((float64(def)-x)/(std*math.Sqrt2)) / 2 }
	out := make([]float64, n)
	whole := below(float64(n)-0.5) - below(-0.5)
	for i := range out {
		out[i] = (below(float64(i)+0.5) - below(float64(i)-0.5)) / whole
	}
	return out
}
