package xla

import (
	"math"

	"runspec/runtime/engine"
)

// norm lowers the operations of the norms; false for others. Statistics are
// float32 whatever the activations are.
func (l *lowering) norm(n engine.Node, in []value) (value, bool) {
	e := l.emitter
	switch op := n.Op.(type) {
	case engine.Moments:
		return l.moments(in[0], op.Batch), true
	case engine.RunningMoments:
		c := in[0].shape[0]
		inverse := e.unary("rsqrt", e.add(in[1], e.like(engine.NormEpsilon, in[1])))
		return e.join(0, e.reshape(in[0], 1, 1, c), e.reshape(inverse, 1, 1, c)), true
	case engine.Normalise:
		hat, _ := l.hat(in)
		y, _ := l.activate(op.Function, l.before(hat, in), value{})
		return e.convert(y, l.activations), true
	case engine.NormaliseSums:
		in = l.apart(in)
		hat, _ := l.hat(in)
		g := l.through(op.Function, hat, in)
		rows, c := in[1].shape[1], in[1].shape[2]
		sum := l.perRow(rows, e.mul(g, hat), g)
		sums := e.join(0, e.reshape(sum[0], 1, rows, c), e.reshape(sum[1], 1, rows, c))
		return e.barriers(sums)[0], true // or the parameters' gradients become sums over the voxels of their own
	case engine.NormaliseInput:
		return l.normaliseInput(op, in), true
	case engine.NormaliseParameter:
		return e.sum(e.at(in[0], 0, op.Row), 0), true
	}
	return value{}, false
}

// apart puts a barrier before all small operands, in[1] to in[3] and those
// behind the gradient: so each pass over the voxels computes anew what it needs,
// where XLA would keep the activation's mask, or a float32 gradient, of the pass
// before.
func (l *lowering) apart(in []value) []value {
	small := append(append([]value{}, in[1:4]...), in[5:]...)
	small = l.emitter.barriers(small...)
	return append(append([]value{in[0]}, small[:3]...), append([]value{in[4]}, small[3:]...)...)
}

// parts is in how many parts perRow sums a row's voxels at most, and voxelsPerPart
// how many a part has at least.
const parts, voxelsPerPart = 512, 4

// perRow sums values (N, D, H, W, C) or (N, D, H, W) over the voxels of each of
// the rows of moments or of a loss: (R, C) or (R). It goes by way of partial sums,
// each of which some of a GPU's threads can take; a few long sums would leave it
// idle, and XLA would compute what is summed in a kernel of its own, in float32.
func (l *lowering) perRow(rows int, values ...value) []value {
	e, shape := l.emitter, values[0].shape
	each := engine.Size(shape[:4]) / rows
	count := 1
	for n := 2; n <= parts && n*voxelsPerPart <= each; n++ {
		if each%n == 0 {
			count = n
		}
	}
	split := make([]value, len(values))
	for i, v := range values {
		split[i] = e.reshape(v, append([]int{rows, count, each / count}, shape[4:]...)...)
	}
	return e.sums(e.barriers(e.sums(split, 2)...), 1)
}

// moments is in two passes: the sum of squares would lose digits where the mean
// is large. Where x is at rest in 8 or 11 bits it has lost more before, and one
// pass saves memory traffic.
func (l *lowering) moments(x value, batch bool) value {
	e := l.emitter
	axes, rows, c := []int{1, 2, 3}, x.shape[0], x.shape[4]
	if batch {
		axes, rows = []int{0, 1, 2, 3}, 1
	}
	count := voxels(x.shape, rows)
	wide := e.convert(x, f32)
	var mean, variance value
	if x.kind == f32 {
		mean = e.scaled(e.sum(wide, axes...), 1/count)
		d := e.sub(wide, l.spread(e.reshape(mean, rows, c), x.shape))
		variance = e.scaled(e.sum(e.mul(d, d), axes...), 1/count)
	} else {
		sum := l.perRow(rows, wide, e.mul(wide, wide))
		mean = e.scaled(sum[0], 1/count)
		variance = e.sub(e.scaled(sum[1], 1/count), e.mul(mean, mean))
		variance = e.binary("maximum", variance, e.like(0, variance))
	}
	inverse := e.unary("rsqrt", e.add(variance, e.like(engine.NormEpsilon, variance)))
	return e.join(0, e.reshape(mean, 1, rows, c), e.reshape(inverse, 1, rows, c))
}

// spread lays rows (R, C) over a shape (N, D, H, W, C).
func (l *lowering) spread(rows value, shape []int) value {
	if rows.shape[0] == 1 && shape[0] != 1 {
		return l.emitter.broadcast(l.emitter.reshape(rows, rows.shape[1]), shape, 4)
	}
	return l.emitter.broadcast(rows, shape, 0, 4)
}

// hat is the normalised x, and the inverse deviation that it was multiplied by.
func (l *lowering) hat(in []value) (hat, inverse value) {
	e := l.emitter
	x := e.convert(in[0], f32)
	mean := l.spread(e.at(in[1], 0, 0), x.shape)
	inverse = l.spread(e.at(in[1], 0, 1), x.shape)
	return e.mul(e.sub(x, mean), inverse), inverse
}

// before is the value that the activation sees.
func (l *lowering) before(hat value, in []value) value {
	e := l.emitter
	return e.add(e.mul(hat, e.broadcast(in[2], hat.shape, 4)), e.broadcast(in[3], hat.shape, 4))
}

// through is the gradient before the activation, from dy.
func (l *lowering) through(f engine.Function, hat value, in []value) value {
	e := l.emitter
	dy := e.convert(in[4], f32)
	if f == engine.Identity {
		return dy
	}
	_, slope := l.activate(f, l.before(hat, in), value{})
	return e.mul(dy, slope)
}

func (l *lowering) normaliseInput(op engine.NormaliseInput, in []value) value {
	e := l.emitter
	in = l.apart(in)
	hat, inverse := l.hat(in)
	g := l.through(op.Function, hat, in)
	sums := e.scaled(in[5], 1/voxels(hat.shape, in[5].shape[1]))
	projected := e.mul(hat, l.spread(e.at(sums, 0, 0), hat.shape))
	centred := e.sub(e.sub(g, l.spread(e.at(sums, 0, 1), hat.shape)), projected)
	dx := e.mul(e.mul(e.broadcast(in[2], hat.shape, 4), inverse), centred)
	return e.convert(dx, l.activations)
}

// activate gives f(x) and f'(x) of a float32 x; slope is PReLU's.
func (l *lowering) activate(f engine.Function, x, slope value) (y, d value) {
	e := l.emitter
	zero, one := e.like(0, x), e.like(1, x)
	positive := e.compare("GT", x, zero)
	switch f {
	case engine.Identity:
		return x, one
	case engine.ReLU:
		return e.choose(positive, x, zero), e.choose(positive, one, zero)
	case engine.ELU:
		low := e.binary("minimum", x, zero)
		return e.choose(positive, x, e.unary("exponential_minus_one", low)), e.choose(positive, one, e.unary("exponential", low))
	case engine.GELU:
		cdf := e.scaled(e.add(one, l.erf(e.scaled(x, 1/math.Sqrt2))), 0.5)
		density := e.scaled(e.unary("exponential", e.scaled(e.mul(x, x), -0.5)), 1/math.Sqrt(2*math.Pi))
		return e.mul(x, cdf), e.add(cdf, e.mul(x, density))
	}
	below := e.like(engine.LeakySlope, x)
	if f == engine.PReLU {
		below = e.broadcast(e.reshape(slope), x.shape)
	}
	return e.choose(positive, x, e.mul(below, x)), e.choose(positive, one, below)
}

// erf is the error function, an operation of CHLO, which XLA's plug-ins take
// beside StableHLO.
func (l *lowering) erf(x value) value {
	return l.emitter.emit(x.kind, x.shape, "chlo.erf %s : %s -> %s", x.name, x.typ(), x.typ())
}
