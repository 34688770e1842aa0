package compiler

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	cueload "cuelang.org/go/cue/load"
	"cuelang.org/go/cue/token"

	"runspec/compiler/diag"
)

// set applies the arguments of --set to the spec's syntax, in their order, as
// if its author had written them: whatever the spec says about a path is
// struck out, and the value stands in its place. What refers to the field sees
// the new value, and the schema judges it like any other.
//
// It goes on without the arguments that lead nowhere, and is false where
// nothing can be set since the spec itself can't be read.
func (s *source) set(config *cueload.Config, arguments []string) (diag.Diagnostics, bool) {
	if more := s.evaluate(config); len(more) > 0 {
		return more, false
	}
	before := s.uses()
	var ds diag.Diagnostics
	for i, argument := range arguments {
		s.text[setFile] = append(s.text[setFile], argument)
		t, err := parseSetting(argument, i+1, s.alias())
		if err != nil {
			ds = append(ds, s.diagnostic(place(setFile, i+1, 0, len(argument)), diag.BadSetting, "Setting without effect", sentence(err)))
			continue
		}
		e := &edit{s: s, config: config, fresh: i > 0 && len(ds) < i}
		if d, ok := e.lost(t); ok {
			ds = append(ds, d)
			continue
		}
		e.apply(t)
		if e.err != nil {
			return append(ds, e.err...), false
		}
	}
	s.tidy(before)
	s.unresolve()
	config.Overlay[s.file] = cueload.FromFile(s.tree)
	return ds, true
}

func sentence(err error) string {
	t := err.Error()
	return strings.ToUpper(t[:1]) + t[1:] + "."
}

// edit is one setting on its way into the spec.
type edit struct {
	s      *source
	config *cueload.Config
	fresh  bool // the syntax is newer than the value
	err    diag.Diagnostics
}

// value is the experiment before the edit. It is evaluated only when needed.
func (e *edit) value() cue.Value {
	if e.fresh {
		e.fresh = false
		text, err := format.Node(e.s.tree)
		if err != nil {
			panic(err) // it came from the parser
		}
		e.config.Overlay[e.s.file] = cueload.FromBytes(text)
		e.err = e.s.evaluate(e.config)
	}
	return e.s.value
}

// lost tells a path that leads to no study, parameter or element, all of which
// the schema would take for new ones. Where it leads to elements it marks them.
func (e *edit) lost(t setting) (diag.Diagnostic, bool) {
	names := t.names()
	for i := 1; i < len(names); i++ {
		v := e.value().LookupPath(pathOf(names[:i]))
		if !v.Exists() {
			continue
		}
		named := (i == 1 || i == 3 && names[2] == "space") && names[0] == "studies" && i < len(names)-1
		switch {
		case v.IncompleteKind() == cue.ListKind:
			if detail := element(v, names[:i+1]); detail != "" {
				return e.s.diagnostic(t.at(i), diag.UnknownField, "Unknown element", detail), true
			}
			t.path[i].element = true
		case named && !v.LookupPath(pathOf(names[i:i+1])).Exists():
			what := map[int]string{1: "study", 3: "parameter"}[i]
			return e.s.diagnostic(t.at(i), diag.UnknownField, "Unknown "+what,
				fmt.Sprintf("%s has no %s %q. %s", strings.Join(names[:i], "."), what, names[i], remedy(names[i], labels(v), "It has "))), true
		}
	}
	return diag.Diagnostic{}, false
}

// element says what is wrong with the number of an element of a list, if
// anything is.
func element(v cue.Value, path []string) string {
	last := len(path) - 1
	where := strings.Join(path[:last], ".")
	n, _ := v.Len().Int64()
	i, err := strconv.ParseUint(path[last], 10, 31)
	switch {
	case err != nil:
		return fmt.Sprintf("%s is a list; its elements are named by their numbers, from %s.0.", where, where)
	case n == 0:
		return fmt.Sprintf("%s is an empty list.", where)
	case int64(i) >= n:
		return fmt.Sprintf("%s has no element %d; the last is %s.%d.", where, i, where, n-1)
	}
	return ""
}

// pathOf is CUE's path of some names; numbers are list elements.
func pathOf(names []string) cue.Path {
	var out []cue.Selector
	for _, n := range names {
		if i, err := strconv.Atoi(n); err == nil && i >= 0 {
			out = append(out, cue.Index(i))
		} else {
			out = append(out, cue.Str(n))
		}
	}
	return cue.MakePath(out...)
}

// apply strikes out what the spec says about the path, and adds the value to
// the expression that embeds the experiment.
func (e *edit) apply(t setting) {
	names := t.names()
	e.strikeDecls(e.s.tree.Decls, nil, names)
	added := t.declaration()
	for _, d := range e.s.tree.Decls {
		if m, ok := d.(*ast.EmbedDecl); ok {
			m.Expr = &ast.BinaryExpr{X: m.Expr, Op: token.AND, Y: added}
			return
		}
	}
	e.s.tree.Decls = append(e.s.tree.Decls, &ast.EmbedDecl{Expr: added})
}

// declaration is the setting as syntax, {a: {b: value}}, with its places.
func (t setting) declaration() *ast.StructLit {
	var x ast.Expr = t.value
	for i := len(t.path) - 1; i >= 0; i-- {
		name := t.path[i]
		if n, err := strconv.Atoi(name.name); err == nil && name.element {
			l := &ast.ListLit{}
			for range n {
				l.Elts = append(l.Elts, anything())
			}
			l.Elts = append(l.Elts, x, &ast.Ellipsis{})
			x = l
			continue
		}
		pos := position(t.line, name.from, name.to-name.from)
		var label ast.Label = &ast.Ident{Name: name.name, NamePos: pos}
		if !ast.IsValidIdent(name.name) {
			label = quoted(name.name, pos)
		}
		x = &ast.StructLit{Lbrace: pos, Elts: []ast.Decl{&ast.Field{Label: label, Value: x}}}
	}
	return x.(*ast.StructLit) // a path begins with a name
}

// anything is CUE's top. It has no place, and so is nobody's.
func anything() ast.Expr { return &ast.Ident{Name: "_"} }

// strikeDecls strikes a path out of declarations that stand at another.
func (e *edit) strikeDecls(ds []ast.Decl, at, path []string) {
	for _, d := range ds {
		switch d := d.(type) {
		case *ast.Field:
			if l, ok := static(d.Label); ok && l == path[0] {
				d.Value = e.strike(d.Value, slices.Concat(at, path[:1]), path[1:])
			}
		case *ast.EmbedDecl:
			d.Expr = e.strike(d.Expr, at, path)
		case *ast.Comprehension:
			d.Value = e.strike(d.Value, at, path)
		}
	}
}

// static is the name of a field, where its label is no expression or pattern.
func static(l ast.Label) (string, bool) {
	if a, ok := l.(*ast.Alias); ok {
		if l, ok = a.Expr.(ast.Label); !ok {
			return "", false
		}
	}
	name, _, err := ast.LabelName(l)
	return name, err == nil
}

// dynamic says whether some of the declarations' names are reckoned.
func dynamic(ds []ast.Decl) bool {
	return slices.ContainsFunc(ds, func(d ast.Decl) bool {
		switch d := d.(type) {
		case *ast.Field:
			_, ok := static(d.Label)
			return !ok
		case *ast.Comprehension:
			s, ok := d.Value.(*ast.StructLit)
			return ok && dynamic(s.Elts)
		}
		return false
	})
}

// strike strikes a path out of an expression that stands at another: the value
// there becomes anything. What says it in another way than by writing it down,
// such as a reference, is replaced by what it says.
func (e *edit) strike(x ast.Expr, at, path []string) ast.Expr {
	if len(path) == 0 {
		return anything()
	}
	switch x := x.(type) {
	case *ast.BasicLit:
		return anything() // the path leads through it, so it goes
	case *ast.StructLit:
		if !dynamic(x.Elts) {
			e.strikeDecls(x.Elts, at, path)
			return x
		}
	case *ast.Alias:
		x.Expr = e.strike(x.Expr, at, path)
		return x
	case *ast.ParenExpr:
		x.X = e.strike(x.X, at, path)
		return x
	case *ast.BinaryExpr:
		if x.Op == token.AND {
			x.X, x.Y = e.strike(x.X, at, path), e.strike(x.Y, at, path)
			return x
		}
	case *ast.ListLit:
		if i, err := strconv.Atoi(path[0]); err == nil && spelled(x, i) {
			x.Elts[i] = e.strike(x.Elts[i], slices.Concat(at, path[:1]), path[1:])
			return x
		}
	case *ast.Ident:
		if y := e.s.declared(x); y != nil {
			*y = e.strike(*y, at, path)
			return x
		}
	}
	if !e.s.mentions(x, path, deepest) || !says(e.value(), slices.Concat(at, path)) {
		return x
	}
	pos := x.Pos()
	if piece(x, e.s.alias()) {
		pos = token.NoPos // the language's
	}
	y := written(e.value().LookupPath(pathOf(at)), pos)
	if y == nil {
		return x
	}
	if len(at) == 0 { // what says everything also says that this is an experiment
		y = &ast.BinaryExpr{X: ast.NewSel(ast.NewIdent(e.s.alias()), "#Experiment"), Op: token.AND, Y: y}
	}
	return e.strike(y, at, path)
}

// spelled says whether a list's elements up to i are written one by one.
func spelled(x *ast.ListLit, i int) bool {
	for _, e := range x.Elts[:min(i+1, len(x.Elts))] {
		switch e.(type) {
		case *ast.Comprehension, *ast.Ellipsis:
			return false
		}
	}
	return i < len(x.Elts)
}

// says whether a value has something fixed at a path, or below it.
func says(v cue.Value, path []string) bool {
	w := v.LookupPath(pathOf(path))
	return w.Exists() && written(w, token.NoPos) != nil
}

// written is the fixed part of a value as syntax that stands at pos; nil where
// there is none.
func written(v cue.Value, pos token.Pos) ast.Expr {
	switch v.IncompleteKind() {
	case cue.StructKind:
		out := &ast.StructLit{Lbrace: pos}
		for it := fieldsOf(v); it.Next(); {
			if it.Selector().LabelType() != cue.StringLabel || it.FieldType()&(cue.OptionalConstraint|cue.RequiredConstraint) != 0 {
				continue
			}
			if x := written(it.Value(), pos); x != nil {
				out.Elts = append(out.Elts, &ast.Field{Label: quoted(it.Selector().Unquoted(), pos), Value: x})
			}
		}
		if len(out.Elts) == 0 {
			return nil
		}
		return out
	case cue.ListKind:
		out := &ast.ListLit{Lbrack: pos}
		for it, err := v.List(); err == nil && it.Next(); {
			x := written(it.Value(), pos)
			if x == nil {
				x = anything()
			}
			out.Elts = append(out.Elts, x)
		}
		return out
	}
	if d, ok := v.Default(); ok {
		v = d
	}
	if !v.IsConcrete() || v.Err() != nil {
		return nil
	}
	x, ok := v.Syntax(cue.Final()).(ast.Expr)
	if !ok {
		return nil
	}
	if l, ok := x.(*ast.BasicLit); ok {
		l.ValuePos = pos
	}
	return x
}
