package xla

import "runspec/runtime/engine"

// What a training step adds up over calls: losses, steps that were taken, and
// whether one has failed. They are float64, which holds each of them exactly as
// a sum on the host would.
const (
	lossTotal = iota
	stepsTotal
	failedTotal
	stepTotals
)

// give makes new the result that takes the memory of the argument old.
func (l *lowering) give(old, new value) {
	for i := range l.arguments.list {
		if l.arguments.list[i].name == old.name {
			l.arguments.list[i].result = len(l.results)
		}
	}
	l.results = append(l.results, new)
}

// tally adds a step to the totals, and finds out what it may change. One that
// follows a failed step is not taken, and counts nowhere.
func (u *update) tally(loss, square value) value {
	old := u.arguments.totals
	failed := u.slice(old, 0, failedTotal, failedTotal+1)
	u.stopped = u.reshape(u.compare("GT", failed, u.like(0, failed)))
	u.finite = u.isFinite(u.add(loss, square))
	taken := u.finite
	if u.scales() { // gradients that overflow are the scale's matter
		taken = u.isFinite(loss)
	}
	one := func(a value) value { return u.convert(u.reshape(a, 1), f64) }
	new := u.add(old, u.join(0, one(loss), one(taken), one(u.unary("not", taken))))
	return u.choose(u.stopped, old, new)
}

func (e *emitter) isFinite(a value) value {
	return e.emit(boolean, a.shape, "stablehlo.is_finite %s : (%s) -> %s", a.name, a.typ(), tensor(boolean, a.shape))
}

// lowerMonitor is an evaluation whose loss and voxel counts are added to totals:
// one, then K true positives, K false positives and K false negatives.
func lowerMonitor(p *engine.Program, activations kind) (string, error) {
	l := newLowering(p, p.Evaluate, activations)
	l.declare(false)
	l.feed()
	l.arguments.totals = l.argument(f64, []int{1 + 3*p.Classes})
	if err := l.nodes(); err != nil {
		return "", err
	}
	logits := l.convert(l.values[p.Evaluate.Logits[0]], f32)
	answer, truth := l.classes(logits, l.arguments.labels[0])
	if len(p.Loss.Regions) > 0 {
		answer, truth = l.members(logits, l.arguments.labels[0])
	}
	one := []value{l.convert(l.reshape(l.values[p.Evaluate.Loss], 1), f64)}
	l.give(l.arguments.totals, l.add(l.arguments.totals, l.join(0, append(one, l.agreement(answer, truth)...)...)))
	return l.module("monitor", l.results...), nil
}

// agreement counts voxels per output: both, the answer alone, the truth alone.
// Operands are booleans (N, D, H, W, K) where the voxel counts at all.
func (l *lowering) agreement(answer, truth value) (counts []value) {
	for _, which := range [3][2]bool{{true, true}, {true, false}, {false, true}} {
		a, b := answer, truth
		if !which[0] {
			a = l.unary("not", a)
		}
		if !which[1] {
			b = l.unary("not", b)
		}
		both := l.convert(l.binary("and", a, b), i32)
		counts = append(counts, l.convert(l.sum(both, 0, 1, 2, 3), f64))
	}
	return counts
}

// classes gives, as booleans (N, D, H, W, K), the class with the largest logit,
// the lowest of equals, and that of the label.
func (l *lowering) classes(logits, labels value) (answer, truth value) {
	shape := logits.shape
	top := l.broadcast(l.reduce("maximum", logits, lowest, 4), shape, 0, 1, 2, 3)
	number := l.iota(i32, 4, shape)
	first := l.choose(l.compare("EQ", logits, top), number, l.like(float64(shape[4]), number))
	chosen := l.reduce("minimum", first, float64(shape[4]), 4)
	counted := l.counted(labels, shape)
	is := func(class value) value {
		return l.binary("and", counted, l.compare("EQ", number, l.broadcast(class, shape, 0, 1, 2, 3)))
	}
	return is(chosen), is(labels)
}

// members gives, as booleans (N, D, H, W, K), where the logits say that a voxel
// belongs to a region, and where its label does.
func (l *lowering) members(logits, labels value) (answer, truth value) {
	one := append(append([]int{}, labels.shape...), 1)
	var regions []value
	for _, values := range l.program.Loss.Regions {
		in := l.compare("LT", labels, labels)
		for _, label := range values {
			in = l.binary("or", in, l.compare("EQ", labels, l.like(float64(label), labels)))
		}
		regions = append(regions, l.reshape(in, one...))
	}
	counted := l.counted(labels, logits.shape)
	return l.binary("and", counted, l.compare("GT", logits, l.like(0, logits))), l.binary("and", counted, l.join(4, regions...))
}

// counted says which voxels are not ignored, over all outputs of a shape.
func (l *lowering) counted(labels value, shape []int) value {
	counted := l.compare("EQ", labels, labels)
	if ignore := l.program.Loss.Ignore; ignore != 0 {
		counted = l.compare("NE", labels, l.like(float64(ignore), labels))
	}
	return l.broadcast(counted, shape, 0, 1, 2, 3)
}
