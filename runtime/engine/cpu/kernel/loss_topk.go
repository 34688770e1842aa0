package kernel

import "math"

// selectWorst finds the int(TopK·voxels) voxels of all samples with the largest
// cross-entropy (at least one); ignored ones count with zero. Of equal voxels
// the first are taken.
func (s *softmaxLoss) selectWorst(p *Pool) {
	s.worstN = max(1, int(float64(len(s.losses))*s.TopK))
	s.threshold, s.ties = kthLargest(s.losses, s.worstN)
	above := p.sum(len(s.losses), func(lo, hi int) float64 {
		t := 0.0
		for _, v := range s.losses[lo:hi] {
			if v > s.threshold {
				t += float64(v)
			}
		}
		return t
	})
	s.worst = (above + float64(s.ties)*float64(s.threshold)) / float64(s.worstN)
}

// kthLargest gives the k-th largest of x ≥ 0, and how many elements equal to
// it belong to the k largest. Non-negative floats are ordered as their bits,
// so the value is found from its upper half and then its lower half.
func kthLargest(x []float32, k int) (value float32, ties int) {
	var prefix uint32
	for _, shift := range []uint{16, 0} {
		var count [1 << 16]int
		for _, v := range x {
			b := math.Float32bits(v)
			if shift == 0 && b>>16 != prefix>>16 {
				continue
			}
			count[b>>shift&0xffff]++
		}
		digit := uint32(0xffff)
		for ; count[digit] < k; digit-- {
			k -= count[digit]
		}
		prefix |= digit << shift
	}
	return math.Float32frombits(prefix), k
}

// firstTies is, for each chunk, how many voxels at the threshold lie before it.
func (s *softmaxLoss) firstTies(p *Pool) []int64 {
	if s.TopK <= 0 {
		return nil
	}
	n := p.offsets(slotLosses, s.Samples*s.chunks()+1)
	clear(n)
	s.each(p, func(_, i, lo, hi int) {
		for _, v := range s.losses[lo:hi] {
			if v == s.threshold {
				n[i+1]++
			}
		}
	})
	for i := 1; i < len(n); i++ {
		n[i] += n[i-1]
	}
	return n
}

// among reports whether voxel v is among the worst; ties counts the voxels at
// the threshold met so far.
func (s *softmaxLoss) among(v int, ties *int) bool {
	if s.losses[v] != s.threshold {
		return s.losses[v] > s.threshold
	}
	*ties++
	return *ties <= s.ties
}
