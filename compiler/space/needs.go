package space

import "slices"

// needs are the conditions under which all of some parameters are active: their
// own, and those of their parents, and so on. There must be no ring.
func (s Space) needs(ps ...Parameter) []Condition {
	var out []Condition
	seen := map[string]bool{}
	var visit func(Parameter)
	visit = func(p Parameter) {
		if seen[p.Name] {
			return
		}
		seen[p.Name] = true
		for _, w := range p.When {
			out = append(out, w)
			parent, _ := s.Parameter(w.Parent)
			visit(parent)
		}
	}
	for _, p := range ps {
		visit(p)
	}
	return out
}

// contradiction is a parent of which the needs of some parameters ask what
// cannot be at once; false where there is none.
func (s Space) contradiction(ps ...Parameter) (parent string, never bool) {
	asked := map[string][]Condition{}
	for _, w := range s.needs(ps...) {
		asked[w.Parent] = append(asked[w.Parent], w)
		if p, _ := s.Parameter(w.Parent); !p.meets(asked[w.Parent]) {
			return w.Parent, true
		}
	}
	return "", false
}

// meets says whether a value of p fulfils all conditions.
func (p Parameter) meets(ws []Condition) bool {
	if p.Kind != Grammar {
		return slices.ContainsFunc(ws[0].Values, func(v Value) bool {
			return !slices.ContainsFunc(ws, func(w Condition) bool { return !slices.Contains(w.Values, v) })
		})
	}
	if p.Grammar == nil {
		return true // not bound yet
	}
	var sets [][]string
	for _, w := range ws {
		sets = append(sets, texts(w.Values))
	}
	return p.holding(sets, 1<<len(sets)-1).Sign() > 0
}

// Together says whether a configuration can have both of two parameters. The
// space must have no mistakes.
func (s Space) Together(a, b string) bool {
	p, known := s.Parameter(a)
	q, too := s.Parameter(b)
	_, never := s.contradiction(p, q)
	return known && too && !never
}
