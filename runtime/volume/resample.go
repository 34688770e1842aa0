package volume

import (
	"fmt"
	"math"
	"slices"
)

// Anisotropy is the ratio of the largest to the smallest spacing above which
// nnU-Net resamples the coarse axis on its own (ANISO_THRESHOLD).
const Anisotropy = 3

// ResampledShape is nnU-Net's compute_new_shape: round(current/target*shape)
// per axis, halves to even; but at least 1, where nnU-Net would fail on 0.
func ResampledShape(shape [3]int, current, target [3]float64) [3]int {
	var out [3]int
	for i := range 3 {
		out[i] = max(1, int(math.RoundToEven(current[i]/target[i]*float64(shape[i]))))
	}
	return out
}

// SeparateAxis says whether nnU-Net resamples one axis on its own, and which:
// the coarsest one of the current spacing if that is anisotropic, else of the
// target spacing. Where two axes are the coarsest there is no such axis, ok is
// false (determine_do_sep_z_and_axis).
func SeparateAxis(current, target [3]float64) (axis int, ok bool) {
	for _, s := range [2][3]float64{current, target} {
		most := slices.Max(s[:])
		if most/slices.Min(s[:]) <= Anisotropy {
			continue
		}
		found := 0
		for i, v := range s {
			if v == most {
				axis, found = i, found+1
			}
		}
		return axis, found == 1
	}
	return 0, false
}

// ResampleData resamples channels arrays (C, Z, Y, X) from one shape to another
// as nnU-Net's resample_data_or_seg_to_shape does images (order 3) and logits
// (order 1): skimage's resize with edges repeated, without smoothing, clipped to
// the channel's range. If SeparateAxis of the spacings (mm, z y x) names an axis,
// every slice across it is resized on its own, and then the axis with order
// orderZ. Orders are 0 (nearest), 1 (linear) and 3 (cubic B-spline). Equal shapes
// give data itself, otherwise the result is new.
func ResampleData(data []float32, channels int, from, to [3]int, current, target [3]float64, order, orderZ int) []float32 {
	if from == to {
		return data
	}
	n := from[0] * from[1] * from[2]
	out := make([]float32, 0, channels*to[0]*to[1]*to[2])
	axis, separate := SeparateAxis(current, target)
	for c := range channels {
		channel := data[c*n : (c+1)*n]
		if separate {
			out = append(out, resampleSlices(channel, from, to, axis, order, orderZ)...)
		} else {
			out = append(out, resize(channel, from, to, order)...)
		}
	}
	return out
}

// resampleSlices resizes each slice across the axis, then the axis itself.
func resampleSlices(data []float32, from, to [3]int, axis, order, orderZ int) []float32 {
	forth, back := toFront(axis)
	data, from = Transpose(data, 1, from, forth)
	to = [3]int{to[forth[0]], to[forth[1]], to[forth[2]]}
	plane := [3]int{from[0], to[1], to[2]}
	out := data
	if plane != from {
		out = separable(data, from, plane, order)
		a, b := from[1]*from[2], to[1]*to[2]
		for z := range from[0] {
			clip(out[z*b:(z+1)*b], data[z*a:(z+1)*a])
		}
	}
	if plane != to {
		out = separable(out, plane, to, orderZ)
	}
	out, _ = Transpose(out, 1, to, back)
	return out
}

// toFront gives the permutation that brings an axis to the front, and its inverse.
func toFront(axis int) (forth, back [3]int) {
	switch axis {
	case 1:
		return [3]int{1, 0, 2}, [3]int{1, 0, 2}
	case 2:
		return [3]int{2, 0, 1}, [3]int{1, 2, 0}
	}
	return [3]int{0, 1, 2}, [3]int{0, 1, 2}
}

// resize is skimage.transform.resize(mode="edge", anti_aliasing=False, clip=True).
func resize(data []float32, from, to [3]int, order int) []float32 {
	out := separable(data, from, to, order)
	clip(out, data)
	return out
}

// clip limits out to the range of data.
func clip(out, data []float32) {
	if len(data) == 0 {
		return
	}
	lo, hi := bounds(data)
	for i, v := range out {
		if v < lo {
			out[i] = lo
		} else if v > hi {
			out[i] = hi
		}
	}
}

// separable resizes one axis after the other, those that shrink most first. An
// axis of equal length stays as it is.
func separable(data []float32, from, to [3]int, order int) []float32 {
	axes := []int{2, 1, 0}
	slices.SortStableFunc(axes, func(a, b int) int { return to[a]*from[b] - to[b]*from[a] })
	shape := from
	for _, axis := range axes {
		if shape[axis] == to[axis] {
			continue
		}
		data = resizeAxis(data, shape, axis, to[axis], order)
		shape[axis] = to[axis]
	}
	return data
}

// taps are the weights of one output sample: input samples start, start+1, ...
type taps struct {
	start   int
	weights [4]float64
}

// coordinate is where output sample i lies among the input samples:
// (i+1/2)*in/out - 1/2 (scipy.ndimage.zoom, grid_mode).
func coordinate(i, in, out int) float64 {
	return (float64(i)+0.5)*(float64(in)/float64(out)) - 0.5
}

// nearest is the input sample of output sample i at order 0; halves go up.
func nearest(i, in, out int) int {
	x := min(max(coordinate(i, in, out), 0), float64(in-1))
	return min(int(math.Floor(x+0.5)), in-1)
}

// linear gives the two input samples around output sample i and the weight of
// the second one.
func linear(i, in, out int) (lo, hi int, w float64) {
	x := min(max(coordinate(i, in, out), 0), float64(in-1))
	lo = int(math.Floor(x))
	return lo, min(lo+1, in-1), x - float64(lo)
}

// plan gives the taps of all output samples, counted from two samples before the
// first one, for these are what a cubic needs beyond an end.
func plan(in, out, order int) ([]taps, int) {
	all := make([]taps, out)
	for i := range all {
		switch order {
		case 0:
			all[i] = taps{nearest(i, in, out) + margin, [4]float64{1}}
		case 1:
			lo, hi, w := linear(i, in, out)
			if lo == hi {
				w = 0
			}
			all[i] = taps{lo + margin, [4]float64{1 - w, w}}
		case 3:
			x := coordinate(i, in, out)
			lo := math.Floor(x)
			all[i] = taps{int(lo) - 1 + margin, cubic(x - lo)}
		default:
			panic(fmt.Sprintf("volume: interpolation order %d", order))
		}
	}
	return all, order + 1
}

// cubic gives the B-spline weights of the samples at -1, 0, 1 and 2 for a point
// at 0 <= t < 1.
func cubic(t float64) [4]float64 {
	u := 1 - t
	a, b, d := u*u*u/6, (4-6*t*t+3*t*t*t)/6, t*t*t/6
	return [4]float64{a, b, 1 - a - b - d, d}
}
