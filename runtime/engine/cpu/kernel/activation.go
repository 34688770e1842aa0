package kernel

import (
	"fmt"
	"math"
)

// Activation is an elementwise function that is not fused into a norm.
type Activation int

// The activations. Leaky is x above zero and slope·x elsewhere: LeakyReLU,
// ReLU with slope 0, PReLU with a learned slope.
const (
	Leaky Activation = iota
	ELU              // eˣ−1 below zero (alpha 1)
	GELU             // x·Φ(x), with the error function
)

const elements = 1 << 14 // elements one task handles

// Forward computes y = activation(x); slope matters to Leaky alone. y may be x.
func (a Activation) Forward(p *Pool, x []float32, slope float32, y []float32) {
	mustLen("output of an activation", len(y), len(x))
	a.check()
	p.eachRange(len(x), elements, func(lo, hi int) { active.curve(a, x[lo:hi], slope, y[lo:hi]) })
}

func (a Activation) check() {
	if a < Leaky || a > GELU {
		panic(fmt.Sprintf("kernel: activation %d", int(a)))
	}
}

func curvePortable(a Activation, x []float32, slope float32, y []float32) {
	switch a {
	case Leaky:
		for i, v := range x {
			if !(v > 0) {
				v *= slope
			}
			y[i] = v
		}
	case ELU:
		for i, v := range x {
			if !(v > 0) {
				v = float32(math.Expm1(float64(v)))
			}
			y[i] = v
		}
	case GELU:
		for i, v := range x {
			y[i] = float32(float64(v) * normalCDF(float64(v)))
		}
	}
}

// Backward computes dx = dy·activation'(x). dx may be dy.
func (a Activation) Backward(p *Pool, x, dy []float32, slope float32, dx []float32) {
	mustLen("output gradient of an activation", len(dy), len(x))
	mustLen("input gradient of an activation", len(dx), len(x))
	a.check()
	p.eachRange(len(x), elements, func(lo, hi int) { active.curveGrad(a, x[lo:hi], dy[lo:hi], slope, dx[lo:hi]) })
}

func curveGradPortable(a Activation, x, dy []float32, slope float32, dx []float32) {
	switch a {
	case Leaky:
		for i, v := range x {
			d := dy[i]
			if !(v > 0) {
				d *= slope
			}
			dx[i] = d
		}
	case ELU:
		for i, v := range x {
			d := dy[i]
			if !(v > 0) {
				d = float32(float64(d) * math.Exp(float64(v)))
			}
			dx[i] = d
		}
	case GELU:
		for i, v := range x {
			t := float64(v)
			density := math.Exp(-t*t/2) / math.Sqrt(2*math.Pi)
			dx[i] = float32(float64(dy[i]) * (normalCDF(t) + t*density))
		}
	}
}

func normalCDF(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }

// SlopeGrad is the gradient of a Leaky's slope (PReLU with one parameter):
// the sum of x·dy where x is not above zero.
func SlopeGrad(p *Pool, x, dy []float32) float64 {
	mustLen("output gradient of an activation", len(dy), len(x))
	return p.sum(len(x), func(lo, hi int) float64 {
		s := 0.0
		d := dy[lo:hi]
		for i, v := range x[lo:hi] {
			if !(v > 0) {
				s += float64(v) * float64(d[i])
			}
		}
		return s
	})
}

// sum adds f over pieces of [0, n) that depend on n alone, in order.
func (p *Pool) sum(n int, f func(lo, hi int) float64) float64 {
	pieces := (n + elements - 1) / elements
	part := p.doubles(slotPartial, pieces)
	p.Run(pieces, func(_, i int) { part[i] = f(i*elements, min(n, (i+1)*elements)) })
	total := 0.0
	for _, v := range part {
		total += v
	}
	return total
}
