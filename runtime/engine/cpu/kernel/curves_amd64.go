package kernel

import "math"

//go:noescape
func leakyLoop(x, y, unused *float32, c *float32, n int)

//go:noescape
func leakyGradLoop(x, dy, dx *float32, c *float32, n int)

//go:noescape
func eluLoop(x, y, unused *float32, c *float32, n int)

//go:noescape
func eluGradLoop(x, dy, dx *float32, c *float32, n int)

//go:noescape
func geluLoop(x, y, unused *float32, c *float32, n int)

//go:noescape
func geluGradLoop(x, dy, dx *float32, c *float32, n int)

// curveConstants are the numbers of exp (Cephes' expf: a range reduction by
// ln 2 in two parts and a polynomial) and of the normal tail (Abramowitz and
// Stegun 7.1.26, halved), in the order that internal/assembly names them.
var curveConstants = [...]float32{
	math.Log2E, 0.693359375, -2.12194440e-4, 88, -87.3,
	1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
	1, math.Float32frombits(127),
	0.3275911 / math.Sqrt2,
	1.061405429 / 2, -1.453152027 / 2, 1.421413741 / 2, -0.284496736 / 2, 0.254829592 / 2,
	-0.5, 1 / (math.Sqrt2 * math.SqrtPi), math.Float32frombits(1<<31 - 1),
}

// curveAVX2 runs a loop on whole vectors and the portable one on the rest.
func curveAVX2(a Activation, x []float32, slope float32, y []float32) {
	n := len(x) &^ 7
	if n > 0 {
		switch a {
		case Leaky:
			leakyLoop(&x[0], &y[0], nil, &slope, n)
		case ELU:
			eluLoop(&x[0], &y[0], nil, &curveConstants[0], n)
		case GELU:
			geluLoop(&x[0], &y[0], nil, &curveConstants[0], n)
		}
	}
	curvePortable(a, x[n:], slope, y[n:])
}

func curveGradAVX2(a Activation, x, dy []float32, slope float32, dx []float32) {
	n := len(x) &^ 7
	if n > 0 {
		switch a {
		case Leaky:
			leakyGradLoop(&x[0], &dy[0], &dx[0], &slope, n)
		case ELU:
			eluGradLoop(&x[0], &dy[0], &dx[0], &curveConstants[0], n)
		case GELU:
			geluGradLoop(&x[0], &dy[0], &dx[0], &curveConstants[0], n)
		}
	}
	curveGradPortable(a, x[n:], dy[n:], slope, dx[n:])
}
