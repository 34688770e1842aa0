package compiler

import (
	"slices"
	"strings"

	"cuelang.org/go/cue"

	"runspec/compiler/diag"
	"runspec/compiler/plan"
	"runspec/compiler/space"
)

// space lowers a search space, whose grammars are checked with the stages of the
// data sets' networks, and has each of its mistakes told at the
// parameter's own place.
func (l *lowering) space(n node, ds []plan.Dataset) space.Space {
	stages := stagesOf(ds)
	s := space.Space{Parameters: []space.Parameter{}}
	places := map[string]node{}
	whole := true
	for _, f := range n.fields() {
		p, ok := parameter(f)
		whole = whole && ok
		places[p.Name] = f
		s.Parameters = append(s.Parameters, p)
		if ok {
			l.hyperparameter(f, p, ds)
		}
		if ok && p.Kind == space.Grammar {
			whole = l.grammar(f, &s.Parameters[len(s.Parameters)-1], ds) && whole
		}
	}
	slices.SortFunc(s.Parameters, func(a, b space.Parameter) int { return strings.Compare(a.Name, b.Name) })
	if n.set() && len(s.Parameters) == 0 && n.value.Err() == nil {
		l.add(n, diag.EmptySpace, "Empty search space", "The space has no parameter, so there is nothing to search. Give it one, such as those of spec.autonnunet.HPO.")
	}
	bound, err := s.Bind(stages[0])
	if err != nil {
		return s // told by grammar
	}
	mistakes := bound.Mistakes()
	for _, m := range mistakes {
		l.mistake(places[m.Parameter], m, whole)
	}
	if len(mistakes) == 0 {
		l.overruled(bound, places)
	}
	return s
}

// parameter reads one parameter; it is false where check objects to it.
func parameter(n node) (space.Parameter, bool) {
	p := space.Parameter{Name: n.name}
	if n.value.Validate(cue.Concrete(true)) != nil {
		return p, false
	}
	kind, _ := n.field("kind").text()
	p.Kind = space.Kind(kind)
	p.Low, _ = n.field("low").number()
	p.High, _ = n.field("high").number()
	p.Log, _ = n.field("log").truth()
	for _, e := range n.field("choices").list() {
		p.Choices = append(p.Choices, scalar(e.value))
	}
	if d := n.field("default"); d.set() {
		v := scalar(d.value)
		p.Default = &v
	}
	if v := n.field("value"); v.set() {
		p.Choices = []space.Value{scalar(v.value)}
	}
	prior, _ := n.field("prior").field("confidence").text()
	p.Prior = space.Confidence(prior)
	p.When = conditions(n.field("when"))
	return p, true
}

// conditions reads `when`, sorted by parent.
func conditions(n node) []space.Condition {
	var out []space.Condition
	for _, f := range n.fields() {
		c := space.Condition{Parent: f.name}
		if f.value.IncompleteKind() == cue.ListKind {
			for _, e := range f.list() {
				c.Values = append(c.Values, scalar(e.value))
			}
		} else {
			c.Values = []space.Value{scalar(f.value)}
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b space.Condition) int { return strings.Compare(a.Parent, b.Parent) })
	return out
}

// scalar reads a checked value of #Scalar.
func scalar(v cue.Value) space.Value {
	switch v.Kind() {
	case cue.StringKind:
		s, _ := v.String()
		return space.Text(s)
	case cue.BoolKind:
		b, _ := v.Bool()
		return space.Truth(b)
	}
	f, _ := v.Float64()
	return space.Number(f)
}
