package simulate

import "slices"

// Metric measures a set of points by the hypervolume that they dominate, after
// (v-low)/(high-low) of each of two objectives, up to the reference.
type Metric struct{ Low, High, Reference []float64 }

// Hypervolume is the area dominated by points; those at or beyond the reference
// count for nothing.
func (m Metric) Hypervolume(points [][]float64) float64 {
	var inside [][2]float64
	for _, p := range points {
		x := (p[0] - m.Low[0]) / (m.High[0] - m.Low[0])
		y := (p[1] - m.Low[1]) / (m.High[1] - m.Low[1])
		if x < m.Reference[0] && y < m.Reference[1] {
			inside = append(inside, [2]float64{x, y})
		}
	}
	slices.SortFunc(inside, func(a, b [2]float64) int {
		return slices.Compare(a[:], b[:])
	})
	area, ceiling := 0.0, m.Reference[1]
	for _, p := range inside {
		if p[1] < ceiling {
			area += (m.Reference[0] - p[0]) * (ceiling - p[1])
			ceiling = p[1]
		}
	}
	return area
}
