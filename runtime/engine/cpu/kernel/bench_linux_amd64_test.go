//go:build linux

package kernel

// peakFlops is what one core does at most with the instruction set in use, in
// operations per CPU second; 0 where that is not known.
func peakFlops() float64 {
	const n = 20_000_000
	best := 0.0
	for range 3 {
		switch ISA() {
		case "avx2":
			best = max(best, 12*16*n/timed(func() { peakAVX2(n) }))
		case "avx512":
			best = max(best, 12*32*n/timed(func() { peakAVX512(n) }))
		}
	}
	return best
}
