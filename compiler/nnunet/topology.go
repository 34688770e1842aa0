package nnunet

import "math"

// minEdge is the shortest edge of a feature map that pooling may leave, in voxels.
const minEdge = 4

// topology says how a network pools: one stride and one kernel per stage, and
// what each axis of the patch must be a multiple of.
type topology struct {
	strides, kernels [][]int
	divisor          []int
	patch            []float64 // padded up to the divisor; whole numbers
}

// poolingOf is get_pool_and_conv_props of nnunetv2 2.8.1: pool the axes whose
// spacing is within a factor of two of the finest that can still be pooled,
// while at least 4 voxels remain. The patch may be fractional, as a median
// shape is. A kernel is 3 along an axis from the first stage at which the
// axis' spacing is within a factor of two of the finest; the bottleneck's is 3
// throughout.
func poolingOf(spacing, patch []float64) topology {
	dim := len(spacing)
	t := topology{strides: [][]int{filled(dim, 1)}, divisor: filled(dim, 1)}
	spacing, size := clone(spacing), clone(patch)
	kernel := filled(dim, 1)
	for {
		axes := poolable(spacing, size)
		if len(axes) == 0 || (len(axes) == 1 && size[axes[0]] < 3*minEdge) {
			break
		}
		finest := lowest(spacing)
		for d := range kernel {
			if spacing[d]/finest < 2 {
				kernel[d] = 3
			}
		}
		stride := filled(dim, 1)
		for _, d := range axes {
			stride[d] = 2
			t.divisor[d] *= 2
			spacing[d] *= 2
			size[d] = math.Ceil(size[d] / 2)
		}
		t.strides = append(t.strides, stride)
		t.kernels = append(t.kernels, append([]int(nil), kernel...))
	}
	t.kernels = append(t.kernels, filled(dim, 3))
	t.patch = make([]float64, dim)
	for d := range t.patch {
		multiple := float64(t.divisor[d])
		t.patch[d] = math.Ceil(patch[d]/multiple) * multiple
	}
	return t
}

func poolable(spacing, size []float64) []int {
	finest := math.Inf(1)
	for d := range size {
		if size[d] >= 2*minEdge {
			finest = min(finest, spacing[d])
		}
	}
	var axes []int
	for d := range size {
		if size[d] >= 2*minEdge && spacing[d]/finest < 2 {
			axes = append(axes, d)
		}
	}
	return axes
}

// stages is the number of resolutions.
func (t topology) stages() int { return len(t.strides) }

func filled(n, v int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func clone(list []float64) []float64 { return append([]float64(nil), list...) }

func lowest(list []float64) float64 {
	m := list[0]
	for _, v := range list[1:] {
		m = min(m, v)
	}
	return m
}

func highest(list []float64) float64 {
	m := list[0]
	for _, v := range list[1:] {
		m = max(m, v)
	}
	return m
}
