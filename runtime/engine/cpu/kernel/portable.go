package kernel

import "unsafe"

// portable is plain Go; it serves every processor and is the measure of the rest.
var portable = instructions{
	name:      "portable",
	gemm:      []microGemm{{rows: 4, cols: 8, run: gemmPortable}},
	wide:      []microOuter{{rows: 4, cols: 8, run: outerPortable}},
	moments:   momentsPortable,
	affine:    affinePortable,
	gradSums:  gradSumsPortable,
	gradInput: gradInputPortable,
	spread:    spreadPortable,
	gather:    gatherPortable,
	curve:     curvePortable,
	curveGrad: curveGradPortable,
	add:       addPortable,
	sub:       subPortable,
	sgd:       sgdPortable,
	adam:      adamPortable,
}

func float32At(p *float32, bytes int64) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes))
}

func eightAt(p *float32, bytes int64) *[8]float32 {
	return (*[8]float32)(unsafe.Add(unsafe.Pointer(p), bytes))
}

// gemmPortable is the 4×8 tile: one row at a time, eight sums in registers.
// Rows not in use are left out, since a repeated one would be added twice; the
// assembly computes them from the same start and stores the same numbers.
func gemmPortable(t *tile) {
	runs := unsafe.Slice(t.runs, t.nruns)
	for i := range t.rows {
		c := eightAt(t.c, t.coff[i])
		var s [8]float32
		if t.accumulate != 0 {
			s = *c
		} else if t.bias != nil {
			s = *eightAt(t.bias, 0)
		}
		s0, s1, s2, s3, s4, s5, s6, s7 := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
		panel := unsafe.Slice((*[8]float32)(unsafe.Pointer(t.b)), int64(len(runs))*t.klen)
		for _, run := range runs {
			row := unsafe.Slice(float32At(t.a, t.aoff[i]+run), t.klen)
			for k, x := range row {
				b := &panel[k]
				s0 += x * b[0]
				s1 += x * b[1]
				s2 += x * b[2]
				s3 += x * b[3]
				s4 += x * b[4]
				s5 += x * b[5]
				s6 += x * b[6]
				s7 += x * b[7]
			}
			panel = panel[t.klen:]
		}
		*c = [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
	}
}

// outerPortable is the 4×8 tile of a weight gradient.
func outerPortable(t *outer) {
	aoffs, boffs := unsafe.Slice(t.aoffs, t.rows), unsafe.Slice(t.boffs, t.rows)
	for i := range int64(4) {
		c := eightAt(t.c, i*t.cstride)
		s0, s1, s2, s3, s4, s5, s6, s7 := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
		for r, aoff := range aoffs {
			a, b := aoff+4*i, boffs[r]
			for range t.width {
				x, y := *float32At(t.a, a), eightAt(t.b, b)
				s0 += x * y[0]
				s1 += x * y[1]
				s2 += x * y[2]
				s3 += x * y[3]
				s4 += x * y[4]
				s5 += x * y[5]
				s6 += x * y[6]
				s7 += x * y[7]
				a += t.astride
				b += t.bstride
			}
		}
		*c = [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
	}
}
