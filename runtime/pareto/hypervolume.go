package pareto

import (
	"cmp"
	"math"
	"slices"
)

// Hypervolume is the volume of what points dominate up to the reference point.
// Points that aren't better than the reference in every objective, and
// failures, add nothing. It is exact for any number of objectives: by a sweep
// for two, else by exclusive contributions (WFG; While, Bradstreet and Barone
// 2012).
func Hypervolume(points [][]float64, reference []float64) float64 {
	var inside [][]float64
	for _, p := range points {
		if within(p, reference) {
			inside = append(inside, p)
		}
	}
	return volume(inside, reference)
}

func within(p, reference []float64) bool {
	for k := range p {
		if !(p[k] < reference[k]) {
			return false
		}
	}
	return true
}

func volume(points [][]float64, reference []float64) float64 {
	points = front(points)
	if len(reference) <= 2 {
		return area(points, reference)
	}
	total := 0.0
	for i, p := range points {
		limited := make([][]float64, 0, len(points)-i-1)
		for _, q := range points[i+1:] {
			limited = append(limited, worst(p, q))
		}
		total += box(p, reference) - volume(limited, reference)
	}
	return total
}

// area is the volume of a front in up to two objectives, sorted by the first.
func area(points [][]float64, reference []float64) float64 {
	if len(points) == 0 {
		return 0
	}
	if len(reference) == 1 {
		return reference[0] - points[0][0]
	}
	total, top := 0.0, reference[1]
	for _, p := range points {
		total += (reference[0] - p[0]) * (top - p[1])
		top = p[1]
	}
	return total
}

// front is the first front without repeated points, in lexicographic order.
func front(points [][]float64) [][]float64 {
	var out [][]float64
	for _, i := range First(points) {
		out = append(out, points[i])
	}
	slices.SortFunc(out, func(a, b []float64) int { return slices.Compare(a, b) })
	return slices.CompactFunc(out, func(a, b []float64) bool { return slices.Equal(a, b) })
}

func worst(p, q []float64) []float64 {
	out := make([]float64, len(p))
	for k := range p {
		out[k] = max(p[k], q[k])
	}
	return out
}

func box(p, reference []float64) float64 {
	v := 1.0
	for k := range p {
		v *= reference[k] - p[k]
	}
	return v
}

// reach is the reference point of Incumbent in every normalised objective.
const reach = 1.1

// Incumbent is the index of the point of the first front that alone dominates
// most (Auto-nnU-Net's optimiser): the objectives are normalised by the least
// and greatest of all points, and the reference is 1.1. Ties go to the first.
// An objective whose bounds are equal or not finite stays as it is. It is -1
// where every point has failed.
func Incumbent(points [][]float64) int {
	front := First(points)
	if len(front) == 0 {
		return -1
	}
	low, high := bounds(points)
	areas := make([]float64, len(front))
	for n, i := range front {
		areas[n] = 1
		for k, y := range points[i] {
			if extent := high[k] - low[k]; extent > 0 && !math.IsInf(extent, 0) {
				y = (y - low[k]) / extent
			}
			areas[n] *= math.Abs(reach - y)
		}
	}
	best := 0
	for n := range areas {
		if cmp.Compare(areas[n], areas[best]) > 0 {
			best = n
		}
	}
	return front[best]
}

// bounds are the least and greatest of every objective over what has not failed.
func bounds(points [][]float64) (low, high []float64) {
	for _, p := range points {
		switch {
		case Failed(p):
		case low == nil:
			low, high = slices.Clone(p), slices.Clone(p)
		default:
			for k, y := range p {
				low[k], high[k] = min(low[k], y), max(high[k], y)
			}
		}
	}
	return low, high
}
