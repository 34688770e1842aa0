package xla

import "runspec/runtime/engine"

// elementwise lowers what works on voxels one by one, or moves them; false for
// others.
func (l *lowering) elementwise(n engine.Node, in []value) (value, bool) {
	e := l.emitter
	switch op := n.Op.(type) {
	case engine.Activate:
		y, _ := l.activate(op.Function, e.convert(in[0], f32), operand(in, 1))
		return e.convert(y, l.activations), true
	case engine.ActivateGradient:
		_, d := l.activate(op.Function, e.convert(in[0], f32), operand(in, 2))
		return e.convert(e.mul(e.convert(in[1], f32), d), l.activations), true
	case engine.SlopeGradient:
		x := e.convert(in[0], f32)
		low := e.binary("minimum", x, e.like(0, x))
		return e.reshape(e.sum(e.mul(e.convert(in[1], f32), low), 0, 1, 2, 3, 4), 1), true
	case engine.Add:
		return e.add(in[0], e.convert(in[1], in[0].kind)), true
	case engine.Concat:
		return e.join(4, in[0], in[1]), true
	case engine.Slice:
		if dx, ok := l.sliced(op, n.In[0]); ok {
			return dx, true
		}
		return e.slice(in[0], 4, op.Offset, op.Offset+op.Channels), true
	case engine.AveragePool:
		return l.pool(in[0], op.Window), true
	case engine.AveragePoolGradient:
		return l.spreadPool(in[0], op.Window), true
	case engine.Drop:
		return e.mul(in[0], e.broadcast(e.convert(in[1], in[0].kind), in[0].shape, 0, 4)), true
	case engine.WeightedSum:
		total := e.scaled(in[0], op.Weights[0])
		for i := 1; i < len(in); i++ {
			total = e.add(total, e.scaled(in[i], op.Weights[i]))
		}
		return total, true
	case engine.Scale:
		return e.scaled(in[0], op.Factor), true
	}
	return value{}, false
}

// operand is the i-th operand, if there is one.
func operand(in []value, i int) value {
	if i < len(in) {
		return in[i]
	}
	return value{}
}

// pool averages windows that tile x.
func (l *lowering) pool(x value, w [3]int) value {
	e, s := l.emitter, x.shape
	split := e.reshape(e.convert(x, f32), s[0], s[1]/w[0], w[0], s[2]/w[1], w[1], s[3]/w[2], w[2], s[4])
	return e.convert(e.scaled(e.sum(split, 2, 4, 6), 1/float64(w[0]*w[1]*w[2])), l.activations)
}

// spreadPool gives every voxel of a window its share.
func (l *lowering) spreadPool(dy value, w [3]int) value {
	e, s := l.emitter, dy.shape
	wide := e.broadcast(dy, []int{s[0], s[1], w[0], s[2], w[1], s[3], w[2], s[4]}, 0, 1, 3, 5, 7)
	return e.scaled(e.reshape(wide, s[0], s[1]*w[0], s[2]*w[1], s[3]*w[2], s[4]), 1/float64(w[0]*w[1]*w[2]))
}
