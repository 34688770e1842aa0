package kernel

import "math"

// SumSquares is Σx², in float64.
func SumSquares(p *Pool, x []float32) float64 {
	return p.sum(len(x), func(lo, hi int) float64 {
		var s, t, u, r float64 // side by side, since each addition waits for the one before
		x := x[lo:hi]
		for ; len(x) >= 4; x = x[4:] {
			a, b, c, d := float64(x[0]), float64(x[1]), float64(x[2]), float64(x[3])
			s += a * a
			t += b * b
			u += c * c
			r += d * d
		}
		for _, v := range x {
			s += float64(v) * float64(v)
		}
		return s + t + (u + r)
	})
}

// SGD is one step of stochastic gradient descent with PyTorch's formulas.
type SGD struct {
	Rate, Momentum, Decay float64
	Nesterov              bool
}

// sgdConstants are the numbers of one step; the assembly reads them by name.
type sgdConstants struct {
	scale, decay, momentum float32
	fromGrad, fromBuffer   float32 // the parameter moves by these times d and buffer
}

// Step updates params from grads·scale (scale is gradient clipping's factor):
// d = scale·g + Decay·p; buffer = Momentum·buffer + d; p −= Rate·(d + Momentum·buffer),
// or p −= Rate·buffer without Nesterov. buffer begins as zeros, which makes the
// first step PyTorch's.
func (o SGD) Step(p *Pool, params, grads, buffer []float32, scale float32) {
	mustLen("gradients", len(grads), len(params))
	mustLen("momentum buffer", len(buffer), len(params))
	c := sgdConstants{scale: scale, decay: float32(o.Decay), momentum: float32(o.Momentum), fromBuffer: float32(-o.Rate)}
	if o.Nesterov {
		c.fromGrad, c.fromBuffer = float32(-o.Rate), float32(-o.Rate*o.Momentum)
	}
	p.eachRange(len(params), elements, func(lo, hi int) {
		active.sgd(params[lo:hi], grads[lo:hi], buffer[lo:hi], &c)
	})
}

func sgdPortable(param, grad, buf []float32, c *sgdConstants) {
	grad, buf = grad[:len(param)], buf[:len(param)]
	for i, w := range param {
		d := grad[i]*c.scale + w*c.decay
		b := buf[i]*c.momentum + d
		buf[i] = b
		param[i] = w + (d*c.fromGrad + b*c.fromBuffer)
	}
}

// Adam is one step of Adam with PyTorch's formulas, or of AdamW where
// Decoupled is set: the decay then shrinks the parameter instead of joining
// the gradient.
type Adam struct {
	Rate, Beta1, Beta2, Eps, Decay float64
	Decoupled, AMSGrad             bool
}

// Step updates params from grads·scale. step counts from 1. first and second
// are the running moments and begin as zeros; largest, needed by AMSGrad
// alone, keeps the largest second moment, before its correction of the bias.
func (o Adam) Step(p *Pool, params, grads, first, second, largest []float32, step int, scale float32) {
	mustLen("gradients", len(grads), len(params))
	mustLen("first moments", len(first), len(params))
	mustLen("second moments", len(second), len(params))
	if o.AMSGrad {
		mustLen("largest second moments", len(largest), len(params))
	}
	c := adamConstants{
		scale: scale, join: float32(o.Decay), shrink: 1,
		first: float32(1 - o.Beta1), second: float32(o.Beta2), square: float32(1 - o.Beta2),
		rate: float32(-o.Rate / (1 - math.Pow(o.Beta1, float64(step)))),
		root: float32(1 / math.Sqrt(1-math.Pow(o.Beta2, float64(step)))),
		eps:  float32(o.Eps),
	}
	if o.Decoupled {
		c.shrink, c.join = float32(1-o.Rate*o.Decay), 0
	}
	p.eachRange(len(params), elements, func(lo, hi int) {
		var most []float32
		if o.AMSGrad {
			most = largest[lo:hi]
		}
		active.adam(params[lo:hi], grads[lo:hi], first[lo:hi], second[lo:hi], most, &c)
	})
}

// adamConstants are the numbers of one step; the assembly reads them by name.
// rate is negative and has the first moment's bias corrected, root the second's.
type adamConstants struct {
	scale, join, shrink   float32
	first, second, square float32
	rate, root, eps       float32
}

// adamPortable takes most nil for Adam without AMSGrad.
func adamPortable(param, grad, first, second, most []float32, c *adamConstants) {
	for i, w := range param {
		w *= c.shrink
		g := grad[i]*c.scale + w*c.join
		m := first[i] + (g-first[i])*c.first
		v := second[i]*c.second + g*g*c.square
		first[i], second[i] = m, v
		if most != nil {
			v = max(v, most[i])
			most[i] = v
		}
		param[i] = w + c.rate*m/(float32(math.Sqrt(float64(v)))*c.root+c.eps)
	}
}
