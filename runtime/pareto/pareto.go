// Package pareto compares points with several objectives, all minimised:
// dominance, fronts, crowding, hypervolume. A point is a slice of its
// objectives; all points of a call have equally many. Everything is a pure
// function of its arguments.
//
// A point with a NaN is a failure: it is in no front and comes after every
// other. +Inf is an ordinary worst value, -Inf a best one.
package pareto

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// Dominates says whether a is nowhere worse than b and somewhere better. A
// point with a NaN neither dominates nor is dominated.
func Dominates(a, b []float64) bool {
	better := false
	for k := range a {
		if !(a[k] <= b[k]) {
			return false
		}
		better = better || a[k] < b[k]
	}
	return better
}

// Failed says whether a point has a NaN.
func Failed(p []float64) bool { return slices.ContainsFunc(p, math.IsNaN) }

// Fronts sorts points without dominance (Deb et al. 2002): the first front holds
// the indices of those that no point dominates, the next those that only points
// of fronts before dominate. Indices rise within a front. Failures are apart, in
// order.
func Fronts(points [][]float64) (fronts [][]int, failures []int) {
	whole, failures := sorted(points)
	if len(whole) == 0 {
		return nil, failures
	}
	if len(points[whole[0]]) <= 2 {
		fronts = sweep(points, whole)
	} else {
		fronts = peel(points, whole)
	}
	for _, f := range fronts {
		slices.Sort(f)
	}
	return fronts, failures
}

// First is the first of the fronts.
func First(points [][]float64) []int {
	whole, _ := sorted(points)
	if len(whole) == 0 {
		return nil
	}
	if len(points[whole[0]]) > 2 {
		return slices.Sorted(slices.Values(peel(points, whole)[0]))
	}
	first := whole[:1] // grows within whole, behind what is read
	for _, i := range whole[1:] {
		if !Dominates(points[first[len(first)-1]], points[i]) {
			first = append(first, i)
		}
	}
	slices.Sort(first)
	return first
}

// sorted gives the indices of the points in lexicographic order, and apart from
// them those of failures.
func sorted(points [][]float64) (whole, failures []int) {
	whole = make([]int, 0, len(points))
	for i, p := range points {
		if Failed(p) {
			failures = append(failures, i)
		} else {
			whole = append(whole, i)
		}
	}
	slices.SortFunc(whole, func(a, b int) int {
		p, q := points[a], points[b]
		for k := range p {
			if p[k] != q[k] {
				if p[k] < q[k] {
					return -1
				}
				return 1
			}
		}
		return a - b
	})
	return whole, failures
}

// sweep is for up to two objectives. In lexicographic order the latest point of
// a front is its least in the second objective, so if any point of the front
// dominates the next one, the latest does; and each front's latest is dominated
// through the front before. Hence the search by halves.
func sweep(points [][]float64, sorted []int) [][]int {
	var fronts [][]int
	for _, i := range sorted {
		k := sort.Search(len(fronts), func(k int) bool {
			return !Dominates(points[fronts[k][len(fronts[k])-1]], points[i])
		})
		fronts = place(fronts, k, i)
	}
	return fronts
}

// peel is for any number of objectives: in lexicographic order a point is
// dominated only by those before it.
func peel(points [][]float64, sorted []int) [][]int {
	var fronts [][]int
	for _, i := range sorted {
		k := slices.IndexFunc(fronts, func(front []int) bool {
			return !slices.ContainsFunc(front, func(j int) bool { return Dominates(points[j], points[i]) })
		})
		if k < 0 {
			k = len(fronts)
		}
		fronts = place(fronts, k, i)
	}
	return fronts
}

func place(fronts [][]int, k, i int) [][]int {
	if k == len(fronts) {
		fronts = append(fronts, nil)
	}
	fronts[k] = append(fronts[k], i)
	return fronts
}

// Crowding is the crowding distance of each member of a front (Deb et al. 2002):
// over all objectives, the gap between its neighbours by the front's range.
// Those at an end of an objective have +Inf. An objective whose range is zero or
// not finite adds nothing. Equal values stand in the order of their indices.
func Crowding(points [][]float64, front []int) []float64 {
	distance := make([]float64, len(front))
	if len(front) == 0 {
		return distance
	}
	order := make([]int, len(front))
	for k := range points[front[0]] {
		ends := arrange(points, front, order, k)
		low, high := points[front[ends[0]]][k], points[front[ends[len(ends)-1]]][k]
		distance[ends[0]], distance[ends[len(ends)-1]] = math.Inf(1), math.Inf(1)
		if extent := high - low; extent > 0 && !math.IsInf(extent, 0) {
			for i := 1; i < len(order)-1; i++ {
				distance[order[i]] += (points[front[order[i+1]]][k] - points[front[order[i-1]]][k]) / extent
			}
		}
	}
	return distance
}

// arrange sorts the places of a front by objective k into order.
func arrange(points [][]float64, front, order []int, k int) []int {
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(points[front[a]][k], points[front[b]][k]), cmp.Compare(front[a], front[b]))
	})
	return order
}

// Order ranks points as NSGA-II does, best first: by front, in a front the least
// crowded first, ties by the first objective, then by index; failures last.
func Order(points [][]float64) []int { return order(points, Crowding) }

// OrderAuthors ranks points as Auto-nnU-Net's optimiser does. Its crowding takes
// a point's next neighbour for both neighbours, so that only the ends of a front
// differ from the rest of it, which go by the first objective.
func OrderAuthors(points [][]float64) []int {
	return order(points, func(points [][]float64, front []int) []float64 {
		distance := Crowding(points, front)
		for i, d := range distance {
			if !math.IsInf(d, 1) {
				distance[i] = 0
			}
		}
		return distance
	})
}

func order(points [][]float64, crowding func([][]float64, []int) []float64) []int {
	fronts, failures := Fronts(points)
	var out []int
	for _, front := range fronts {
		distance, places := crowding(points, front), make([]int, len(front))
		for i := range places {
			places[i] = i
		}
		slices.SortFunc(places, func(a, b int) int {
			return cmp.Or(cmp.Compare(distance[b], distance[a]), cmp.Compare(points[front[a]][0], points[front[b]][0]), cmp.Compare(a, b))
		})
		for _, i := range places {
			out = append(out, front[i])
		}
	}
	return append(out, failures...)
}
