package search

import (
	"cmp"
	"math"
	"slices"
)

// guess is a normal belief about one objective.
type guess struct{ mean, deviation float64 }

// shortfall is E[max(0, c - y)] of the belief: the expected improvement on c.
func (g guess) shortfall(c float64) float64 {
	if math.IsInf(c, -1) {
		return 0
	}
	t := (c - g.mean) / g.deviation
	return (c-g.mean)*math.Erfc(-t/math.Sqrt2)/2 + g.deviation*math.Exp(-t*t/2)/math.Sqrt(2*math.Pi)
}

// staircase is a front of two objectives up to a reference point: rising first
// objectives, falling second ones.
type staircase struct {
	points    [][2]float64
	reference [2]float64
}

// newStaircase keeps the points inside the reference that no other dominates.
func newStaircase(points [][2]float64, reference [2]float64) staircase {
	s := staircase{reference: reference}
	sorted := slices.SortedFunc(slices.Values(points), func(a, b [2]float64) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	ceiling := reference[1]
	for _, p := range sorted {
		if p[0] < reference[0] && p[1] < ceiling {
			s.points, ceiling = append(s.points, p), p[1]
		}
	}
	return s
}

// improvement is the expected hypervolume improvement of independent beliefs
// about the two objectives (Emmerich, Giannakoglou and Naujoks 2006): a sum over
// the strips between neighbours of the front of expected width times expected
// height.
func (s staircase) improvement(a, b guess) float64 {
	total, ceiling, before := 0.0, s.reference[1], 0.0
	for i := 0; i <= len(s.points); i++ {
		right := s.reference[0]
		if i < len(s.points) {
			right = s.points[i][0]
		}
		upTo := a.shortfall(right)
		total += (upTo - before) * b.shortfall(ceiling)
		before = upTo
		if i < len(s.points) {
			ceiling = s.points[i][1]
		}
	}
	return total
}
