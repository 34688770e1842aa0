package space

import (
	"math/rand/v2"
	"testing"
)

// Mutants of a space with conditions and a grammar are points of it, differ,
// and have a score around any centre.
func TestMutate(t *testing.T) {
	s := tree(t)
	rng := rand.New(rand.NewPCG(2, 1))
	c := s.Sample(rng, true)
	trees, changed := 0, 0
	for range 300 {
		m := s.Mutate(rng, c)
		if err := s.Contains(m); err != nil {
			t.Fatal(m, err)
		}
		if m.Key() == c.Key() {
			t.Fatal("nothing has changed in", m)
		}
		if score := s.Score(m, c, false); !(score > 0) {
			t.Fatal(m, "has the score", score)
		}
		old, had := c["architecture"]
		if v, ok := m["architecture"]; ok {
			trees++
			if had && v != old {
				changed++
			}
		}
		c = m
	}
	if trees < 50 || changed < 20 {
		t.Errorf("%d trees, %d mutated", trees, changed)
	}
}

// A space of one point has no mutant.
func TestMutateOnePoint(t *testing.T) {
	s := Space{Parameters: []Parameter{{Name: "clip", Kind: Int, Low: 3, High: 3}, {Name: "mode", Kind: Categorical, Choices: []Value{Text("a")}}}}
	c := s.Default()
	if m := s.Mutate(rand.New(rand.NewPCG(1, 1)), c); m.Key() != c.Key() {
		t.Error(m)
	}
}
