package cpu

import (
	"cmp"
	"slices"

	"runspec/runtime/engine"
)

// buffer is one place in the slab, which one or several nodes use in turn.
type buffer struct {
	start, end int // indices of the first and the last instruction that need it
	size       int // in floats
	offset     int
}

// align keeps buffers on cache lines of 64 bytes.
const align = 16

// place gives every buffer an offset such that no two overlap in time and
// memory, and returns the slab's length: the largest buffers first, each at
// the lowest offset that is free throughout its life.
func place(buffers []*buffer) int {
	order := slices.Clone(buffers)
	slices.SortStableFunc(order, func(a, b *buffer) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.start, b.start))
	})
	total := 0
	for i, b := range order {
		var alive []*buffer
		for _, o := range order[:i] {
			if o.start <= b.end && b.start <= o.end {
				alive = append(alive, o)
			}
		}
		slices.SortFunc(alive, func(a, b *buffer) int { return cmp.Compare(a.offset, b.offset) })
		at := 0
		for _, o := range alive {
			if o.offset-at >= b.size {
				break
			}
			at = max(at, o.offset+o.size)
		}
		b.offset = at
		total = max(total, at+b.size)
	}
	return total
}

// overwrites lists the operands whose memory an operation's output may take:
// each element is read before it is written, and all have one shape.
func overwrites(op engine.Op) []int {
	switch op.(type) {
	case engine.Normalise, engine.Activate, engine.Drop, engine.LossGradient:
		return []int{0}
	case engine.ActivateGradient:
		return []int{1}
	case engine.NormaliseInput:
		return []int{4}
	case engine.Add:
		return []int{0, 1}
	}
	return nil
}

// plan gives each node that outside has no place of its own a buffer by
// liveness, in place where an operand dies. kept nodes live to the end.
func plan(g engine.Graph, need, outside []bool, kept []int) (buffers []*buffer, of []*buffer) {
	last := make([]int, len(g.Nodes))
	for i, n := range g.Nodes {
		if need[i] {
			last[i] = i
			for _, k := range n.In {
				last[k] = i
			}
		}
	}
	for _, k := range kept {
		last[k] = len(g.Nodes)
	}
	of = make([]*buffer, len(g.Nodes))
	for i, n := range g.Nodes {
		if !need[i] || outside[i] {
			continue
		}
		for _, operand := range overwrites(n.Op) {
			k := n.In[operand]
			if of[k] != nil && last[k] == i && !twice(n.In, k) {
				of[i] = of[k]
				of[i].end = max(of[i].end, last[i])
				break
			}
		}
		if of[i] == nil {
			size := (engine.Size(n.Shape) + align - 1) / align * align
			of[i] = &buffer{start: i, end: last[i], size: size}
			buffers = append(buffers, of[i])
		}
	}
	return buffers, of
}

func twice(in []int, k int) bool {
	n := 0
	for _, j := range in {
		if j == k {
			n++
		}
	}
	return n > 1
}
