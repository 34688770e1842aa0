package space

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"runspec/compiler/grammar"
	"runspec/grammars"
)

// tree is a space with a grammar that is active under one choice.
func tree(t *testing.T) Space {
	g, ds := grammar.Read("unet.hcl", grammars.UNet, grammar.Variables{"stages": 4})
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	return Space{Parameters: []Parameter{
		{Name: "architecture", Kind: Grammar, Grammar: &g, When: []Condition{{Parent: "search", Values: []Value{Truth(true)}}}},
		{Name: "search", Kind: Bool},
	}}
}

func TestTrees(t *testing.T) {
	s := tree(t)
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	if n := s.Count().String(); n != "37113601" {
		t.Errorf("%s configurations", n)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	p, _ := s.Parameter("architecture")
	for i := range 200 {
		c := s.Sample(rng, i%2 == 0)
		if err := s.Contains(c); err != nil || s.Density(c, true) <= 0 {
			t.Fatal(c, err)
		}
		v, ok := c["architecture"]
		if !ok {
			continue
		}
		m := p.MutateTree(rng, v)
		w, x, _ := p.CrossTrees(rng, v, p.standard())
		for _, v := range []Value{m, w, x} {
			if !p.contains(v) {
				t.Fatal(v)
			}
		}
		if m == v {
			t.Error("a mutation changes nothing") // likely once in 30,000
		}
	}
	raw, err := json.Marshal(s)
	var back Space
	if err != nil || json.Unmarshal(raw, &back) != nil || back.Default().Key() != s.Default().Key() {
		t.Error("JSON and back differ", err)
	}
	if s.Contains(Configuration{"search": Truth(true), "architecture": Text("(S unet)")}) == nil {
		t.Error("half a derivation passes")
	}
}

// TestDensity integrates to 1 over each parameter of the flat space.
func TestDensity(t *testing.T) {
	x := Parameter{Name: "x", Kind: Float, Low: 1e-3, High: 10, Log: true, Default: ptr(Number(5)), Prior: Medium}
	sum := 0.0
	const steps = 10000
	for i := range steps {
		sum += x.Density(x.at((float64(i)+0.5)/steps), true) / steps
	}
	if math.Abs(sum-1) > 1e-6 {
		t.Error(sum)
	}
	sum = 0
	for _, v := range []Value{Text("SGD"), Text("Adam")} {
		p, _ := sgd.Parameter("optimizer")
		sum += p.Density(v, true)
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Error(sum)
	}
	if d := sgd.Density(Configuration{"optimizer": Text("Adam"), "lr": Number(0.01), "epochs": Number(3), "version": Text("v2")}, false); d != 0.5 {
		t.Error(d)
	}
	if n := (Space{Parameters: []Parameter{{Name: "a", Kind: Int, Low: 1, High: 3}, {Name: "b", Kind: Bool, When: []Condition{{Parent: "a", Values: []Value{Number(2)}}}}}}).Count().Int64(); n != 4 {
		t.Error(n)
	}
}

// TestTreeIsAsked has a rate that is active where a derivation has dropout.
func TestTreeIsAsked(t *testing.T) {
	s := tree(t)
	s.Parameters = append(s.Parameters, Parameter{Name: "dropout_rate", Kind: Float, Low: 0, High: 0.5, When: []Condition{{Parent: "architecture", Values: []Value{Text("dropout")}}}})
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(2, 1))
	seen := map[bool]int{}
	for range 200 {
		c := s.Sample(rng, true)
		text, _ := c["architecture"].Text()
		want := strings.Contains(text, "DROPOUT dropout)")
		if _, has := c["dropout_rate"]; has != want || s.Contains(c) != nil {
			t.Fatal(c)
		}
		seen[want]++
	}
	if len(seen) != 2 || s.Count() != nil {
		t.Error(seen, s.Count())
	}
	// Without a search 1; of the trees a quarter has dropout on neither side.
	if sizes := fmt.Sprint(s.Sizes()); sizes != "[9278401 27835200]" {
		t.Error(sizes)
	}
	s.Parameters[2].When[0].Values[0] = Text("drop")
	if ms := s.Mistakes(); len(ms) != 1 || ms[0].Fault != NeverHolds {
		t.Error(ms)
	}
}

// TestSizes counts by enumeration what Sizes reckons: two conditions on one
// grammar whose terminals overlap, and one on an integer.
func TestSizes(t *testing.T) {
	g, ds := grammar.Read("g.hcl", []byte(`grammar "g" {
	  start     = "S"
	  terminals = ["a", "b", "c", "d"]
	  production "S" { alternatives = [["A", "B"], "A", "d"] }
	  production "A" { alternatives = ["a", "b"] }
	  production "B" { alternatives = ["b", "c"] }
	}`), nil)
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	on := func(values ...string) []Condition {
		w := Condition{Parent: "g"}
		for _, v := range values {
			w.Values = append(w.Values, Text(v))
		}
		return []Condition{w}
	}
	s := Space{Parameters: []Parameter{
		{Name: "a", Kind: Float, High: 1, When: on("a", "b")},
		{Name: "b", Kind: Int, Low: 1, High: 3, When: on("b")},
		{Name: "g", Kind: Grammar, Grammar: &g},
		{Name: "x", Kind: Float, High: 1, When: []Condition{{Parent: "b", Values: []Value{Number(1), Number(3)}}}},
	}}
	rng, seen := rand.New(rand.NewPCG(1, 1)), map[string]int{}
	for range 5000 {
		c := s.Sample(rng, false)
		floats := 0
		for _, name := range []string{"a", "x"} {
			if _, ok := c[name]; ok {
				floats++
				delete(c, name)
			}
		}
		seen[c.Key()] = floats
	}
	want := []int64{0, 0, 0}
	for _, floats := range seen {
		want[floats]++
	}
	if have := fmt.Sprint(s.Sizes()); have != fmt.Sprint(want) {
		t.Errorf("%s, want %v", have, want)
	}
}
