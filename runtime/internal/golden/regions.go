package golden

import "testing"

// Regions reads the recordings of the losses over regions: logits, and label maps
// from which the regions give the recorded targets, without and with the ignore
// label 8. A label's bits are the regions that it is in.
func Regions(t testing.TB) (logits Array, labels, masked []int16, regions [][]int16) {
	t.Helper()
	logits = NPY(t, "losses/region_logits.npy")
	labels = bits(NPY(t, "losses/region_target.npy"), 3)
	masked = bits(NPY(t, "losses/region_target_with_ignore.npy"), 3)
	for r := range 3 {
		var values []int16
		for v := range int16(8) {
			if v>>r&1 == 1 {
				values = append(values, v)
			}
		}
		regions = append(regions, values)
	}
	return logits, labels, masked, regions
}

// bits turns channels of 0 and 1 (N, C, D, H, W) into label maps (N, D, H, W); a
// channel behind the regions is the ignore label's.
func bits(a Array, regions int) []int16 {
	n, c := a.Shape[0], a.Shape[1]
	voxels := len(a.Data) / n / c
	out := make([]int16, n*voxels)
	for i, v := range a.Data {
		sample, channel, at := i/(c*voxels), i/voxels%c, i%voxels
		switch {
		case v == 0:
		case channel == regions:
			out[sample*voxels+at] = 8
		case out[sample*voxels+at] != 8:
			out[sample*voxels+at] |= 1 << channel
		}
	}
	return out
}
