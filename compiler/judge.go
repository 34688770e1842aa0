package compiler

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"

	"runspec/compiler/diag"
)

// tell records a diagnostic about a node.
func (c *checker) tell(n node, at diag.Range, code diag.Code, summary, detail string, args ...any) {
	c.found = append(c.found, c.s.diagnostic(at, code, summary, fmt.Sprintf(detail, args...)))
	c.told = append(c.told, n.path())
}

func (c *checker) unknown(n, f node) {
	var known []string
	for it := fieldsOf(n.value); it.Next(); {
		if it.Selector().LabelType() != cue.StringLabel {
			continue
		}
		if _, ours := n.child(it).sides(); len(ours) > 0 {
			known = append(known, it.Selector().Unquoted())
		}
	}
	own := ""
	if n.parent == nil && diag.DidYouMean(f.name, known) == "" {
		own = " What a spec keeps to itself begins with \"_\"."
	}
	if kinds := n.kindsWith(f.name); len(kinds) > 0 {
		kind, _ := n.field("kind").text()
		c.tell(f, f.label(), diag.UnknownField, "Unknown field", "%s is of kind %q, which has no field %q. Remove it, or change the kind to %s.", n.title(), kind, f.name, strings.Join(kinds, " or "))
		return
	}
	c.tell(f, f.label(), diag.UnknownField, "Unknown field", "%s has no field %q. %s%s", n.title(), f.name, remedy(f.name, known, "It has "), own)
}

// kindsWith are the kinds of a struct under which it has a field of that name.
func (n node) kindsWith(name string) []string {
	var out []string
	_, ours := n.field("kind").sides()
	_, schema := n.sides()
	for _, k := range ours {
		for _, kind := range alternatives(cue.Dereference(k)) {
			for _, s := range schema {
				s = cue.Dereference(s).FillPath(cue.ParsePath("kind"), kind)
				if s.LookupPath(cue.MakePath(cue.Str(name).Optional())).Exists() || s.LookupPath(cue.MakePath(cue.Str(name).Required())).Exists() {
					out = append(out, kind)
					break
				}
			}
		}
	}
	return out
}

func (c *checker) missing(n, f node) {
	c.tell(f, n.label(), diag.MissingField, "Missing field", "%s needs the field %q: %s", n.title(), f.name, doc(f.value))
}

// wrongType tells that the user wrote a text where a number belongs, and so on.
func (c *checker) wrongType(f node, users []cue.Value, want cue.Kind) {
	c.tell(f, f.at(), diag.WrongType, "Wrong type", "%s is %s; it must be %s. %s",
		f.title(), write(users[0]), words(want), doc(f.value))
}

// scalar checks a value that is neither struct nor list.
func (c *checker) scalar(f node, users, ours []cue.Value) {
	err := f.value.Validate(cue.Concrete(true))
	if err == nil {
		return
	}
	u, given := agreed(users)
	switch {
	case len(users) > 1 && u.Err() != nil:
		c.tell(f, f.at(), diag.Conflict, "Two values", "%s is given twice: %s. Keep one.", f.title(), join(users, write, " and "))
		return
	case given && u.Err() != nil:
		c.tell(f, f.at(), diag.Invalid, "Invalid value", "%s is %s: %s.", f.title(), write(u), firstMessage(u.Err()))
		return
	case !given || !u.IsConcrete():
		for _, x := range users {
			if tag, ok := c.s.unset(x.Source()); ok && slices.Contains(c.s.refused, tag) {
				c.told = append(c.told, f.path())
				return
			} else if ok {
				c.tell(f, f.at(), diag.Incomplete, "Value not fixed", "%s needs the tag %s, which has no value. Give it one, as in -t %s=VALUE.", f.title(), tag, tag)
				return
			}
		}
		c.tell(f, f.at(), diag.Incomplete, "Value not fixed", "%s has no fixed value; the schema takes %s. %s", f.title(), join(ours, constraint, ", "), doc(f.value))
		return
	}
	for _, o := range ours {
		if o.Unify(u).Validate(cue.Concrete(true)) == nil {
			continue
		}
		c.refused(f, u, cue.Dereference(o), join(ours, constraint, ", "))
		return
	}
	c.tell(f, f.at(), diag.Invalid, "Invalid value", "%s: %v.", f.title(), err)
}

// refused tells why one constraint of the schema, o, refuses the user's value.
func (c *checker) refused(f node, u, o cue.Value, all string) {
	text, _ := u.String()
	choices := alternatives(o)
	switch {
	case o.IsConcrete():
		c.tell(f, f.at(), diag.Conflict, "Two values", "%s is %s, but a piece of the language that the spec uses says %s. Drop one.", f.title(), write(u), write(o))
	case len(choices) > 0:
		c.tell(f, f.at(), diag.NotAChoice, "Not one of the choices", "%s is %s. %s", f.title(), write(u), choose(text, choices, "It must be one of "))
	case u.Kind() == cue.StringKind:
		c.tell(f, f.at(), diag.BadFormat, "Text of another form", "%s is %s; it must be %s. %s", f.title(), write(u), all, doc(f.value))
	default:
		c.tell(f, f.at(), diag.OutOfBounds, "Out of bounds", "%s is %s; it must be %s. %s", f.title(), write(u), all, doc(f.value))
	}
}

// agreed is the unification of what the user wrote; false where that is nothing.
func agreed(users []cue.Value) (cue.Value, bool) {
	if len(users) == 0 {
		return cue.Value{}, false
	}
	v := users[0]
	for _, u := range users[1:] {
		v = v.Unify(u)
	}
	return v, true
}

// alternatives are the texts of a disjunction of texts, or nothing.
func alternatives(v cue.Value) []string {
	op, vs := v.Expr()
	if op != cue.OrOp {
		return nil
	}
	var out []string
	for _, x := range vs {
		s, err := x.String()
		if err != nil {
			return nil
		}
		out = append(out, s)
	}
	return out
}

func join(vs []cue.Value, show func(cue.Value) string, with string) string {
	var out []string
	for _, v := range vs {
		if t := show(v); t != "" && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return strings.Join(out, with)
}

// title names a node in a sentence.
func (n node) title() string {
	if n.parent == nil {
		return "An experiment"
	}
	return n.path()
}
