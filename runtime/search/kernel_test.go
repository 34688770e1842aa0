package search

import (
	"testing"

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
