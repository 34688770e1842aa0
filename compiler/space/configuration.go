package space

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Parameter returns the named parameter, or false.
func (s Space) Parameter(name string) (Parameter, bool) {
	for i := range s.Parameters {
		if p := &s.Parameters[i]; p.Name == name {
			return *p, true
		}
	}
	return Parameter{}, false
}

// order sorts the parameters so that parents precede children, and otherwise
// by their place in the space. Parameters whose conditions wait for each other
// can't be sorted; they are returned as ring.
func (s Space) order() (sorted []Parameter, ring []string) {
	done := map[string]bool{}
	rest := s.Parameters
	for len(rest) > 0 {
		var waiting []Parameter
		for _, p := range rest {
			if s.waits(p, done) {
				waiting = append(waiting, p)
				continue
			}
			sorted, done[p.Name] = append(sorted, p), true
		}
		if len(waiting) == len(rest) {
			for _, p := range rest {
				ring = append(ring, p.Name)
			}
			return sorted, ring
		}
		rest = waiting
	}
	return sorted, nil
}

func (s Space) waits(p Parameter, done map[string]bool) bool {
	return slices.ContainsFunc(p.When, func(c Condition) bool {
		_, known := s.Parameter(c.Parent)
		return known && !done[c.Parent]
	})
}

// active says whether all of a parameter's conditions hold. An inactive parent
// has no value, so its children are inactive too.
func (s Space) active(p Parameter, c Configuration) bool {
	for _, w := range p.When {
		v, ok := c[w.Parent]
		if !ok || !s.holds(w, v) {
			return false
		}
	}
	return true
}

// holds says whether a parent's value fulfils a condition: it is one of the
// condition's, or a derivation with one of them as a terminal.
func (s Space) holds(w Condition, v Value) bool {
	if parent, _ := s.Parameter(w.Parent); parent.Kind != Grammar {
		return slices.Contains(w.Values, v)
	}
	text, _ := v.Text()
	return slices.ContainsFunc(w.Values, func(v Value) bool { return hasSymbol(text, v.str) })
}

// hasSymbol says whether a derivation's text has a symbol.
func hasSymbol(text, symbol string) bool {
	edge := func(i int) bool { return i < 0 || i >= len(text) || strings.IndexByte(" ()", text[i]) >= 0 }
	for at := 0; symbol != ""; {
		i := strings.Index(text[at:], symbol)
		if i < 0 {
			return false
		}
		if at += i; edge(at-1) && edge(at+len(symbol)) {
			return true
		}
		at++
	}
	return false
}

// contains says whether a value lies in the parameter's range or choices.
func (p Parameter) contains(v Value) bool {
	switch p.Kind {
	case Float, Int:
		f, ok := v.Float()
		return ok && f >= p.Low && f <= p.High && (p.Kind == Float || f == math.Trunc(f))
	case Bool:
		_, ok := v.Bool()
		return ok
	case Grammar:
		_, err := p.Derivation(v)
		return err == nil
	}
	return slices.Contains(p.Choices, v)
}

// Contains returns nil where c is a point of the space: each active parameter
// has a value in its range, and nothing else is there.
func (s Space) Contains(c Configuration) error {
	seen := 0
	for _, p := range s.Parameters {
		v, ok := c[p.Name]
		switch {
		case !s.active(p, c) && ok:
			return fmt.Errorf("parameter %s is inactive here, and has the value %v", p.Name, v)
		case !s.active(p, c):
			continue
		case !ok:
			return fmt.Errorf("parameter %s has no value", p.Name)
		case !p.contains(v):
			return fmt.Errorf("parameter %s can't be %v", p.Name, v)
		}
		seen++
	}
	if seen == len(c) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if _, ok := s.Parameter(name); !ok {
			return fmt.Errorf("the space has no parameter %s", name)
		}
	}
	return nil
}

// Default is the configuration of the parameters' defaults. A parameter
// without one takes the middle of its range in its sampling scale, its first
// choice, false, or its grammar's default derivation.
func (s Space) Default() Configuration {
	c := Configuration{}
	sorted, _ := s.order()
	for _, p := range sorted {
		if s.active(p, c) {
			c[p.Name] = p.standard()
		}
	}
	return c
}

func (p Parameter) standard() Value {
	switch {
	case p.Default != nil:
		return *p.Default
	case p.Kind == Float || p.Kind == Int:
		return p.at(0.5)
	case p.Kind == Bool:
		return Truth(false)
	case p.Kind == Grammar:
		return Text(p.Grammar.Default().String())
	}
	return p.Choices[0]
}

// Key is the configuration's canonical text: JSON with sorted names, in which
// equal configurations are equal and different ones differ.
func (c Configuration) Key() string {
	b, err := json.Marshal(map[string]Value(c))
	if err != nil {
		panic(fmt.Sprintf("configuration without text: %v", err))
	}
	return string(b)
}
