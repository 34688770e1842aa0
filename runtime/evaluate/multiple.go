package evaluate

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Holm adjusts the P of several tests so that the chance of any false finding
// among them is bounded (Holm 1979). NaN stands for a test that was not made.
func Holm(p []float64) []float64 {
	out := slices.Clone(p)
	var order []int
	for i, v := range p {
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if p[a] < p[b] {
			return -1
		}
		if p[a] > p[b] {
			return 1
		}
		return 0
	})
	highest := 0.0
	for k, i := range order {
		highest = max(highest, min(1, float64(len(order)-k)*p[i]))
		out[i] = highest
	}
	return out
}

// Friedman tests whether k approaches rank alike over n data sets, by their
// scores, one row a data set: chi-squared with k-1 degrees of freedom,
// corrected for ties. NaN below three approaches or two data sets.
func Friedman(scores [][]float64) (statistic, p float64) {
	n := float64(len(scores))
	if n < 2 || len(scores[0]) < 3 {
		return math.NaN(), math.NaN()
	}
	k := float64(len(scores[0]))
	sums, correction := make([]float64, len(scores[0])), 0.0
	for _, row := range scores {
		for i, r := range Ranks(row) {
			sums[i] += r
		}
		for _, t := range ties(row) {
			correction += t*t*t - t
		}
	}
	squares := 0.0
	for _, s := range sums {
		squares += s * s
	}
	c := 1 - correction/(n*k*(k*k-1))
	if c == 0 { // all equal everywhere
		return 0, 1
	}
	statistic = (12/(n*k*(k+1))*squares - 3*n*(k+1)) / c
	return statistic, distuv.ChiSquared{K: k - 1}.Survival(statistic)
}
