package simulate

import (
	"slices"

	"runspec/compiler/space"
)

// Shift moves the defaults of a problem's space, and with them the priors, away
// from where its optimum is: each number's by the given share of its range in
// the sampling scale, towards the farther end; from a half on, each choice's
// default becomes the last choice.
func (p Problem) Shift(by float64) Problem {
	p.Space.Parameters = slices.Clone(p.Space.Parameters)
	for i := range p.Space.Parameters {
		q := &p.Space.Parameters[i]
		if q.Default == nil {
			continue
		}
		moved := *q.Default
		switch q.Kind {
		case space.Float, space.Int:
			u := q.Place(*q.Default)
			if u > 0.5 {
				u -= by
			} else {
				u += by
			}
			moved = q.At(min(max(u, 0), 1))
		case space.Categorical:
			if by >= 0.5 {
				moved = q.Choices[len(q.Choices)-1]
			}
		}
		q.Default = &moved
	}
	return p
}
