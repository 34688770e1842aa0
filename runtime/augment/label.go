package augment

import "math"

// vote chooses the label with the largest interpolated indicator among eight
// neighbours. As batchgeneratorsv2 0.3.6 does, indicators are scaled by 1000 and
// compared in half precision, and a tie goes to the nearest neighbour's label.
func vote(label *[8]int16, weight *[8]float32, nearest int) int16 {
	scaled := *weight
	for k := range scaled {
		scaled[k] *= 1000
	}
	names, sums, n := tally(label, &scaled)
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

// elect is batchgenerators' vote: indicators are compared as they are, and a tie
// goes to the nearest neighbour's label if it is among the tied ones, otherwise
// to the lowest of them.
func elect(label *[8]int16, weight *[8]float64, nearest int) int16 {
	names, sums, n := tally(label, weight)
	best := 0
	for i := range n {
		if sums[i] > sums[best] || sums[i] == sums[best] && names[i] < names[best] {
			best = i
		}
	}
	for i := range n {
		if names[i] == label[nearest] && sums[i] == sums[best] {
			best = i
		}
	}
	return names[best]
}

// tally adds up the weights of each label; there are n of them.
func tally[F float32 | float64](label *[8]int16, weight *[8]F) (names [8]int16, sums [8]F, n int) {
next:
	for k, l := range label {
		for i := range n {
			if names[i] == l {
				sums[i] += weight[k]
				continue next
			}
		}
		names[n], sums[n] = l, weight[k]
		n++
	}
	return names, sums, n
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
