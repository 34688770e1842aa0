package compiler

import (
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"

	"runspec/compiler/diag"
)

// checker compares an experiment with the schema, field by field. CUE's own
// validation stops short: a conflict in one field hides unknown and missing
// fields beside it. So the checker judges each field by its conjuncts, what
// the user wrote and what the schema says, and asks CUE's errors only for what
// that leaves unsaid.
type checker struct {
	s     *source
	found diag.Diagnostics
	told  []string // paths with a diagnostic
}

func check(s *source) diag.Diagnostics {
	root := s.root()
	if err := s.value.Err(); err != nil && !fieldsOf(s.value).Next() {
		return s.cueErrors(err)
	}
	if !governed(root) {
		return diag.Diagnostics{s.noExperiment("It does not embed the language's #Experiment.")}
	}
	c := &checker{s: s}
	err := s.value.Validate(cue.Concrete(true))
	if err == nil { // nothing hides anything
		c.strays(root)
		return c.found
	}
	c.tags()
	c.structure(root)
	c.rest(err)
	if len(c.found) == 0 {
		return s.cueErrors(err)
	}
	return c.found
}

// strays tells the fields beside an embedded #Experiment that it lacks: CUE
// lets whoever embeds a struct add to it.
func (c *checker) strays(root node) {
	for it := fieldsOf(root.value); it.Next(); {
		if it.Selector().LabelType() != cue.StringLabel {
			continue
		}
		f := root.child(it)
		if users, ours := f.sides(); len(users) > 0 && len(ours) == 0 {
			c.unknown(root, f)
		}
	}
}

// governed says whether the schema speaks about any of a struct's fields.
func governed(n node) bool {
	for it := fieldsOf(n.value); it.Next(); {
		if it.Selector().LabelType() != cue.StringLabel {
			continue
		}
		if _, ours := n.child(it).sides(); len(ours) > 0 {
			return true
		}
	}
	return false
}

// fieldsOf iterates over the fields of a struct, also an erroneous one; those
// that the schema demands or admits are there as constraints.
func fieldsOf(v cue.Value) *cue.Iterator {
	it, err := v.Fields(cue.All())
	if err != nil {
		return &cue.Iterator{}
	}
	return it
}

func (n node) child(it *cue.Iterator) node {
	return node{s: n.s, parent: &n, name: it.Selector().Unquoted(), value: it.Value()}
}

// sides splits the conjuncts of a value into the user's and the language's.
// What admits anything is nobody's: --set leaves it where it strikes out.
func (n node) sides() (users, ours []cue.Value) {
	for _, c := range conjuncts(n.value) {
		switch {
		case c.IncompleteKind() == cue.TopKind:
		case n.s.users(c.Pos()):
			users = append(users, c)
		default:
			ours = append(ours, c)
		}
	}
	return users, ours
}

// structure checks the fields of a struct. What a wrong kind brings with it
// can't be judged, so then the kind alone is.
func (c *checker) structure(n node) {
	before := len(c.found)
	if c.fields(n, true); len(c.found) == before {
		c.fields(n, false)
	}
}

// fields checks the field "kind" of a struct, or all others.
func (c *checker) fields(n node, kind bool) {
	for it := fieldsOf(n.value); it.Next(); {
		if it.Selector().LabelType() != cue.StringLabel || kind != (it.Selector().Unquoted() == "kind") {
			continue
		}
		child := n.child(it)
		switch {
		case it.FieldType()&cue.RequiredConstraint != 0:
			c.missing(n, child)
		case it.FieldType()&cue.OptionalConstraint != 0:
		default:
			c.field(n, child)
		}
	}
}

func (c *checker) field(n, f node) {
	users, ours := f.sides()
	if len(ours) == 0 {
		c.unknown(n, f)
		return
	}
	c.judge(f, users, ours)
}

// judge checks a value that the schema knows.
func (c *checker) judge(f node, users, ours []cue.Value) {
	for _, u := range users {
		if u.IncompleteKind() != cue.BottomKind {
			continue
		}
		if c.reference(f, u.Err()) {
			return
		}
		if elsewhere(u.Err(), f.path()) {
			c.told = append(c.told, f.path()) // there it is told
			return
		}
	}
	want, have := kinds(ours), kinds(users)
	switch {
	case len(users) > 0 && want&have == 0:
		c.wrongType(f, users, want)
	case have == cue.StructKind, want == cue.StructKind:
		c.structure(f)
	case want == cue.ListKind:
		c.elements(f, f)
	case have == cue.ListKind:
		c.elements(f, f.narrowed(users, ours, have))
	default:
		c.scalar(f, users, ours)
	}
}

// narrowed is a node with those alternatives of the language only that are of
// the kind that the user wrote: the elements of a list are told one by one.
func (n node) narrowed(users, ours []cue.Value, kind cue.Kind) node {
	n.value, _ = agreed(users)
	for _, o := range ours {
		_, alternatives := cue.Dereference(o).Expr()
		for _, a := range alternatives {
			if a.IncompleteKind() == kind {
				n.value = n.value.Unify(a)
			}
		}
	}
	return n
}

// kinds is the kind that all of some conjuncts admit.
func kinds(vs []cue.Value) cue.Kind {
	k := cue.TopKind
	for _, v := range vs {
		if i := v.IncompleteKind(); i != cue.BottomKind {
			k &= i
		}
	}
	return k
}

// elements checks the elements of a list, f, as narrow has them.
func (c *checker) elements(f, narrow node) {
	before := len(c.found)
	for _, e := range narrow.list() {
		users, ours := e.sides()
		if len(users) == 0 && e.value.Validate(cue.Concrete(true)) != nil {
			c.tell(f, f.at(), diag.MissingField, "List too short", "%s lacks element %s, which must be %s. %s", f.title(), e.name, join(ours, constraint, ", "), doc(f.value))
			return
		}
		c.judge(e, users, ours)
	}
	if err := narrow.value.Err(); err != nil && len(c.found) == before {
		c.tell(f, f.at(), diag.OutOfBounds, "List of wrong length", "%s: %s. %s", f.title(), firstMessage(err), doc(f.value))
	}
}

// path is the dotted path of a node, as CUE's errors have it.
func (n node) path() string {
	if n.parent == nil || n.parent.parent == nil {
		return n.name
	}
	return n.parent.path() + "." + n.name
}

// rest tells the errors of CUE's whose paths have no diagnostic so far, above
// or below.
func (c *checker) rest(err error) {
	for _, e := range errors.Errors(err) {
		p := strings.ReplaceAll(strings.Join(e.Path(), "."), `"`, "")
		related := func(t string) bool {
			return t == p || strings.HasPrefix(t, p+".") || strings.HasPrefix(p, t+".")
		}
		if !slices.ContainsFunc(c.told, related) {
			c.found = append(c.found, c.s.cueErrors(e)...)
		}
	}
}
