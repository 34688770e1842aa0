package reference

import (
	"math"

	"runspec/runtime/engine"
)

// update takes one optimiser step with PyTorch's formulas (torch.optim.SGD
// with Nesterov momentum, Adam, AdamW). scale is the clipping factor.
func (e *Executor) update(grads [][]float64, scale, rate float64) {
	o, w := e.program.Optimizer, e.weights
	w.Steps++
	for i, grad := range grads {
		for j, g := range grad {
			p := float64(w.Values[i][j])
			g *= scale
			switch o.Kind {
			case engine.SGD:
				g += o.WeightDecay * p
				m := o.Momentum*float64(w.Slots["momentum"][i][j]) + g
				w.Slots["momentum"][i][j] = float32(m)
				p -= rate * (g + o.Momentum*m)
			case engine.Adam:
				p -= e.adam(i, j, g+o.WeightDecay*p, rate)
			case engine.AdamW:
				p *= 1 - rate*o.WeightDecay
				p -= e.adam(i, j, g, rate)
			}
			w.Values[i][j] = float32(p)
		}
	}
}

// adam moves one element's moments and gives its step.
func (e *Executor) adam(i, j int, g, rate float64) float64 {
	s, t := e.weights.Slots, float64(e.weights.Steps)
	m := engine.Beta1*float64(s["m"][i][j]) + (1-engine.Beta1)*g
	v := engine.Beta2*float64(s["v"][i][j]) + (1-engine.Beta2)*g*g
	s["m"][i][j], s["v"][i][j] = float32(m), float32(v)
	if largest := s["vmax"]; largest != nil {
		v = max(v, float64(largest[i][j]))
		largest[i][j] = float32(v)
	}
	root := math.Sqrt(v) / math.Sqrt(1-math.Pow(engine.Beta2, t))
	return rate / (1 - math.Pow(engine.Beta1, t)) * m / (root + engine.AdamEpsilon)
}
