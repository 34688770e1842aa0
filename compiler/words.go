package compiler

import (
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
)

// doc is the schema's comment on a field, as one paragraph.
func doc(v cue.Value) string {
	for _, g := range v.Doc() {
		if t := strings.Join(strings.Fields(g.Text()), " "); t != "" {
			return t
		}
	}
	return ""
}

// write prints a value as a person would in a spec, on one line; one that
// fails, as it stands there.
func write(v cue.Value) string {
	o := cue.Raw()
	if v.IsConcrete() {
		o = cue.Final()
	}
	n := v.Syntax(o)
	if v.Err() != nil {
		n = v.Source()
		if f, ok := n.(*ast.Field); ok {
			n = f.Value
		}
	}
	if n == nil {
		return "a value that fails"
	}
	b, err := format.Node(n)
	if err != nil {
		return v.IncompleteKind().String()
	}
	t := strings.Join(strings.Fields(string(b)), " ")
	if r := []rune(t); len(r) > 60 {
		t = string(r[:57]) + "…"
	}
	return t
}

// words describes a kind as a person would.
func words(k cue.Kind) string {
	var out []string
	for _, w := range []struct {
		kind cue.Kind
		word string
	}{
		{cue.StructKind, "a struct, { … }"}, {cue.ListKind, "a list, [ … ]"}, {cue.StringKind, "a text in quotes"},
		{cue.NumberKind, "a number"}, {cue.IntKind, "a whole number"}, {cue.BoolKind, "true or false"},
	} {
		if k&w.kind == w.kind && !(w.kind == cue.IntKind && k&cue.NumberKind == cue.NumberKind) {
			out = append(out, w.word)
		}
	}
	return strings.Join(out, " or ")
}

// bounds are the words for CUE's bounds.
var bounds = map[cue.Op]string{
	cue.GreaterThanEqualOp: "at least ", cue.GreaterThanOp: "above ",
	cue.LessThanEqualOp: "at most ", cue.LessThanOp: "below ",
	cue.RegexMatchOp: "of the form ", cue.NotEqualOp: "other than ",
}

// constraint describes what the schema admits: "at least 0 and below 1".
func constraint(v cue.Value) string {
	if d := cue.Dereference(v); d.Exists() {
		v = d
	}
	op, vs := v.Expr()
	switch {
	case v.IncompleteKind() == cue.StructKind:
		return words(cue.StructKind)
	case op == cue.AndOp:
		return join(vs, constraint, ", ")
	case len(vs) == 1 && bounds[op] != "":
		return bounds[op] + write(vs[0])
	case len(alternatives(v)) > 0:
		return "one of " + strings.Join(alternatives(v), ", ")
	case v.IsConcrete():
		return write(v)
	}
	if v.IncompleteKind() == cue.NumberKind {
		return "" // goes without saying beside its bounds
	}
	return words(v.IncompleteKind())
}
