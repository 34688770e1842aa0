package search

import (
	"math"
	"testing"

	"runspec/compiler/grammar"
	"runspec/compiler/space"
)

// TestUnlistedChoices holds that values of no list, such as derivations, stay
// different points, also from the absent one.
func TestUnlistedChoices(t *testing.T) {
	e := newEncoder(space.Space{Parameters: []space.Parameter{{Name: "tree", Kind: "grammar"}}})
	seen := map[string]string{}
	for _, text := range []string{"(S a)", "(S b)", "(S (T a) b)", ""} {
		c := space.Configuration{}
		if text != "" {
			c["tree"] = space.Text(text)
		}
		name := e.encode(c, 1).name()
		if other, taken := seen[name]; taken {
			t.Errorf("%q and %q are the same point", text, other)
		}
		seen[name] = text
	}
	a, b := e.encode(space.Configuration{"tree": space.Text("(S a)")}, 1), e.encode(space.Configuration{"tree": space.Text("(S b)")}, 1)
	if e.similarity(0, a[0], a[0]) != 1 || e.similarity(0, a[0], b[0]) != stranger {
		t.Error("equal derivations are not alike, or different ones are")
	}
}

// TestDerivationsAreCompared holds that trees are the more alike the fewer of
// their choices differ, and that numbers differ by steps.
func TestDerivationsAreCompared(t *testing.T) {
	g := &grammar.Grammar{Name: "g", Start: "S", Productions: []grammar.Production{
		{Symbol: "S", Alternatives: []grammar.Alternative{{Symbols: []string{"N", "B", "C"}, Probability: 1}}},
		{Symbol: "N", Alternatives: ofTerminals("relu", "elu", "gelu")},
		{Symbol: "B", Alternatives: ofTerminals("1b", "2b", "3b", "4b")},
		{Symbol: "C", Alternatives: ofTerminals("1b", "2b", "3b", "4b")},
	}}
	e := newEncoder(space.Space{Parameters: []space.Parameter{{Name: "tree", Kind: space.Grammar, Grammar: g}}})
	at := func(text string) coordinates {
		return e.encode(space.Configuration{"tree": space.Text(text)}, 1)
	}
	product := func(a, b coordinates) float64 {
		out := 1.0
		for d := 1; d < len(a); d++ { // the first is the tree's own number
			out *= e.similarity(d, a[d], b[d])
		}
		return out
	}
	base := at("(S (N relu) (B 1b) (C 1b))")
	step, steps, other := at("(S (N relu) (B 2b) (C 1b))"), at("(S (N relu) (B 4b) (C 1b))"), at("(S (N gelu) (B 1b) (C 1b))")
	if len(base) != 4 || product(base, base) != 1 {
		t.Fatalf("%d coordinates, a tree is %v like itself", len(base), product(base, base))
	}
	if near, far := product(base, step), product(base, steps); !(1 > near && near > far && far > 0) {
		t.Errorf("a step away is %v alike, three steps %v", near, far)
	}
	if got := product(base, other); math.Abs(got-stranger*stranger) > 1e-12 {
		t.Errorf("another activation, the group's only symbol, is %v alike", got)
	}
	s := newSurrogate(e, []kernel{e.initialKernel()})
	s.condition([]coordinates{base, step, other}, [][]float64{{1, 2, 3}})
	s.covariances(steps)
	for i, x := range []coordinates{base, step, other} {
		for d := range x {
			if got, want := s.similar[i*len(x)+d], e.similarity(d, steps[d], x[d]); got != want {
				t.Errorf("point %d, coordinate %d: %v, alone %v", i, d, got, want)
			}
		}
	}
	if lost := at("(S nonsense)"); lost[1] != absent {
		t.Error("a text that is no derivation has bits")
	}
}

func ofTerminals(names ...string) (out []grammar.Alternative) {
	for _, n := range names {
		out = append(out, grammar.Alternative{Symbols: []string{n}, Probability: 1 / float64(len(names))})
	}
	return out
}
