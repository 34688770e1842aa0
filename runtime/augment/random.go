package augment

import "math/rand/v2"

// stream is the random source of one sample: a function of the loader's seed,
// the batch's index and the sample's place in it, and of nothing else.
func stream(seed uint64, batch, sample int) *rand.Rand {
	key := mix(mix(mix(seed)+uint64(batch)) + uint64(sample))
	return rand.New(rand.NewPCG(key, mix(key)))
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection
// of 64-bit words in which every input bit reaches every output bit.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// uniform draws from [lo, hi).
func uniform(r *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }

// around draws a factor as batchgeneratorsv2's BGContrast does: with even odds
// from [lo, 1) or from [1, hi), so that darker and brighter are equally likely
// however lopsided the range.
func around(r *rand.Rand, lo, hi float64) float64 {
	if r.Float64() < 0.5 && lo < 1 {
		return uniform(r, lo, 1)
	}
	return uniform(r, max(lo, 1), hi)
}
