package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// FewestPairs is the smallest number of pairs of which an interval and a P are
// given: with five, even the most extreme signs have a two-sided P of 1/16.
const FewestPairs = 6

// Comparison is what paired differences say of two approaches.
type Comparison struct {
	Pairs              int
	Wins, Ties, Losses int     // differences above, equal to and below zero
	Mean               float64 // NaN for no pairs
	Low, High          float64 // 95 % interval of the mean; NaN below FewestPairs
	Effect             float64 // SignedRank.Effect
	P                  float64 // Wilcoxon's, zeros left out; NaN below FewestPairs
}

// level is that of a Comparison's interval.
const level = 0.95

// ComparePairs compares by the differences of paired scores, none NaN. The same
// differences give the same interval: its random numbers have a fixed seed.
func ComparePairs(differences []float64) Comparison {
	c := Comparison{Pairs: len(differences), Mean: mean(differences), Low: math.NaN(), High: math.NaN(), Effect: math.NaN(), P: math.NaN()}
	for _, d := range differences {
		switch {
		case d > 0:
			c.Wins++
		case d < 0:
			c.Losses++
		default:
			c.Ties++
		}
	}
	if c.Pairs == 0 {
		return c
	}
	test := Wilcoxon(differences, DropZeros)
	c.Effect = test.Effect()
	if c.Pairs < FewestPairs {
		return c
	}
	c.P = test.P
	c.Low, c.High = interval(differences, resampled(differences))
	return c
}

// resamples is how many bootstrap samples an interval is of. At ten thousand
// its ends move by about a hundredth of its width from seed to seed.
const resamples = 10_000

// resampled gives the means of bootstrap samples, ascending.
func resampled(values []float64) []float64 {
	random := rand.New(rand.NewPCG(0x72756e73, 0x70656361))
	out := make([]float64, resamples)
	for b := range out {
		sum := 0.0
		for range values {
			sum += values[random.IntN(len(values))]
		}
		out[b] = sum / float64(len(values))
	}
	slices.Sort(out)
	return out
}

// interval is the bias-corrected and accelerated (BCa) interval of the mean:
// Efron and Tibshirani, An Introduction to the Bootstrap, 1993, equations 14.9
// to 14.15. means are those of bootstrap samples, ascending.
func interval(values, means []float64) (low, high float64) {
	if slices.Min(values) == slices.Max(values) {
		return values[0], values[0]
	}
	theta := mean(values)
	rounding := 1e-12 * (slices.Max(values) - slices.Min(values)) // the same values summed in another order
	below := 0.0
	for _, m := range means {
		if math.Abs(m-theta) <= rounding {
			below += 0.5
		} else if m < theta {
			below++
		}
	}
	z0 := distuv.UnitNormal.Quantile(below / float64(len(means)))
	a := acceleration(values, theta)
	at := func(z float64) float64 {
		if math.IsInf(z0, 0) { // no sample on one side of the mean: plain percentiles
			return distuv.UnitNormal.CDF(z)
		}
		return distuv.UnitNormal.CDF(z0 + (z0+z)/(1-a*(z0+z)))
	}
	z := distuv.UnitNormal.Quantile((1 - level) / 2)
	return quantile(means, at(z)), quantile(means, at(-z))
}

// acceleration is a of BCa by the jackknife; for a mean, leaving a value out
// moves the mean by its distance from it over n-1.
func acceleration(values []float64, theta float64) float64 {
	cubes, squares := 0.0, 0.0
	for _, v := range values {
		u := v - theta
		cubes += u * u * u
		squares += u * u
	}
	return cubes / (6 * math.Pow(squares, 1.5))
}

// quantile interpolates linearly between order statistics, at p (n-1) from the
// first, as NumPy does.
func quantile(ascending []float64, p float64) float64 {
	if len(ascending) == 1 {
		return ascending[0]
	}
	at := p * float64(len(ascending)-1)
	i := min(int(at), len(ascending)-2)
	return ascending[i] + (at-float64(i))*(ascending[i+1]-ascending[i])
}

// Spread is how scores lie, over cases.
type Spread struct {
	N            int
	Median       float64 // NaN for none, as the others
	Lower, Upper float64 // quartiles, interpolated linearly
	Least        float64
}

// SpreadOf describes scores, none NaN.
func SpreadOf(scores []float64) Spread {
	s := slices.Sorted(slices.Values(scores))
	if len(s) == 0 {
		return Spread{Median: math.NaN(), Lower: math.NaN(), Upper: math.NaN(), Least: math.NaN()}
	}
	return Spread{N: len(s), Median: quantile(s, 0.5), Lower: quantile(s, 0.25), Upper: quantile(s, 0.75), Least: s[0]}
}
