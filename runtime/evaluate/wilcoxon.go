package evaluate

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Zeros says what a signed-rank test does with differences of zero.
type Zeros string

// The two ways.
const (
	DropZeros Zeros = "wilcoxon" // left out before ranking (Wilcoxon 1945), as R and SciPy do unless told otherwise
	RankZeros Zeros = "pratt"    // ranked, and then left out (Pratt 1959)
)

// SignedRank is Wilcoxon's test that paired differences lie symmetrically
// around zero.
type SignedRank struct {
	Plus, Minus float64 // sums of the ranks of positive and of negative differences
	P           float64 // two-sided; 1 where nothing differs
	Exact       bool    // P is of the exact distribution, not of the normal approximation
}

// Effect is the matched-pairs rank-biserial correlation (Kerby 2014), from -1,
// where every difference is negative, to 1; 0 where nothing differs.
func (s SignedRank) Effect() float64 {
	if s.Plus+s.Minus == 0 {
		return 0
	}
	return (s.Plus - s.Minus) / (s.Plus + s.Minus)
}

// exactPairs is the greatest number of differences that are not zero for which
// all assignments of signs, 2 to that number, are counted. float64 holds such
// counts without rounding. Ties need no approximation: the distribution is that
// of the ranks at hand.
const exactPairs = 50

// Wilcoxon tests differences; none may be NaN. Up to fifty that are not zero
// the distribution is exact, also under ties. Above it is the normal
// approximation with correction for ties (and Pratt's zeros: Cureton 1967) and
// for continuity.
func Wilcoxon(differences []float64, zeros Zeros) SignedRank {
	d := differences
	if zeros == DropZeros {
		d = slices.DeleteFunc(slices.Clone(d), func(v float64) bool { return v == 0 })
	}
	size := make([]float64, len(d))
	for i, v := range d {
		size[i] = math.Abs(v)
	}
	var out SignedRank
	var ranks []float64 // of what is not zero
	for i, r := range Ranks(size) {
		switch {
		case d[i] > 0:
			out.Plus += r
		case d[i] < 0:
			out.Minus += r
		default:
			continue
		}
		ranks = append(ranks, r)
	}
	if len(ranks) <= exactPairs {
		out.P, out.Exact = exactP(ranks, out.Plus), true
	} else {
		out.P = normalP(ranks, len(d)-len(ranks), out.Plus)
	}
	return out
}

// exactP counts the sign assignments whose sum of positive ranks is as far out
// as plus, twice the smaller tail. Ranks are halves, so their doubles count.
func exactP(ranks []float64, plus float64) float64 {
	ways, total := []float64{1}, 1.0 // ways[w]: assignments with doubled sum w
	for _, r := range ranks {
		step := int(math.Round(2 * r))
		next := make([]float64, len(ways)+step)
		for w, n := range ways {
			next[w] += n
			next[w+step] += n
		}
		ways, total = next, 2*total
	}
	at := int(math.Round(2 * plus))
	below, above := 0.0, 0.0
	for w, n := range ways {
		if w <= at {
			below += n
		}
		if w >= at {
			above += n
		}
	}
	return min(1, 2*min(below, above)/total)
}

// normalP takes the sum of positive ranks as normal, with mean and variance
// under the given ranks.
func normalP(ranks []float64, zeros int, plus float64) float64 {
	n, z := float64(len(ranks)+zeros), float64(zeros)
	mean := (n*(n+1) - z*(z+1)) / 4
	variance := n*(n+1)*(2*n+1) - z*(z+1)*(2*z+1)
	for _, t := range ties(ranks) {
		variance -= (t*t*t - t) / 2
	}
	distance := max(0, math.Abs(plus-mean)-0.5) // a sum of ranks moves in steps
	return 2 * distuv.UnitNormal.Survival(distance/math.Sqrt(variance/24))
}

// Ranks numbers values from the smallest, 1; equal ones share their mean rank.
func Ranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(values))
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && values[order[to]] == values[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			out[i] = float64(from+1+to) / 2
		}
		from = to
	}
	return out
}

// ties gives the size of every group of equal values.
func ties(values []float64) []float64 {
	sorted := slices.Sorted(slices.Values(values))
	var out []float64
	for i, v := range sorted {
		if i == 0 || v != sorted[i-1] {
			out = append(out, 0)
		}
		out[len(out)-1]++
	}
	return out
}
