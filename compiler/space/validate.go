package space

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is a kind of mistake in a Space.
type Fault string

// The faults.
const (
	EmptyRange          Fault = "empty range"           // Low not below High
	LogOfNonPositive    Fault = "log of non-positive"   // Log with Low at or below 0
	DefaultOutside      Fault = "default outside"       // of the range or the choices
	NoChoices           Fault = "no choices"            //
	RepeatedChoice      Fault = "repeated choice"       //
	MixedChoices        Fault = "mixed choices"         // of several types
	PriorWithoutDefault Fault = "prior without default" //
	UnknownParent       Fault = "unknown parent"        //
	NeverHolds          Fault = "never holds"           // a condition on a value its parent can't have
	ContinuousParent    Fault = "continuous parent"     // a condition on a value that a float hardly ever has
	Contradiction       Fault = "contradiction"         // conditions, its own and its parents', that exclude each other
	Cycle               Fault = "cycle"                 // of conditions
	UnknownKind         Fault = "unknown kind"          //
	NoGrammar           Fault = "no grammar"            // of kind grammar without one
)

// Mistake is one fault of one parameter.
type Mistake struct {
	Parameter string
	Fault     Fault
	Detail    string // a sentence without the remedy
	Given     string // the offending name or value, where there is one
	Among     []string
}

// Error prints the mistake with its parameter.
func (m Mistake) Error() string { return m.Parameter + ": " + m.Detail }

// Validate returns the first mistake of the space, or nil.
func (s Space) Validate() error {
	if m := s.Mistakes(); len(m) > 0 {
		return m[0]
	}
	return nil
}

// Mistakes returns all mistakes of the space, in the order of its parameters.
func (s Space) Mistakes() []Mistake {
	var ms []Mistake
	for _, p := range s.Parameters {
		ms = append(ms, p.mistakes()...)
		for _, c := range p.When {
			if m, wrong := s.condition(p, c); wrong {
				ms = append(ms, m)
			}
		}
	}
	if _, ring := s.order(); len(ring) > 0 {
		m := Mistake{Parameter: ring[0], Fault: Cycle,
			Detail: fmt.Sprintf("The conditions of %s wait for each other, so none is ever active.", strings.Join(ring, ", "))}
		if len(ring) == 1 {
			m.Detail = "Its condition waits for itself, so it is never active."
		}
		ms = append(ms, m)
	}
	if len(ms) > 0 {
		return ms // what follows would follow from these
	}
	for _, p := range s.Parameters {
		if parent, never := s.contradiction(p); never {
			ms = append(ms, Mistake{Parameter: p.Name, Fault: Contradiction,
				Detail: fmt.Sprintf("Its conditions and those of its parents ask different things of %s, so it is never active.", parent)})
		}
	}
	return ms
}

func (p Parameter) mistakes() []Mistake {
	var ms []Mistake
	add := func(f Fault, given string, detail string, args ...any) {
		ms = append(ms, Mistake{Parameter: p.Name, Fault: f, Given: given, Detail: fmt.Sprintf(detail, args...)})
	}
	switch p.Kind {
	case Float, Int:
		if p.Low >= p.High {
			add(EmptyRange, "", "The range from %v to %v holds no more than one value.", p.Low, p.High)
		} else if p.Log && p.Low <= 0 {
			add(LogOfNonPositive, "", "The range from %v to %v has no logarithm.", p.Low, p.High)
		}
	case Categorical:
		ms = append(ms, p.choiceMistakes()...)
	case Bool, Constant:
	case Grammar:
		if p.Grammar == nil {
			add(NoGrammar, "", "There is no grammar.")
		}
	default:
		add(UnknownKind, string(p.Kind), "The kind %q does not exist.", p.Kind)
	}
	if p.Default != nil && len(ms) == 0 && p.Kind == Grammar {
		if _, err := p.Derivation(*p.Default); err != nil {
			add(DefaultOutside, p.Default.String(), "The default is no derivation: %v.", err)
		}
		return ms
	}
	if p.Default != nil && len(ms) == 0 && !p.contains(*p.Default) {
		m := Mistake{Parameter: p.Name, Fault: DefaultOutside, Given: p.Default.String()}
		if p.Kind == Categorical {
			m.Among = texts(p.Choices)
			m.Detail = fmt.Sprintf("The default %v is none of the choices.", p.Default)
		} else {
			m.Detail = fmt.Sprintf("The default %v lies outside the range from %v to %v.", p.Default, p.Low, p.High)
		}
		ms = append(ms, m)
	}
	if p.Prior != "" && p.Default == nil {
		add(PriorWithoutDefault, "", "A prior lies around the default, and there is none.")
	}
	return ms
}

func (p Parameter) choiceMistakes() []Mistake {
	if len(p.Choices) == 0 {
		return []Mistake{{Parameter: p.Name, Fault: NoChoices, Detail: "There is no choice."}}
	}
	for i, c := range p.Choices {
		if slices.Contains(p.Choices[:i], c) {
			return []Mistake{{Parameter: p.Name, Fault: RepeatedChoice, Given: c.String(), Detail: fmt.Sprintf("The choice %v is repeated.", c)}}
		}
		if c.kind != p.Choices[0].kind {
			return []Mistake{{Parameter: p.Name, Fault: MixedChoices, Given: c.String(), Detail: fmt.Sprintf("The choices %v and %v are of different types.", p.Choices[0], c)}}
		}
	}
	return nil
}

// condition checks one condition of a parameter.
func (s Space) condition(p Parameter, c Condition) (Mistake, bool) {
	parent, ok := s.Parameter(c.Parent)
	if !ok {
		return Mistake{Parameter: p.Name, Fault: UnknownParent, Given: c.Parent, Among: s.others(p.Name),
			Detail: fmt.Sprintf("The space has no parameter %q.", c.Parent)}, true
	}
	if parent.Kind == Float {
		return Mistake{Parameter: p.Name, Fault: ContinuousParent, Given: c.Parent,
			Detail: fmt.Sprintf("Parameter %s is drawn from a continuous range, where it meets no single value.", c.Parent)}, true
	}
	if parent.Kind == Grammar {
		parent = parent.terminals()
	}
	for _, v := range c.Values {
		if !parent.contains(v) {
			what := c.Parent
			if parent.Kind == Int {
				what += fmt.Sprintf(", from %v to %v,", parent.Low, parent.High)
			}
			return Mistake{Parameter: p.Name, Fault: NeverHolds, Given: v.String(), Among: texts(parent.Choices),
				Detail: fmt.Sprintf("Parameter %s is never %v.", what, v)}, true
		}
	}
	return Mistake{}, false
}

// terminals are what a condition may ask of a grammar, as choices.
func (p Parameter) terminals() Parameter {
	out := Parameter{Kind: Categorical}
	if p.Grammar == nil {
		return out
	}
	for _, t := range p.Grammar.Terminals() {
		out.Choices = append(out.Choices, Text(t))
	}
	return out
}

func (s Space) others(name string) []string {
	var out []string
	for _, p := range s.Parameters {
		if p.Name != name {
			out = append(out, p.Name)
		}
	}
	return out
}

func texts(vs []Value) []string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = v.String()
	}
	return out
}
