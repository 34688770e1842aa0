package compiler

import (
	"fmt"
	"strings"

	"cuelang.org/go/cue"

	"runspec/compiler/diag"
	"runspec/compiler/plan"
	"runspec/compiler/space"
)

// hyperparameter checks a parameter against the field of #Hyperparameters or
// #Network that bears its name: it must exist, and admit all that the parameter
// can be, on each of the data sets.
func (l *lowering) hyperparameter(n node, p space.Parameter, ds []plan.Dataset) {
	known := n.s.language.LookupPath(cue.ParsePath("#Hyperparameters"))
	networks := n.s.language.LookupPath(cue.ParsePath("#Network"))
	path := cue.MakePath(cue.Str(p.Name).Optional())
	field := known.LookupPath(path)
	if !field.Exists() {
		field = networks.LookupPath(path)
	}
	if !field.Exists() {
		names := append(labels(known), labels(networks)...)
		l.found = append(l.found, n.s.diagnostic(n.label(), diag.UnknownHyperparameter, "Unknown hyperparameter",
			fmt.Sprintf("A training has no hyperparameter %q, so searching it would change nothing. %s", p.Name, remedy(p.Name, names, "It has "))))
		return
	}
	for _, e := range extremes(n, p) {
		if field.Unify(e.value).Validate(cue.Concrete(true)) != nil {
			l.add(e, diag.BadHyperparameter, "Hyperparameter can't have this value",
				"Parameter %s may be %s, but a training takes %s. Change it.", p.Name, write(e.value), constraint(field))
			return
		}
		if p.Name == plan.Tree && p.Kind != space.Grammar {
			l.derivation(e, p, ds)
		}
	}
}

// extremes are the values of a parameter that, if admitted, speak for all.
func extremes(n node, p space.Parameter) []node {
	switch p.Kind {
	case space.Float, space.Int:
		return []node{n.field("low"), n.field("high")}
	case space.Categorical:
		return n.field("choices").list()
	case space.Constant:
		return []node{n.field("value")}
	}
	b := n.field("kind")
	if p.Kind == space.Grammar {
		b.value = b.value.Context().Encode("a derivation")
		return []node{b}
	}
	b.value = b.value.Context().Encode(true)
	return []node{b}
}

// mistake tells a mistake of a space at the field of its parameter that it
// concerns. A condition's values can be judged only where the whole space was
// read.
func (l *lowering) mistake(n node, m space.Mistake, whole bool) {
	tell := func(field string, code diag.Code, summary, fix string) {
		at := n
		if f := n.field(field); f.set() {
			at = f
		}
		l.add(at, code, summary, "Parameter %s: %s %s", m.Parameter, m.Detail, fix)
	}
	switch m.Fault {
	case space.EmptyRange:
		tell("low", diag.MinAboveMax, "Minimum above maximum", "Raise high or lower low; a single value is a parameter of kind \"constant\".")
	case space.LogOfNonPositive:
		tell("low", diag.BadRange, "Range without logarithm", "Raise low above 0, or drop log.")
	case space.DefaultOutside:
		fix := "Move the default or widen the range."
		if len(m.Among) > 0 {
			fix = remedy(m.Given, m.Among, "They are ")
		}
		tell("default", diag.DefaultOutside, "Default outside its range", fix)
	case space.RepeatedChoice:
		tell("choices", diag.BadChoices, "Repeated choice", "Remove one.")
	case space.MixedChoices:
		tell("choices", diag.BadChoices, "Choices of several types", "Write all as numbers, all as texts, or all as true and false.")
	case space.PriorWithoutDefault:
		tell("prior", diag.PriorWithoutDefault, "Prior without default", "Give the parameter a default, or drop the prior.")
	case space.UnknownParent:
		tell("when", diag.UnknownParent, "Condition on an unknown parameter", remedy(m.Given, m.Among, "It has "))
	case space.NeverHolds:
		fix := "Ask for a value that it can have."
		if len(m.Among) > 0 {
			fix = remedy(m.Given, m.Among, "It is one of ")
		}
		if whole {
			tell("when", diag.NeverHolds, "Condition that never holds", fix)
		}
	case space.ContinuousParent:
		tell("when", diag.NeverHolds, "Condition that never holds", "Ask for a parameter of another kind.")
	case space.Contradiction:
		tell("when", diag.NeverHolds, "Conditions that never hold at once", "Remove one of the conditions.")
	case space.Cycle:
		tell("when", diag.ConditionCycle, "Conditions in a ring", "Remove one of the conditions.")
	}
}

// overruled tells the parameters that a derivation overrules wherever both are
// active, so that searching them would change nothing.
func (l *lowering) overruled(s space.Space, places map[string]node) {
	for _, p := range s.Parameters {
		if plan.OverruledByTree(p.Name) && s.Together(p.Name, plan.Tree) {
			n := places[p.Name]
			l.found = append(l.found, n.s.diagnostic(n.label(), diag.Overruled, "Hyperparameter that another overrules",
				fmt.Sprintf("Where %s is searched, a derivation says what %s says, which then changes nothing. Drop one, or give them conditions that exclude each other.", plan.Tree, p.Name)))
		}
	}
}

// remedy suggests the nearest candidate; where none is near it lists them all.
func remedy(given string, candidates []string, lead string) string {
	if s := diag.DidYouMean(given, candidates); s != "" {
		return s
	}
	if len(candidates) == 0 {
		return "There is none to choose from."
	}
	return lead + strings.Join(candidates, ", ") + "."
}

// few is how many choices are listed even where one is near.
const few = 6

// choose tells the choices of an enumeration: all where they are few, and the
// nearest where what was given is a slip of it. A short word is near to others
// that it has nothing to do with, as "gpu" to "cpu".
func choose(given string, choices []string, lead string) string {
	if len(choices) == 0 || len(choices) > few {
		return remedy(given, choices, lead)
	}
	text := lead + strings.Join(choices, ", ") + "."
	if s := diag.Suggest(given, choices); s != "" && diag.Slip(given, s) {
		text += " " + diag.DidYouMean(given, choices)
	}
	return text
}

// labels are the names of a value's fields, required and optional ones too.
func labels(v cue.Value) []string {
	it, err := v.Fields(cue.Optional(true))
	if err != nil {
		return nil
	}
	var out []string
	for it.Next() {
		if s := it.Selector(); s.LabelType() == cue.StringLabel {
			out = append(out, s.Unquoted())
		}
	}
	return out
}
