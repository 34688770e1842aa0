package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"runspec/compiler/grammar"
	"runspec/compiler/nnunet"
	"runspec/compiler/space"
)

// Class says what a change of a plan does to the trials that a run has already.
type Class string

// The classes, mildest first.
const (
	Cosmetic     Class = "cosmetic"     // changes no trial: names, report, where files lie
	MoreBudget   Class = "budget"       // more of the same: every trial keeps its identity, and what it has trained
	LargerSpace  Class = "space"        // old trials are points of the new plan, but new ones are drawn otherwise
	Incompatible Class = "incompatible" // old trials would mean something else, or nothing
)

var classes = []Class{Cosmetic, MoreBudget, LargerSpace, Incompatible}

// ChangeKind says how two plans differ at a path.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// Change is one difference between two plans. A path names elements of lists by
// their names: "studies.hpo.space.parameters.momentum.high".
type Change struct {
	Path  string          `json:"path"`
	Kind  ChangeKind      `json:"kind"`
	Old   json.RawMessage `json:"old,omitempty"`
	New   json.RawMessage `json:"new,omitempty"`
	Class Class           `json:"class"`
}

// Diff lists how b differs from a, in the order of a plan's fields. What no rule
// knows is incompatible, so a field that comes later is safe until somebody
// thinks about it. It is empty where the plans' digests are equal, and only there.
func Diff(a, b *Plan) []Change {
	c := &comparison{}
	c.walk(at{}, reflect.ValueOf(*a), reflect.ValueOf(*b))
	return c.changes
}

// Worst is the class of changes together; Cosmetic for none.
func Worst(changes []Change) Class {
	worst := 0
	for _, c := range changes {
		worst = max(worst, slices.Index(classes, c.Class))
	}
	return classes[worst]
}

// Has says whether any change is of a class.
func Has(changes []Change, class Class) bool {
	return slices.ContainsFunc(changes, func(c Change) bool { return c.Class == class })
}

// at is a place in two plans: the path that a person reads, the pattern that
// the rules have (names as *), and the values around it that rules ask for.
type at struct {
	path, pattern string
	datasets      [2]Dataset
	last          bool // of the elements that the old plan has in a list
}

func (p at) field(name string) at {
	q := p
	q.path, q.pattern = join(p.path, name), join(p.pattern, name)
	return q
}

func (p at) element(name string) at {
	q := p
	q.path, q.pattern = join(p.path, name), join(p.pattern, "*")
	return q
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// comparison gathers changes.
type comparison struct {
	changes []Change
}

func (c *comparison) add(p at, kind ChangeKind, a, b reflect.Value, class Class) {
	c.changes = append(c.changes, Change{Path: p.path, Kind: kind, Old: text(a), New: text(b), Class: class})
}

// text is a value as JSON; a fingerprint, which is long, in short.
func text(v reflect.Value) json.RawMessage {
	if !v.IsValid() {
		return nil
	}
	out := v.Interface()
	if f, ok := out.(*nnunet.Fingerprint); ok && f != nil {
		digest, _ := Digest(f)
		out = fmt.Sprintf("%d cases, %.19s", len(f.Spacings), digest)
	}
	b, err := json.Marshal(out)
	if err != nil { // not in a plan that can be written
		b, _ = json.Marshal(fmt.Sprint(out))
	}
	return b
}

// whole are the types that are compared in one piece.
var whole = []reflect.Type{
	reflect.TypeFor[*nnunet.Fingerprint](), reflect.TypeFor[space.Value](), reflect.TypeFor[*space.Value](), reflect.TypeFor[Bracket](),
}

func (c *comparison) walk(p at, a, b reflect.Value) {
	switch {
	case same(a, b):
	case slices.Contains(whole, a.Type()):
		c.leaf(p, a, b)
	case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
		c.walk(p, a.Elem(), b.Elem())
	case a.Kind() == reflect.Struct:
		c.fields(p, a, b)
	case a.Kind() == reflect.Slice && a.Type().Elem().Kind() == reflect.Struct && !slices.Contains(whole, a.Type().Elem()):
		c.list(p, a, b)
	case a.Type() == reflect.TypeFor[[]Bracket]():
		c.list(p, a, b)
	case a.Type() == reflect.TypeFor[grammar.Variables]():
		c.variables(p, a.Interface().(grammar.Variables), b.Interface().(grammar.Variables))
	default:
		c.leaf(p, a, b)
	}
}

// same says whether two values are the same JSON: a list that is nil is empty.
func same(a, b reflect.Value) bool {
	if reflect.DeepEqual(a.Interface(), b.Interface()) {
		return true
	}
	x, err := canonical(a.Interface())
	y, other := canonical(b.Interface())
	return err == nil && other == nil && string(x) == string(y)
}

func (c *comparison) fields(p at, a, b reflect.Value) {
	for i := range a.NumField() {
		name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
		c.walk(p.field(name), a.Field(i), b.Field(i))
	}
}

// leaf compares values that have no parts.
func (c *comparison) leaf(p at, a, b reflect.Value) {
	kind := Changed
	switch {
	case a.IsZero() && nothing(a):
		kind, a = Added, reflect.Value{}
	case b.IsZero() && nothing(b):
		kind, b = Removed, reflect.Value{}
	}
	c.add(p, kind, a, b, ruleFor(p.pattern)(p, a, b))
}

// nothing says whether a zero value means that there is none.
func nothing(v reflect.Value) bool {
	return v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice || v.Kind() == reflect.String
}

// list compares elements by name, or, where they have none, by their place.
func (c *comparison) list(p at, a, b reflect.Value) {
	olds, news := labels(a), labels(b)
	for i, name := range olds {
		q := p.element(name)
		q.last = i == len(olds)-1
		j := slices.Index(news, name)
		if j < 0 {
			c.add(q, Removed, a.Index(i), reflect.Value{}, ruleFor(p.pattern+".-")(p, a.Index(i), reflect.Value{}))
			continue
		}
		if x, ok := a.Index(i).Interface().(Dataset); ok {
			q.datasets = [2]Dataset{x, b.Index(j).Interface().(Dataset)}
		}
		c.walk(q, a.Index(i), b.Index(j))
	}
	for j, name := range news {
		if !slices.Contains(olds, name) {
			c.add(p.element(name), Added, reflect.Value{}, b.Index(j), ruleFor(p.pattern+".+")(p, reflect.Value{}, b.Index(j)))
		}
	}
	if x, y := common(olds, news), common(news, olds); !slices.Equal(x, y) {
		c.add(p, Changed, reflect.ValueOf(x), reflect.ValueOf(y), ruleFor(p.pattern)(p, a, b))
	}
}

// variables compares those of a grammar one by one.
func (c *comparison) variables(p at, a, b grammar.Variables) {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		q, kind := p.field(name), Changed
		old, new := reflect.ValueOf(a[name]), reflect.ValueOf(b[name])
		switch {
		case a[name] == b[name]:
			continue
		case !old.IsValid():
			kind = Added
		case !new.IsValid():
			kind = Removed
		}
		c.add(q, kind, old, new, ruleFor(q.pattern)(q, old, new))
	}
}

// labels are the elements' names, or their numbers.
func labels(list reflect.Value) []string {
	var out []string
	for i := range list.Len() {
		if f := list.Index(i).FieldByName("Name"); f.IsValid() {
			out = append(out, f.String())
		} else if f := list.Index(i).FieldByName("Parent"); f.IsValid() {
			out = append(out, f.String())
		} else {
			out = append(out, fmt.Sprint(i))
		}
	}
	return out
}

// common are the names of a that b has too.
func common(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return !slices.Contains(b, name) })
}
