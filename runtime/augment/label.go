package augment

import "math"

// vote chooses the label with the largest interpolated indicator among eight
// neighbours. As batchgeneratorsv2 0.3.6 does, indicators are scaled by 1000 and
// compared in half precision, and a tie goes to the nearest neighbour's label.
func vote(label *[8]int16, weight *[8]float32, nearest int) int16 {
	var names [8]int16
	var sums [8]float32
	n := 0
next:
	for k, l := range label {
		for i := range n {
			if names[i] == l {
				sums[i] += weight[k] * 1000
				continue next
			}
		}
		names[n], sums[n] = l, weight[k]*1000
		n++
	}
	best, tie := 0, false
	for i := range n {
		sums[i] = half(sums[i])
		switch {
		case i == 0:
		case sums[i] > sums[best]:
			best, tie = i, false
		case sums[i] == sums[best]:
			tie = true
		}
	}
	if tie {
		return label[nearest]
	}
	return names[best]
}

// half rounds a value in [0, 2048) to half precision, halves to even. Values so
// small that half precision would be subnormal are rounded too finely, which no
// comparison of sums near 1000 can notice.
func half(v float32) float32 {
	const drop = 13 // mantissa bits that half precision lacks
	b := math.Float32bits(v)
	b += 1<<(drop-1) - 1 + b>>drop&1
	return math.Float32frombits(b &^ (1<<drop - 1))
}
