package kernel

import "golang.org/x/sys/cpu"

// The assembly of simd_amd64.s. Pointers reach as far as the slices they are
// taken from; the functions below see to that.

//go:noescape
func gemm6x16AVX2(t *tile)

//go:noescape
func gemm12x8AVX2(t *tile)

//go:noescape
func gemm12x32AVX512(t *tile)

//go:noescape
func gemm12x16AVX512(t *tile)

//go:noescape
func outer6x16AVX2(t *outer)

//go:noescape
func outer12x8AVX2(t *outer)

//go:noescape
func outer12x32AVX512(t *outer)

//go:noescape
func outer12x16AVX512(t *outer)

//go:noescape
func momentsLoop(x, shift, sum, square *float32, voxels, channels int)

//go:noescape
func affineLoop(x, y, scale, offset *float32, voxels, channels int, slope float32)

//go:noescape
func gradSumsLoop(x, dy, scale, offset, mean, sum, moment *float32, voxels, channels int, slope float32)

//go:noescape
func gradInputLoop(x, dy, dx, scale, offset, kx, k1 *float32, voxels, channels int, slope float32)

//go:noescape
func spreadLoop(a, b, c, d, y0, y1, y2, y3 *float32, n int)

//go:noescape
func gatherLoop(a, b, c, d, y0, y1 *float32, n int)

//go:noescape
func addLoop(y, a, b *float32, n int)

//go:noescape
func subLoop(y, a, b *float32, n int)

//go:noescape
func sgdLoop(param, grad, buf *float32, c *sgdConstants, n int)

//go:noescape
func adamLoop(param, grad, first, second *float32, c *adamConstants, n int)

//go:noescape
func amsgradLoop(param, grad, first, second, most *float32, c *adamConstants, n int)

// peakAVX2 and peakAVX512 do 12·n independent fused multiply-adds.
func peakAVX2(n int64)
func peakAVX512(n int64)

var avx2 = instructions{
	name:      "avx2",
	gemm:      []microGemm{{6, 16, gemm6x16AVX2}, {12, 8, gemm12x8AVX2}},
	wide:      []microOuter{{6, 16, outer6x16AVX2}, {12, 8, outer12x8AVX2}},
	moments:   momentsAVX2,
	affine:    affineAVX2,
	gradSums:  gradSumsAVX2,
	gradInput: gradInputAVX2,
	spread:    spreadAVX2,
	gather:    gatherAVX2,
	curve:     curveAVX2,
	curveGrad: curveGradAVX2,
	add:       addAVX2,
	sub:       subAVX2,
	sgd:       sgdAVX2,
	adam:      adamAVX2,
	peak:      peakAVX2,
	width:     8,
}

// avx512 differs in the micro-kernels alone: the other loops wait for memory.
var avx512 = func() instructions {
	s := avx2
	s.name = "avx512"
	s.peak, s.width = peakAVX512, 16
	s.gemm = []microGemm{{12, 32, gemm12x32AVX512}, {12, 16, gemm12x16AVX512}, {12, 8, gemm12x8AVX2}}
	s.wide = []microOuter{{12, 32, outer12x32AVX512}, {12, 16, outer12x16AVX512}, {12, 8, outer12x8AVX2}}
	return s
}()

func available() []*instructions {
	all := []*instructions{&portable}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		all = append(all, &avx2)
		if cpu.X86.HasAVX512F {
			all = append(all, &avx512)
		}
	}
	return all
}

func momentsAVX2(x, shift, sum, square []float32) {
	c := len(sum)
	if c%8 != 0 {
		momentsPortable(x, shift, sum, square)
		return
	}
	momentsLoop(&x[0], &shift[0], &sum[0], &square[0], len(x)/c, c)
}

func affineAVX2(x, y, scale, offset []float32, slope float32) {
	c := len(scale)
	if c%8 != 0 {
		affinePortable(x, y, scale, offset, slope)
		return
	}
	affineLoop(&x[0], &y[0], &scale[0], &offset[0], len(x)/c, c, slope)
}

func gradSumsAVX2(x, dy, scale, offset, mean []float32, slope float32, sum, moment []float32) {
	c := len(scale)
	if c%8 != 0 {
		gradSumsPortable(x, dy, scale, offset, mean, slope, sum, moment)
		return
	}
	gradSumsLoop(&x[0], &dy[0], &scale[0], &offset[0], &mean[0], &sum[0], &moment[0], len(x)/c, c, slope)
}

func gradInputAVX2(x, dy, dx, scale, offset, kx, k1 []float32, slope float32) {
	c := len(scale)
	if c%8 != 0 {
		gradInputPortable(x, dy, dx, scale, offset, kx, k1, slope)
		return
	}
	gradInputLoop(&x[0], &dy[0], &dx[0], &scale[0], &offset[0], &kx[0], &k1[0], len(x)/c, c, slope)
}

// Lines of winograd are multiples of 8 floats, since its channels are.
func spreadAVX2(in, out *[4][]float32) {
	n := len(out[0])
	for i := range 4 {
		in[i], out[i] = in[i][:n], out[i][:n]
	}
	spreadLoop(&in[0][0], &in[1][0], &in[2][0], &in[3][0], &out[0][0], &out[1][0], &out[2][0], &out[3][0], n)
}

func gatherAVX2(in *[4][]float32, y0, y1 []float32) {
	n := len(y0)
	for i := range 4 {
		in[i] = in[i][:n]
	}
	y1 = y1[:n]
	gatherLoop(&in[0][0], &in[1][0], &in[2][0], &in[3][0], &y0[0], &y1[0], n)
}

func addAVX2(y, a, b []float32) {
	n := len(y) &^ 7
	if n > 0 {
		addLoop(&y[0], &a[0], &b[0], n)
	}
	addPortable(y[n:], a[n:], b[n:])
}

func subAVX2(y, a, b []float32) {
	n := len(y) &^ 7
	if n > 0 {
		subLoop(&y[0], &a[0], &b[0], n)
	}
	subPortable(y[n:], a[n:], b[n:])
}

func sgdAVX2(param, grad, buf []float32, c *sgdConstants) {
	n := len(param) &^ 7
	if n > 0 {
		sgdLoop(&param[0], &grad[0], &buf[0], c, n)
	}
	sgdPortable(param[n:], grad[n:], buf[n:], c)
}

func adamAVX2(param, grad, first, second, most []float32, c *adamConstants) {
	n := len(param) &^ 7
	switch {
	case n == 0:
	case most == nil:
		adamLoop(&param[0], &grad[0], &first[0], &second[0], c, n)
	default:
		amsgradLoop(&param[0], &grad[0], &first[0], &second[0], &most[0], c, n)
		most = most[n:]
	}
	adamPortable(param[n:], grad[n:], first[n:], second[n:], most, c)
}
