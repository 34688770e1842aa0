package assembly

// The loops of activations. Constants come from an array that DX points to,
// curveConstants in curves_amd64.go; index names its elements.
const (
	log2e = iota
	ln2High
	ln2Low
	expMax
	expMin
	exp5 // the polynomial of exp, highest power first
	exp4
	exp3
	exp2
	exp1
	exp0
	one
	bias // 127, an integer
	tailP
	tail5 // the polynomial of the normal tail, highest power first
	tail4
	tail3
	tail2
	tail1
	minusHalf
	density // 1/√2π
	absolute
)

func (w *writer) constant(index int, reg string) { w.op("VBROADCASTSS %d(DX), %s", 4*index, reg) }

// horner evaluates the polynomial with coefficients from..to at x into sum,
// with tmp lost.
func (w *writer) horner(from, to int, x, sum, tmp string) {
	w.constant(from, sum)
	for i := from + 1; i <= to; i++ {
		w.constant(i, tmp)
		w.op("VFMADD213PS %s, %s, %s", tmp, x, sum)
	}
}

// exp turns x into eˣ; Y8 to Y11 are lost. NaN stays NaN.
func (w *writer) exp(x string) {
	w.constant(expMax, "Y8")
	w.op("VMINPS %s, Y8, %s", x, x)
	w.constant(expMin, "Y8")
	w.op("VMAXPS %s, Y8, %s", x, x)
	w.constant(log2e, "Y8")
	w.op("VMULPS Y8, %s, Y9", x)
	w.op("VROUNDPS $0, Y9, Y9") // eˣ = 2ⁿ·eʳ
	w.constant(ln2High, "Y8")
	w.op("VFNMADD231PS Y8, Y9, %s", x)
	w.constant(ln2Low, "Y8")
	w.op("VFNMADD231PS Y8, Y9, %s", x)
	w.horner(exp5, exp0, x, "Y10", "Y8")
	w.op("VMULPS %s, %s, Y11", x, x)
	w.op("VFMADD213PS %s, Y11, Y10", x) // poly·r²+r
	w.constant(one, "Y8")
	w.op("VADDPS Y8, Y10, Y10")
	w.op("VCVTPS2DQ Y9, Y9")
	w.constant(bias, "Y8")
	w.op("VPADDD Y8, Y9, Y9")
	w.op("VPSLLD $23, Y9, Y9")
	w.op("VMULPS Y9, Y10, %s", x)
}

// curves writes the activation loops. x is at AX; y or dy at BX; dx at CX.
func (w *writer) curves() {
	forward, signature := []string{"x", "y", "unused", "c"}, "(x, y, unused *float32, c *float32, n int)"
	backward, gradSignature := []string{"x", "dy", "dx", "c"}, "(x, dy, dx *float32, c *float32, n int)"
	zero := func() { w.op("VXORPS Y14, Y14, Y14") }
	load := func(at, reg string) { w.op("VMOVUPS (%s)(R9*1), %s", at, reg) }
	store := func(reg, at string) { w.op("VMOVUPS %s, (%s)(R9*1)", reg, at) }
	positive := func(x, mask string) { w.op("VCMPPS $30, Y14, %s, %s", x, mask) }
	slope := func() {
		zero()
		w.op("VBROADCASTSS (DX), Y15")
	}

	w.flat("leakyLoop", signature, forward, slope, func() {
		load("AX", "Y0")
		positive("Y0", "Y1")
		w.op("VMULPS Y15, Y0, Y2")
		w.op("VBLENDVPS Y1, Y0, Y2, Y2")
		store("Y2", "BX")
	})
	w.flat("leakyGradLoop", gradSignature, backward, slope, func() {
		load("AX", "Y0")
		load("BX", "Y3")
		positive("Y0", "Y1")
		w.op("VMULPS Y15, Y3, Y2")
		w.op("VBLENDVPS Y1, Y3, Y2, Y2")
		store("Y2", "CX")
	})
	w.flat("eluLoop", signature, forward, zero, func() {
		load("AX", "Y0")
		w.op("VMOVAPS Y0, Y2")
		w.exp("Y2")
		w.constant(one, "Y8")
		w.op("VSUBPS Y8, Y2, Y2")
		positive("Y0", "Y1")
		w.op("VBLENDVPS Y1, Y0, Y2, Y2")
		store("Y2", "BX")
	})
	w.flat("eluGradLoop", gradSignature, backward, zero, func() {
		load("AX", "Y0")
		load("BX", "Y3")
		w.op("VMOVAPS Y0, Y2")
		w.exp("Y2")
		w.op("VMULPS Y3, Y2, Y2")
		positive("Y0", "Y1")
		w.op("VBLENDVPS Y1, Y3, Y2, Y2")
		store("Y2", "CX")
	})
	w.flat("geluLoop", signature, forward, zero, func() {
		load("AX", "Y0")
		w.normal()
		w.op("VMULPS Y4, Y0, Y4")
		store("Y4", "BX")
	})
	w.flat("geluGradLoop", gradSignature, backward, zero, func() {
		load("AX", "Y0")
		w.normal()
		w.constant(density, "Y8")
		w.op("VMULPS Y8, Y2, Y2")
		w.op("VFMADD231PS Y2, Y0, Y4") // Φ(x)+x·φ(x)
		w.op("VMULPS (BX)(R9*1), Y4, Y4")
		store("Y4", "CX")
	})
}

// normal leaves exp(−x²/2) in Y2 and Φ(x) in Y4 for x in Y0, by the tail's
// approximation 7.1.26 of Abramowitz and Stegun, off by at most 7.5e-8.
func (w *writer) normal() {
	w.constant(minusHalf, "Y8")
	w.op("VMULPS Y0, Y0, Y2")
	w.op("VMULPS Y8, Y2, Y2")
	w.exp("Y2")
	w.constant(absolute, "Y8")
	w.op("VANDPS Y8, Y0, Y3")
	w.constant(tailP, "Y9")
	w.constant(one, "Y8")
	w.op("VFMADD213PS Y8, Y9, Y3") // 1+p|x|
	w.op("VDIVPS Y3, Y8, Y3")
	w.horner(tail5, tail1, "Y3", "Y4", "Y9")
	w.op("VMULPS Y3, Y4, Y4")
	w.op("VMULPS Y2, Y4, Y4") // 1−Φ(|x|)
	w.op("VSUBPS Y4, Y8, Y5")
	w.op("VCMPPS $30, Y14, Y0, Y1")
	w.op("VBLENDVPS Y1, Y5, Y4, Y4")
}
