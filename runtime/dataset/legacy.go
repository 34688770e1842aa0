package dataset

import "math"

// Legacy is numpy's legacy generator, numpy.random.RandomState: MT19937
// (Matsumoto & Nishimura 1998) with the draws that nnU-Net makes of it. The same
// seed gives the same numbers as numpy, so folds, fingerprints and class
// locations are nnU-Net's own.
type Legacy struct {
	state [624]uint32
	next  int
}

// NewLegacy is RandomState(seed).
func NewLegacy(seed uint32) *Legacy {
	r := &Legacy{next: 624}
	r.state[0] = seed
	for i := 1; i < 624; i++ {
		before := r.state[i-1]
		r.state[i] = 1812433253*(before^before>>30) + uint32(i)
	}
	return r
}

// Uint32 is the next 32 random bits.
func (r *Legacy) Uint32() uint32 {
	if r.next == 624 {
		r.twist()
	}
	y := r.state[r.next]
	r.next++
	return temper(y)
}

func temper(y uint32) uint32 {
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

func (r *Legacy) twist() {
	s := &r.state
	for i := 0; i < 227; i++ {
		s[i] = s[i+397] ^ mix(s[i], s[i+1])
	}
	for i := 227; i < 623; i++ {
		s[i] = s[i-227] ^ mix(s[i], s[i+1])
	}
	s[623] = s[396] ^ mix(s[623], s[0])
	r.next = 0
}

func mix(a, b uint32) uint32 {
	y := a&0x80000000 | b&0x7fffffff
	return y>>1 ^ -(y&1)&0x9908b0df
}

// Intn is uniform in [0, n), by rejection under a mask as numpy's legacy
// generator does: randint(0, n), and one draw of choice with replacement.
// n lies in 1 … 2³²−1; one alone consumes nothing.
func (r *Legacy) Intn(n int) int {
	if n < 1 || n > math.MaxUint32 {
		panic("dataset: Legacy.Intn of a number outside 1 … 2^32-1")
	}
	top := uint32(n - 1)
	if top == 0 {
		return 0
	}
	mask := maskOf(top)
	for {
		if v := r.Uint32() & mask; v <= top {
			return int(v)
		}
	}
}

// maskOf is the smallest 2^k−1 that is at least top.
func maskOf(top uint32) uint32 {
	for shift := 1; shift < 32; shift *= 2 {
		top |= top >> shift
	}
	return top
}

// Count makes draws with replacement among len(counts) things, as
// choice(len(counts), draws) does, and adds to counts how often each came.
func (r *Legacy) Count(counts []uint32, draws int) {
	if len(counts) == 0 || draws <= 0 {
		return
	}
	top := uint32(len(counts) - 1)
	if top == 0 {
		counts[0] += uint32(draws)
		return
	}
	// Nearly all draws go without a branch: a rejected one is counted in a slot
	// beyond the last, and none can be the last one of all within these blocks.
	mask := maskOf(top)
	slots := make([]uint32, int(mask)+1)
	for draws > 624 {
		if r.next == 624 {
			r.twist()
		}
		accepted := 0
		for _, y := range r.state[r.next:] {
			v := temper(y) & mask
			slots[v]++
			accepted += int((uint64(v) - uint64(top) - 1) >> 63)
		}
		r.next = 624
		draws -= accepted
	}
	for i := range counts {
		counts[i] += slots[i]
	}
	for range draws {
		counts[r.Intn(len(counts))]++
	}
}

// Shuffle permutes x in place as RandomState.shuffle.
func (r *Legacy) Shuffle(x []int) {
	for i := len(x) - 1; i >= 1; i-- {
		j := r.Intn(i + 1)
		x[i], x[j] = x[j], x[i]
	}
}

// Permutation shuffles 0 … n−1.
func (r *Legacy) Permutation(n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	r.Shuffle(p)
	return p
}

// Choose draws k of n without replacement, in the order drawn:
// choice(n, k, replace=False), which is the head of a permutation.
func (r *Legacy) Choose(n, k int) []int { return r.Permutation(n)[:k] }
