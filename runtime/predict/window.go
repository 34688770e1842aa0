package predict

import (
	"math"
)

// Steps gives the starts of the windows along one axis: as few as keep
// neighbours at most step × patch apart, spread evenly, halves rounded to even
// (nnU-Net's compute_steps_for_sliding_window). The image is at least as long
// as the patch. A patch of length 1 is the sliced axis of a 2-D network: every
// slice is predicted once.
func Steps(image, patch int, step float64) []int {
	room := image - patch
	n := int(math.Ceil(float64(room)/(float64(patch)*step))) + 1
	if patch == 1 {
		n = image
	}
	out := make([]int, n)
	for i := 1; i < n; i++ {
		out[i] = int(math.RoundToEven(float64(room) / float64(n-1) * float64(i)))
	}
	return out
}

// windows gives the first voxel of every window, z outermost.
func windows(image, patch [3]int, step float64) [][3]int {
	var out [][3]int
	for _, z := range Steps(image[0], patch[0], step) {
		for _, y := range Steps(image[1], patch[1], step) {
			for _, x := range Steps(image[2], patch[2], step) {
				out = append(out, [3]int{z, y, x})
			}
		}
	}
	return out
}

// flip says along which axes (z, y, x) a window is mirrored.
type flip = [3]bool

// flips gives the identity and all combinations of the axes, fewer axes first,
// in nnU-Net's order of summation.
func flips(axes []int) []flip {
	out := []flip{{}}
	for size := 1; size <= len(axes); size++ {
		out = combine(out, flip{}, axes, size)
	}
	return out
}

func combine(out []flip, f flip, axes []int, size int) []flip {
	if size == 0 {
		return append(out, f)
	}
	for i, axis := range axes {
		g := f
		g[axis] = true
		out = combine(out, g, axes[i+1:], size-1)
	}
	return out
}

// Gaussian is the importance map of a patch (Z, Y, X), with maximum 1: a unit
// impulse at patch/2 under scipy's gaussian_filter with sigma = patch/8 per
// axis, cut at 4 sigma, zeros outside (nnU-Net's compute_gaussian). The filter
// is separable, so the map is a product of three profiles.
func Gaussian(patch [3]int) []float64 {
	var profile [3][]float64
	for i, n := range patch {
		profile[i] = impulse(n)
	}
	out := make([]float64, 0, patch[0]*patch[1]*patch[2])
	for _, z := range profile[0] {
		for _, y := range profile[1] {
			for _, x := range profile[2] {
				out = append(out, z*y*x)
			}
		}
	}
	return out
}

// impulse is the filtered impulse along one axis, divided by its maximum, which
// also cancels the filter's normalisation.
func impulse(n int) []float64 {
	sigma := float64(n) / 8
	radius := int(4*sigma + 0.5)
	out := make([]float64, n)
	for i := range out {
		if d := i - n/2; max(d, -d) <= radius {
			out[i] = math.Exp(-0.5 * float64(d*d) / (sigma * sigma))
		}
	}
	return out
}

// importance is the map by which windows are blended: scaled to a maximum of
// 10, with what is zero raised to the smallest value left. nnU-Net rounds it to
// half precision, whose subnormals err by up to a half where only corners of
// windows cover a voxel; here it stays exact.
func importance(patch [3]int) []float32 {
	gaussian := Gaussian(patch)
	out := make([]float32, len(gaussian))
	least := float32(math.Inf(1))
	for i, v := range gaussian {
		out[i] = float32(10 * v)
		if out[i] > 0 {
			least = min(least, out[i])
		}
	}
	for i, v := range out {
		if v == 0 {
			out[i] = least
		}
	}
	return out
}

// ones is the map without importance: every voxel of a window counts alike.
func ones(patch [3]int) []float32 {
	out := make([]float32, patch[0]*patch[1]*patch[2])
	for i := range out {
		out[i] = 1
	}
	return out
}
