package volume

import "math"

// The normalisations of nnU-Net (nnunetv2.preprocessing.normalization), one
// channel each, in place. NoNormalization is to call none of them. Sums are in
// float64, where nnU-Net's float32 deviates by up to 3e-5 relative.

// smallest is what nnU-Net divides by at least.
const smallest = 1e-8

// ZScore subtracts the mean and divides by the standard deviation (ddof 0).
// With a mask, which may be nil, both are of the marked voxels, and the others
// stay untouched.
func ZScore(data []float32, mask []bool) {
	use := func(i int) bool { return mask == nil || mask[i] }
	var sum float64
	var n int
	for i, v := range data {
		if use(i) {
			sum += float64(v)
			n++
		}
	}
	if n == 0 {
		return
	}
	mean := sum / float64(n)
	var squares float64
	for i, v := range data {
		if use(i) {
			d := float64(v) - mean
			squares += d * d
		}
	}
	scale := 1 / math.Max(math.Sqrt(squares/float64(n)), smallest)
	for i, v := range data {
		if use(i) {
			data[i] = float32((float64(v) - mean) * scale)
		}
	}
}

// CT clips to [low, high], the data set's percentiles 0.5 and 99.5 of the
// foreground, and subtracts and divides by its mean and standard deviation.
func CT(data []float32, low, high, mean, std float64) {
	scale := 1 / math.Max(std, smallest)
	for i, v := range data {
		data[i] = float32((min(max(float64(v), low), high) - mean) * scale)
	}
}

// RescaleTo01 subtracts the minimum and divides by the maximum of the rest.
func RescaleTo01(data []float32) {
	if len(data) == 0 {
		return
	}
	lo, hi := bounds(data)
	scale := 1 / math.Max(float64(hi)-float64(lo), smallest)
	for i, v := range data {
		data[i] = float32((float64(v) - float64(lo)) * scale)
	}
}

// RGBTo01 divides by 255.
func RGBTo01(data []float32) {
	for i, v := range data {
		data[i] = v / 255
	}
}

// bounds gives minimum and maximum of at least one value.
func bounds(data []float32) (lo, hi float32) {
	lo, hi = data[0], data[0]
	for _, v := range data[1:] {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	return lo, hi
}
