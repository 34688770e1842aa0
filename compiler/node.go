package compiler

import (
	"path/filepath"
	"strconv"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"runspec/compiler/diag"
)

// node is a place in an experiment: the value there, and what defaults.cue
// says in its stead. Reading is tolerant: whatever check objects to reads as
// absent, so that lower can go on and find the mistakes that remain.
type node struct {
	s      *source
	parent *node
	name   string
	value  cue.Value
	fall   cue.Value // default; may not exist
}

func (s *source) root() node {
	return node{s: s, value: s.value, fall: s.language.LookupPath(cue.ParsePath("defaults.experiment"))}
}

// field descends to a field, present or not.
func (n node) field(name string) node {
	p := cue.MakePath(cue.Str(name))
	return node{s: n.s, parent: &n, name: name, value: n.value.LookupPath(p), fall: n.fall.LookupPath(p)}
}

// or replaces the defaults under the node by those at a path of defaults.cue.
func (n node) or(path string) node {
	n.fall = n.s.language.LookupPath(cue.ParsePath("defaults." + path))
	return n
}

// set says whether the user gave the field.
func (n node) set() bool { return n.value.Exists() }

// read is the value that holds: the user's, else the default. It is false
// where there is neither, or the user's is wrong.
func (n node) read() (cue.Value, bool) {
	if n.set() {
		return n.value, n.value.Validate(cue.Concrete(true)) == nil
	}
	return n.fall, n.fall.Exists()
}

func (n node) number() (float64, bool) {
	v, ok := n.read()
	if !ok {
		return 0, false
	}
	f, err := v.Float64()
	return f, err == nil
}

func (n node) int() (int, bool) {
	v, ok := n.read()
	if !ok {
		return 0, false
	}
	i, err := v.Int64()
	return int(i), err == nil
}

func (n node) text() (string, bool) {
	v, ok := n.read()
	if !ok {
		return "", false
	}
	s, err := v.String()
	return s, err == nil
}

func (n node) truth() (bool, bool) {
	v, ok := n.read()
	if !ok {
		return false, false
	}
	b, err := v.Bool()
	return b, err == nil
}

// list gives the elements of a list, also where some of them are wrong.
func (n node) list() []node {
	v := n.value
	if !n.set() {
		v = n.fall
	}
	var out []node
	for i := 0; ; i++ { // an erroneous list can't be iterated, but indexed
		e := v.LookupPath(cue.MakePath(cue.Index(i)))
		if !e.Exists() {
			return out
		}
		out = append(out, node{s: n.s, parent: &n, name: strconv.Itoa(i), value: e})
	}
}

// fields gives the regular fields of a struct in the order of the source.
func (n node) fields() []node {
	it, err := n.value.Fields()
	if err != nil {
		return nil
	}
	var out []node
	for it.Next() {
		out = append(out, node{s: n.s, parent: &n, name: it.Selector().Unquoted(), value: it.Value()})
	}
	return out
}

// at is the place of the value in the user's file, or the nearest enclosing
// one that stands there.
func (n node) at() diag.Range { return n.place(false) }

// label is the place of the field's name.
func (n node) label() diag.Range { return n.place(true) }

func (n node) place(label bool) diag.Range {
	for m := &n; m != nil; m = m.parent {
		for _, c := range conjuncts(m.value) {
			if r, ok := n.s.rangeOf(c.Source(), label, m.name); ok {
				return r
			}
		}
		label = true // of what encloses it
	}
	return diag.Range{File: n.s.path}
}

// conjuncts are what a value is the conjunction of; each has its own place.
func conjuncts(v cue.Value) []cue.Value {
	if !v.Exists() {
		return nil
	}
	op, vs := v.Expr()
	if op != cue.AndOp {
		return []cue.Value{v}
	}
	var out []cue.Value
	for _, x := range vs {
		out = append(out, conjuncts(x)...)
	}
	return out
}

// rangeOf is the range of a syntax node of the user's own file, or of the
// label of the field of that name whose value it is part of.
func (s *source) rangeOf(n ast.Node, label bool, name string) (diag.Range, bool) {
	if n == nil || !s.users(n.Pos()) {
		return diag.Range{}, false
	}
	f, ok := n.(*ast.Field)
	if !ok && label {
		f = s.fieldAround(n.Pos(), name)
	}
	switch {
	case f != nil && label:
		n = f.Label
	case f != nil:
		n = f.Value
	}
	if !n.Pos().IsValid() {
		return diag.Range{}, false // --set has struck it out
	}
	return s.span(n.Pos(), n.End()), true
}

// fieldAround is the innermost field of that name around a position of the spec.
func (s *source) fieldAround(p token.Pos, name string) *ast.Field {
	var found *ast.Field
	if p.Filename() != s.file || s.tree == nil {
		return nil
	}
	ast.Walk(s.tree, func(n ast.Node) bool {
		f, ok := n.(*ast.Field)
		if !ok || f.Pos().Filename() != s.file {
			return true
		}
		if l, _, err := ast.LabelName(f.Label); err == nil && l == name && f.Pos().Offset() <= p.Offset() && p.Offset() < f.End().Offset() {
			found = f
		}
		return true
	}, nil)
	return found
}

// users says whether a position is in a file of the user's.
func (s *source) users(p token.Pos) bool {
	return p.IsValid() && p.Filename() != "" && (s.specDir == "" || filepath.Dir(p.Filename()) != s.specDir)
}

func (s *source) span(from, to token.Pos) diag.Range {
	r := diag.Range{File: s.show(from.Filename()), Start: diag.Position{Line: from.Line(), Column: from.Column()}}
	if to.IsValid() {
		r.End = diag.Position{Line: to.Line(), Column: to.Column()}
	}
	return r
}

// show is a file's name as the user wrote it; another file's is told from the
// spec's.
func (s *source) show(file string) string {
	if file == s.file {
		return s.path
	}
	if r, err := filepath.Rel(filepath.Dir(s.file), file); err == nil && filepath.IsAbs(file) {
		return filepath.Join(filepath.Dir(s.path), r)
	}
	return file
}
