package xla

import (
	"runspec/runtime/engine"
)

// loss lowers the operations of the losses; false for others. All of it is
// float32.
func (l *lowering) loss(n engine.Node, in []value) (value, bool) {
	e := l.emitter
	switch op := n.Op.(type) {
	case engine.LossStatistics:
		return l.statistics(op.Objective, e.convert(in[0], f32), in[1]), true
	case engine.LossValue:
		return l.lossValue(op.Objective, in[0].shape, in[2]), true
	case engine.LossGradient:
		logits := e.convert(e.barriers(in[0])[0], f32) // or the softmax of the statistics is kept
		dy := e.convert(l.lossGradient(op.Objective, logits, in[1], in[2], l.upscaled(in[3])), l.activations)
		return e.barriers(dy)[0], true // or the bias's gradient keeps it in float32
	}
	return value{}, false
}

// voxelwise is what a loss needs to know of every voxel.
type voxelwise struct {
	p      value // softmax, (N, D, H, W, K)
	y      value // the label's indicator, of the same shape; zero where ignored
	counts value // 1 where the voxel counts, 0 where it is ignored: (N, D, H, W)
	terms  value // of the cross-entropy, of the shape of p: zero where ignored
	powers value // of the softmax, which is powers over total, of the shape of p
	total  value // (N, D, H, W)
}

func (l *lowering) voxelwise(o engine.Objective, logits, labels value) voxelwise {
	if len(o.Regions) > 0 {
		return l.regionwise(o, logits, labels)
	}
	e := l.emitter
	shape := logits.shape
	top := e.broadcast(e.overClasses("maximum", logits, lowest), shape, 0, 1, 2, 3)
	shifted := e.sub(logits, top)
	powers := e.unary("exponential", shifted)
	total := e.overClasses("add", powers, 0)
	v := voxelwise{p: e.div(powers, e.broadcast(total, shape, 0, 1, 2, 3)), powers: powers, total: total}
	is := e.compare("EQ", e.broadcast(labels, shape, 0, 1, 2, 3), e.iota(i32, 4, shape))
	v.y = e.convert(is, f32)
	v.counts = e.constant(1, f32, labels.shape)
	if o.Ignore != 0 {
		v.counts = e.convert(e.compare("NE", labels, e.like(float64(o.Ignore), labels)), f32)
		v.y = e.mul(v.y, e.broadcast(v.counts, shape, 0, 1, 2, 3))
	}
	v.terms = e.mul(v.y, e.sub(e.broadcast(e.unary("log", total), shape, 0, 1, 2, 3), shifted))
	return v
}

// entropy is each voxel's cross-entropy, 0 where it is ignored: (N, D, H, W).
func (l *lowering) entropy(v voxelwise) value { return l.overClasses("add", v.terms, 0) }

// regionwise is voxelwise where each output is a region of its own.
func (l *lowering) regionwise(o engine.Objective, logits, labels value) voxelwise {
	e := l.emitter
	v := voxelwise{p: e.unary("logistic", logits), counts: e.constant(1, f32, labels.shape)}
	if o.Ignore != 0 {
		v.counts = e.convert(e.compare("NE", labels, e.like(float64(o.Ignore), labels)), f32)
	}
	one := append(append([]int{}, labels.shape...), 1)
	var members []value
	for _, values := range o.Regions {
		in := e.like(0, v.counts)
		for _, label := range values {
			in = e.add(in, e.convert(e.compare("EQ", labels, e.like(float64(label), labels)), f32))
		}
		members = append(members, e.reshape(e.mul(in, v.counts), one...))
	}
	v.y = e.join(4, members...)
	positive := e.binary("maximum", logits, e.like(0, logits))
	tail := e.unary("log_plus_one", e.unary("exponential", e.unary("negate", e.unary("abs", logits))))
	v.terms = e.mul(e.broadcast(v.counts, logits.shape, 0, 1, 2, 3), e.sub(e.add(positive, tail), e.mul(logits, v.y)))
	return v
}

// fewClasses are so few that a voxel's are better folded one by one: XLA fuses
// that with all around it, where a reduction is a kernel of its own.
const fewClasses = 8

// overClasses folds the last axis, from init.
func (e *emitter) overClasses(op string, a value, init float64) value {
	k := a.shape[4]
	if k > fewClasses {
		return e.reduce(op, a, init, 4)
	}
	total := e.at(a, 4, 0)
	for i := 1; i < k; i++ {
		total = e.binary(op, total, e.at(a, 4, i))
	}
	return total
}

// lowest is below every logit.
const lowest = -3.4e38

// statistics is engine.LossStatistics: rows*K*3 sums, then the four of the
// cross-entropy.
func (l *lowering) statistics(o engine.Objective, logits, labels value) value {
	e := l.emitter
	v := l.voxelwise(o, logits, labels)
	rows, k := o.Rows(logits.shape[0]), logits.shape[4]
	if k <= fewClasses && o.Kind != engine.TopK {
		return l.fewStatistics(o, v, rows)
	}
	sums := e.constant(0, f32, []int{rows * k * 3})
	if o.Dice() {
		mask := e.broadcast(v.counts, logits.shape, 0, 1, 2, 3)
		axes := []int{1, 2, 3}
		if o.BatchDice {
			axes = []int{0, 1, 2, 3}
		}
		column := func(a value) value { return e.reshape(e.sum(a, axes...), rows*k, 1) }
		three := e.join(1, column(e.mul(v.p, v.y)), column(e.mul(v.p, mask)), column(v.y))
		sums = e.reshape(three, rows*k*3)
	}
	tail := l.tail(o, v)
	return e.join(0, append([]value{sums}, tail...)...)
}

// fewStatistics is statistics in one pass over the voxels, each class a sum of its
// own: an axis of three or four is no work for a GPU's threads.
func (l *lowering) fewStatistics(o engine.Objective, v voxelwise, rows int) value {
	e, k := l.emitter, v.p.shape[4]
	voxel := []value{l.entropy(v), v.counts}
	if o.Dice() {
		for class := range k {
			p, y := l.probability(v, class), e.at(v.y, 4, class)
			voxel = append(voxel, e.mul(p, y), e.mul(p, v.counts), y)
		}
	}
	sums := l.perRow(rows, voxel...)
	one := func(a value) value { return e.reshape(a, 1) }
	count := e.sum(sums[1], 0)
	if len(o.Regions) > 0 && o.Ignore == 0 { // a mean over outputs too
		count = e.scaled(count, float64(k))
	}
	zero := e.constant(0, f32, []int{1})
	tail := []value{one(e.sum(sums[0], 0)), one(count), zero, zero}
	table := e.constant(0, f32, []int{rows * k * 3})
	if o.Dice() {
		for i := range sums {
			sums[i] = e.reshape(sums[i], rows, 1)
		}
		table = e.reshape(e.join(1, sums[2:]...), rows*k*3)
	}
	return e.join(0, append([]value{table}, tail...)...)
}

// probability is that of one class: (N, D, H, W).
func (l *lowering) probability(v voxelwise, class int) value {
	if v.total.name == "" {
		return l.at(v.p, 4, class)
	}
	return l.div(l.at(v.powers, 4, class), v.total)
}

// tail is the summed cross-entropy, the number of voxels it counts, TopK's
// threshold and its ties.
func (l *lowering) tail(o engine.Objective, v voxelwise) []value {
	e := l.emitter
	one := func(a value) value { return e.reshape(a, 1) }
	zero := e.constant(0, f32, []int{1})
	if o.Kind != engine.TopK {
		count := e.sum(v.counts, 0, 1, 2, 3)
		if len(o.Regions) > 0 && o.Ignore == 0 { // a mean over outputs too
			count = e.scaled(count, float64(len(o.Regions)))
		}
		return []value{one(e.sum(v.terms, 0, 1, 2, 3, 4)), one(count), zero, zero}
	}
	all := engine.Size(v.counts.shape)
	n := engine.TopKCount(all)
	chosen := e.slice(e.sorted(e.reshape(l.entropy(v), all)), 0, all-n, all)
	threshold := e.slice(chosen, 0, 0, 1)
	ties := e.convert(e.compare("EQ", chosen, e.broadcast(e.reshape(threshold), chosen.shape)), f32)
	return []value{one(e.sum(chosen, 0)), e.constant(float64(n), f32, []int{1}), threshold, one(e.sum(ties, 0))}
}

// sorted sorts a list, smallest first.
func (e *emitter) sorted(a value) value {
	return e.emit(a.kind, a.shape, `"stablehlo.sort"(%s) ({
    ^bb0(%%a: tensor<f32>, %%b: tensor<f32>):
      %%c = stablehlo.compare LT, %%a, %%b, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
      stablehlo.return %%c : tensor<i1>
    }) {dimension = 0 : i64, is_stable = false} : (%s) -> %s`, a.name, a.typ(), a.typ())
}

// table splits LossStatistics into (rows, K, 3) and the four of its tail.
func (l *lowering) table(o engine.Objective, shape []int, s value) (sums value, tail [4]value) {
	e := l.emitter
	rows, k := o.Rows(shape[0]), shape[4]
	n := rows * k * 3
	sums = e.reshape(e.slice(s, 0, 0, n), rows, k, 3)
	for i := range tail {
		tail[i] = e.reshape(e.slice(s, 0, n+i, n+i+1))
	}
	return sums, tail
}

// ratios gives, per row and class, the soft Dice and its denominator: (rows, K).
func (l *lowering) ratios(sums value) (ratio, below value) {
	e := l.emitter
	smooth := func(a value) value { return e.add(a, e.like(engine.DiceSmooth, a)) }
	below = smooth(e.add(e.at(sums, 2, 1), e.at(sums, 2, 2)))
	return e.div(smooth(e.scaled(e.at(sums, 2, 0), 2)), below), below
}

func (l *lowering) lossValue(o engine.Objective, shape []int, s value) value {
	e := l.emitter
	sums, tail := l.table(o, shape, s)
	total := e.constant(0, f32, nil)
	if o.Dice() {
		ratio, _ := l.ratios(sums)
		foreground := e.slice(ratio, 1, o.FirstClass(), shape[4])
		total = e.scaled(e.sum(foreground, 0, 1), -1/float64(engine.Size(foreground.shape)))
	}
	if o.Entropy() || o.Kind == engine.TopK {
		total = e.add(total, e.div(tail[0], e.binary("maximum", tail[1], e.like(1, tail[1]))))
	}
	return total
}

// lossGradient is dy times the gradient by the logits: with g that by the
// probabilities, p*(g - sum(g*p)), plus the cross-entropy's (p - y)/count.
// Voxels that tie for TopK's last places share them.
func (l *lowering) lossGradient(o engine.Objective, logits, labels, s, dy value) value {
	e := l.emitter
	v := l.voxelwise(o, logits, labels)
	shape := logits.shape
	sums, tail := l.table(o, shape, s)
	total := e.like(0, logits)
	if o.Dice() {
		g := l.diceGradient(o, shape, v, sums)
		mean := e.broadcast(e.overClasses("add", e.mul(g, v.p), 0), shape, 0, 1, 2, 3)
		total = e.mul(v.p, e.sub(g, mean))
		if len(o.Regions) > 0 { // a sigmoid's
			total = e.mul(e.mul(v.p, e.sub(e.like(1, v.p), v.p)), g)
		}
	}
	if o.Entropy() || o.Kind == engine.TopK {
		share := e.div(v.counts, e.broadcast(e.binary("maximum", tail[1], e.like(1, tail[1])), v.counts.shape))
		if o.Kind == engine.TopK {
			share = e.mul(share, l.taken(l.entropy(v), tail))
		}
		total = e.add(total, e.mul(e.sub(v.p, v.y), e.broadcast(share, shape, 0, 1, 2, 3)))
	}
	total = e.mul(total, e.broadcast(v.counts, shape, 0, 1, 2, 3))
	return e.mul(total, e.broadcast(dy, shape))
}

// diceGradient is the soft Dice's by the probabilities: (N, D, H, W, K), zero for
// the background.
func (l *lowering) diceGradient(o engine.Objective, shape []int, v voxelwise, sums value) value {
	e := l.emitter
	ratio, below := l.ratios(sums)
	rows, k := ratio.shape[0], ratio.shape[1]
	counted := e.convert(e.compare("GE", e.iota(i32, 1, ratio.shape), e.constant(float64(o.FirstClass()), i32, ratio.shape)), f32)
	factor := e.scaled(e.div(counted, below), -1/float64(rows*(k-o.FirstClass())))
	return e.mul(l.spread(factor, shape), e.sub(e.scaled(v.y, 2), l.spread(ratio, shape)))
}

// taken is 1 for voxels above TopK's threshold, and what is left of the places
// for those that meet it, in equal parts.
func (l *lowering) taken(entropy value, tail [4]value) value {
	e := l.emitter
	threshold := e.broadcast(tail[2], entropy.shape)
	above := e.convert(e.compare("GT", entropy, threshold), f32)
	meets := e.convert(e.compare("EQ", entropy, threshold), f32)
	part := e.div(tail[3], e.sum(meets, 0, 1, 2, 3))
	return e.add(above, e.mul(meets, e.broadcast(part, entropy.shape)))
}
