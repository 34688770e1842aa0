package kernel

import "math"

// SumSquares is Σx², in float64.
func SumSquares(p *Pool, x []float32) float64 {
	return p.sum(len(x), func(lo, hi int) float64 {
		s := 0.0
		for _, v := range x[lo:hi] {
			s += float64(v) * float64(v)
		}
		return s
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
	rate := float32(o.Rate / (1 - math.Pow(o.Beta1, float64(step))))
	root := float32(math.Sqrt(1 - math.Pow(o.Beta2, float64(step))))
	shrink, join := float32(1), float32(o.Decay)
	if o.Decoupled {
		shrink, join = float32(1-o.Rate*o.Decay), 0
	}
	b1, b2, eps := float32(1-o.Beta1), float32(o.Beta2), float32(o.Eps)
	rest := float32(1 - o.Beta2)
	p.eachRange(len(params), elements, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			w := params[i] * shrink
			g := grads[i]*scale + join*w
			first[i] += (g - first[i]) * b1
			v := second[i]*b2 + g*g*rest
			second[i] = v
			if o.AMSGrad {
				v = max(v, largest[i])
				largest[i] = v
			}
			params[i] = w - rate*first[i]/(float32(math.Sqrt(float64(v)))/root+eps)
		}
	})
}
