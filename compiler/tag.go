package compiler

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"

	"runspec/compiler/diag"
)

// tagFile stands for the values of -t in diagnostics; its lines are the
// arguments, sorted.
const tagFile = "<-t>"

// tagField is a field of the spec that takes its value from the command line.
type tagField struct {
	tag, kind string // kind: "int", "number", "bool", or "" for a text
	field     *ast.Field
}

func (s *source) tagFields() []tagField {
	var out []tagField
	if s.tree == nil {
		return nil
	}
	ast.Walk(s.tree, func(n ast.Node) bool {
		f, ok := n.(*ast.Field)
		if !ok {
			return true
		}
		for _, a := range f.Attrs {
			key, body := a.Split()
			if key != "tag" {
				continue
			}
			words := strings.Split(body, ",")
			t := tagField{tag: strings.TrimSpace(words[0]), field: f}
			for _, w := range words[1:] {
				if kind, ok := strings.CutPrefix(strings.TrimSpace(w), "type="); ok && kind != "string" {
					t.kind = kind
				}
			}
			out = append(out, t)
		}
		return true
	}, nil)
	return out
}

// checkTags tells the given tags that the spec lacks, and the values of another
// type than their tags'. It returns the others.
func (s *source) checkTags() (good map[string]string, ds diag.Diagnostics) {
	good = map[string]string{}
	fields := s.tagFields()
	var known []string
	for _, f := range fields {
		known = append(known, f.tag)
	}
	for i, name := range slices.Sorted(maps.Keys(s.tags)) {
		value := s.tags[name]
		s.text[tagFile] = append(s.text[tagFile], name+"="+value)
		at := slices.Index(known, name)
		switch {
		case at < 0:
			ds = append(ds, s.diagnostic(place(tagFile, i+1, 0, len(name)), diag.UnknownTag, "Unknown tag",
				fmt.Sprintf("The spec has no tag %q. %s", name, remedy(name, known, "It has "))))
		case !fits(value, fields[at].kind):
			v := fields[at].field.Value
			s.refused = append(s.refused, name)
			ds = append(ds, s.diagnostic(s.span(v.Pos(), v.End()), diag.UnknownTag, "Tag of another type",
				fmt.Sprintf("The tag %s can't be %q; it takes %s.", name, value, kindWords[fields[at].kind])))
		default:
			good[name] = value
		}
	}
	return good, ds
}

// place is a part of an argument of the command line.
func place(file string, line, from, to int) diag.Range {
	return diag.Range{File: file, Start: diag.Position{Line: line, Column: from + 1}, End: diag.Position{Line: line, Column: to + 1}}
}

// kindWords are the words for the types of tags.
var kindWords = map[string]string{"int": words(cue.IntKind), "number": words(cue.NumberKind), "bool": words(cue.BoolKind)}

// fits says whether CUE takes a tag's value as one of its type.
func fits(value, kind string) bool {
	switch kind {
	case "int", "number":
		var n literal.NumInfo
		return literal.ParseNum(value, &n) == nil && (kind == "number" || n.IsInt())
	case "bool":
		return slices.Contains([]string{"1", "0", "t", "f", "T", "F", "true", "false", "TRUE", "FALSE", "True", "False"}, strings.TrimSpace(value))
	}
	return true
}

// tags checks the fields that take their values from the command line.
func (c *checker) tags() {
	for it := fieldsOf(c.s.value); it.Next(); {
		a := it.Value().Attribute("tag")
		if a.Err() != nil || it.Value().Validate(cue.Concrete(true)) == nil {
			continue
		}
		name, _ := a.String(0)
		given, ok := c.s.tags[name]
		if !ok || slices.Contains(c.s.refused, name) {
			continue // a mistake only where the field is used, or told already
		}
		n := node{s: c.s, parent: &node{s: c.s, value: c.s.value}, name: it.Selector().String(), value: it.Value()}
		c.tell(n, n.at(), diag.UnknownTag, "Unknown value of a tag", "The tag %s can't be %q. %s", name, given, admitted(it.Value(), given))
	}
}

// admitted says what a tag's field takes.
func admitted(v cue.Value, given string) string {
	var choices, others []string
	for _, x := range conjuncts(v) {
		choices = append(choices, alternatives(x)...)
		if t := constraint(x); t != "" && !x.IsConcrete() {
			others = append(others, t)
		}
	}
	if len(choices) == 0 && len(others) > 0 {
		return "It must be " + strings.Join(others, ", ") + "."
	}
	return choose(given, choices, "It is one of ")
}

// unset names a tag without a value that an expression of the spec uses.
func (s *source) unset(x ast.Node) (tag string, found bool) {
	if x == nil {
		return "", false
	}
	waiting := map[string]string{}
	for _, f := range s.tagFields() {
		if label, _, err := ast.LabelName(f.field.Label); err == nil {
			if _, given := s.tags[f.tag]; !given || slices.Contains(s.refused, f.tag) {
				waiting[label] = f.tag
			}
		}
	}
	ast.Walk(x, func(n ast.Node) bool {
		if i, ok := n.(*ast.Ident); ok && !found {
			tag, found = waiting[i.Name]
		}
		return true
	}, nil)
	return tag, found
}
