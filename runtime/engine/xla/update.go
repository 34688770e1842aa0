package xla

import "runspec/runtime/engine"

// lowerStep is a whole training step: loss and gradients, clipping, the
// optimiser, running statistics, totals. Its results are the trained parameters,
// the optimiser's state, the running statistics and float16's loss scale, then the
// totals, each in the memory of the old one. A step whose gradients overflow under
// a loss scale changes nothing but the scale; from one on that failed otherwise,
// all stays as it was.
func lowerStep(p *engine.Program, activations kind) (string, error) {
	l := newLowering(p, p.Train, activations)
	l.declare(true)
	l.feed()
	if err := l.nodes(); err != nil {
		return "", err
	}
	u := &update{lowering: l, gradients: make([]value, len(p.Parameters))}
	u.run()
	return l.module("step", u.results...), nil
}

// update is the part of a step behind the gradients.
type update struct {
	*lowering
	gradients []value // per parameter, clipped; empty: none
	stopped   value   // an earlier step has failed
	finite    value   // this step changes the weights

	// Scalars, which come with every step: what a search varies is no part of the
	// program, so that its configurations share one.
	rate     value
	size     value // Adam's step size: the rate over the first correction
	root     value // of Adam's second correction
	decay    value // of the weights
	momentum value
}

func (u *update) run() {
	loss := u.values[u.graph.Loss]
	square := u.square()
	totals := u.tally(loss, square)
	setting := func(i int) value { return u.reshape(u.slice(u.arguments.settings, 0, i, i+1)) }
	u.rate, u.size, u.root, u.decay, u.momentum = setting(0), setting(1), setting(2), setting(3), setting(4)
	u.clip(square)
	for i := range u.gradients {
		if u.gradients[i].name != "" {
			u.step(i)
		}
	}
	u.follow()
	u.rescale()
	u.give(u.arguments.totals, totals)
}

// square is the squared norm over all gradients.
func (u *update) square() value {
	total := u.constant(0, f32, nil)
	for i, node := range u.graph.Gradients {
		if node < 0 {
			continue
		}
		g := u.downscaled(u.convert(u.values[node], f32))
		u.gradients[i] = g
		axes := make([]int, len(g.shape))
		for a := range axes {
			axes[a] = a
		}
		total = u.add(total, u.sum(u.mul(g, g), axes...))
	}
	return total
}

// clip scales the gradients so that their norm is at most the bound.
func (u *update) clip(square value) {
	bound := u.program.Optimizer.Clip
	if bound <= 0 {
		return
	}
	norm := u.add(u.unary("sqrt", square), u.like(1e-6, square))
	scale := u.binary("minimum", u.like(1, square), u.div(u.like(bound, square), norm))
	for i, g := range u.gradients {
		if g.name != "" {
			u.gradients[i] = u.mul(g, u.broadcast(scale, g.shape))
		}
	}
}

// replace makes new the result that takes old's memory, unless the step failed.
func (u *update) replace(old, new value) { u.supersede(old, u.choose(u.finite, new, old)) }

// supersede does so unless an earlier one has failed.
func (u *update) supersede(old, new value) { u.give(old, u.choose(u.stopped, old, new)) }

// step moves one parameter by PyTorch's formulas (torch.optim.SGD with Nesterov
// momentum, Adam, AdamW).
func (u *update) step(i int) {
	o, p, g := u.program.Optimizer, u.arguments.parameters[i], u.gradients[i]
	slots := u.arguments.slots
	spread := func(scalar value) value { return u.broadcast(scalar, p.shape) }
	if o.Kind == engine.SGD {
		g = u.add(g, u.mul(p, spread(u.decay)))
		m := u.add(u.mul(slots["momentum"][i], spread(u.momentum)), g)
		u.replace(p, u.sub(p, u.mul(spread(u.rate), u.add(g, u.mul(m, spread(u.momentum))))))
		u.replace(slots["momentum"][i], m)
		return
	}
	decayed := p
	if o.Kind == engine.Adam {
		g = u.add(g, u.mul(p, spread(u.decay)))
	} else {
		decayed = u.mul(p, spread(u.sub(u.like(1, u.rate), u.mul(u.rate, u.decay))))
	}
	m := u.add(u.scaled(slots["m"][i], engine.Beta1), u.scaled(g, 1-engine.Beta1))
	v := u.add(u.scaled(slots["v"][i], engine.Beta2), u.scaled(u.mul(g, g), 1-engine.Beta2))
	most := v
	if o.AMSGrad {
		most = u.binary("maximum", slots["vmax"][i], v)
	}
	below := u.add(u.div(u.unary("sqrt", most), spread(u.root)), u.like(engine.AdamEpsilon, p))
	u.replace(p, u.sub(decayed, u.div(u.mul(spread(u.size), m), below)))
	u.replace(slots["m"][i], m)
	u.replace(slots["v"][i], v)
	if o.AMSGrad {
		u.replace(slots["vmax"][i], most)
	}
}

// follow moves the running statistics as engine.Weights.Follow does.
func (u *update) follow() {
	for i, node := range u.graph.Moments {
		norm := u.program.Norms[i]
		unbias := float64(norm.Count) / float64(max(1, norm.Count-1))
		moments := u.reshape(u.values[node], 2, norm.Channels)
		inverse := u.at(moments, 0, 1)
		variance := u.scaled(u.sub(u.div(u.like(1, inverse), u.mul(inverse, inverse)), u.like(engine.NormEpsilon, inverse)), unbias)
		for row, now := range []value{u.at(moments, 0, 0), variance} {
			old := u.arguments.norms[i][row]
			u.replace(old, u.add(u.scaled(old, 1-engine.RunningMomentum), u.scaled(now, engine.RunningMomentum)))
		}
	}
}
