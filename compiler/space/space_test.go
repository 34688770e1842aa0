package space

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func ptr(v Value) *Value { return &v }

// sgd has a condition, a condition on a conditional parameter, and every kind.
// Children stand before their parents.
var sgd = Space{Parameters: []Parameter{
	{Name: "a_nesterov", Kind: Bool, When: []Condition{{Parent: "momentum", Values: []Value{Number(0.9)}}}},
	{Name: "epochs", Kind: Int, Low: 1, High: 1000, Log: true, Default: ptr(Number(10)), Prior: High},
	{Name: "lr", Kind: Float, Low: 1e-5, High: 0.1, Log: true, Default: ptr(Number(0.1)), Prior: Medium},
	{Name: "momentum", Kind: Categorical, Choices: []Value{Number(0.9), Number(0.99)}, When: []Condition{{Parent: "optimizer", Values: []Value{Text("SGD")}}}},
	{Name: "optimizer", Kind: Categorical, Choices: []Value{Text("SGD"), Text("Adam")}, Default: ptr(Text("SGD")), Prior: Low},
	{Name: "version", Kind: Constant, Choices: []Value{Text("v2")}},
}}

func TestSampleIsContained(t *testing.T) {
	if err := sgd.Validate(); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		seed, prior := rapid.Uint64().Draw(t, "seed"), rapid.Bool().Draw(t, "prior")
		c := sgd.Sample(rand.New(rand.NewPCG(seed, 0)), prior)
		if err := sgd.Contains(c); err != nil {
			t.Fatal(c, err)
		}
		again := sgd.Sample(rand.New(rand.NewPCG(seed, 0)), prior)
		if c.Key() != again.Key() {
			t.Fatal("same seed, other sample:", c.Key(), again.Key())
		}
		optimizer, _ := c["optimizer"].Text()
		if _, has := c["momentum"]; has != (optimizer == "SGD") {
			t.Fatal("condition broken:", c.Key())
		}
		if _, has := c["a_nesterov"]; has != (c["momentum"] == Number(0.9)) {
			t.Fatal("nested condition broken:", c.Key())
		}
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back Configuration
		if err := json.Unmarshal(raw, &back); err != nil || back.Key() != c.Key() {
			t.Fatal("JSON and back differ:", err, back.Key(), c.Key())
		}
	})
}

func TestContainsRejects(t *testing.T) {
	good := Configuration{"optimizer": Text("Adam"), "lr": Number(0.01), "epochs": Number(3), "version": Text("v2")}
	if err := sgd.Contains(good); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]Value{
		"lr": Number(0.2), "epochs": Number(2.5), "optimizer": Text("AdamW"), "momentum": Number(0.9),
		"version": Text("v1"), "unheard": Number(1), "a_nesterov": Truth(true),
	} {
		bad := Configuration{name: v}
		for k, v := range good {
			if k != name {
				bad[k] = v
			}
		}
		if sgd.Contains(bad) == nil {
			t.Errorf("%s = %v passes", name, v)
		}
		if name != "momentum" && name != "unheard" && name != "a_nesterov" {
			delete(bad, name)
			if sgd.Contains(bad) == nil {
				t.Errorf("without %s passes", name)
			}
		}
	}
}

func TestDefault(t *testing.T) {
	want := `{"a_nesterov":false,"epochs":10,"lr":0.1,"momentum":0.9,"optimizer":"SGD","version":"v2"}`
	if c := sgd.Default(); c.Key() != want || sgd.Contains(c) != nil {
		t.Errorf("%s, want %s", c.Key(), want)
	}
	middle := Space{Parameters: []Parameter{{Name: "x", Kind: Float, Low: 1e-4, High: 1e-2, Log: true}}}
	if x, _ := middle.Default()["x"].Float(); math.Abs(x-1e-3) > 1e-9 {
		t.Errorf("middle of the logarithm is %v", x)
	}
}

func TestMistakes(t *testing.T) {
	one := func(p Parameter) []Parameter { p.Name = "p"; return []Parameter{p} }
	on := func(parent string) []Condition {
		return []Condition{{Parent: parent, Values: []Value{Truth(true)}}}
	}
	for want, ps := range map[Fault][]Parameter{
		EmptyRange:          one(Parameter{Kind: Int, Low: 3, High: 3}),
		LogOfNonPositive:    one(Parameter{Kind: Float, Low: 0, High: 1, Log: true}),
		DefaultOutside:      one(Parameter{Kind: Float, Low: 0, High: 1, Default: ptr(Number(1.5))}),
		NoChoices:           one(Parameter{Kind: Categorical}),
		RepeatedChoice:      one(Parameter{Kind: Categorical, Choices: []Value{Text("a"), Text("a")}}),
		MixedChoices:        one(Parameter{Kind: Categorical, Choices: []Value{Text("a"), Number(1)}}),
		PriorWithoutDefault: one(Parameter{Kind: Bool, Prior: Low}),
		UnknownParent:       one(Parameter{Kind: Bool, When: on("q")}),
		UnknownKind:         one(Parameter{Kind: "flaot"}),
		NeverHolds:          {{Name: "a", Kind: Bool, When: on("b")}, {Name: "b", Kind: Int, Low: 0, High: 1}},
		ContinuousParent:    {{Name: "a", Kind: Bool, When: on("b")}, {Name: "b", Kind: Float, Low: 0, High: 1}},
		Contradiction: {{Name: "a", Kind: Bool, When: []Condition{{"b", []Value{Truth(true)}}, {"c", []Value{Number(1)}}}},
			{Name: "b", Kind: Bool, When: []Condition{{"c", []Value{Number(2), Number(3)}}}}, {Name: "c", Kind: Int, Low: 1, High: 3}},
		Cycle: {{Name: "a", Kind: Bool, When: on("b")}, {Name: "b", Kind: Bool, When: on("a")}},
	} {
		ms := Space{Parameters: ps}.Mistakes()
		if len(ms) != 1 || ms[0].Fault != want {
			t.Errorf("want %q, have %v", want, ms)
		}
	}
}

func TestUniform(t *testing.T) {
	// An integer's values are equally likely, its ends too.
	s := Space{Parameters: []Parameter{{Name: "n", Kind: Int, Low: 0, High: 3}, {Name: "x", Kind: Float, Low: 1, High: 100, Log: true}}}
	rng := rand.New(rand.NewPCG(1, 2))
	const draws = 20000
	var counts [4]int
	below := 0
	for range draws {
		c := s.Sample(rng, true)
		n, _ := c["n"].Float()
		counts[int(n)]++
		if x, _ := c["x"].Float(); x < 10 {
			below++
		}
	}
	for n, k := range counts {
		near(t, "P(n)", float64(k)/draws, 0.25, draws)
		_ = n
	}
	near(t, "P(x < 10)", float64(below)/draws, 0.5, draws)
}

// near compares a frequency with its probability, within four standard errors.
func near(t *testing.T, what string, have, want float64, draws int) {
	t.Helper()
	if se := math.Sqrt(want * (1 - want) / float64(draws)); math.Abs(have-want) > 4*se+1e-9 {
		t.Errorf("%s is %.4f, want %.4f ± %.4f", what, have, want, 4*se)
	}
}

func TestKeyIgnoresOrder(t *testing.T) {
	a := Configuration{"a": Number(1e3), "b": Text("x")}
	b := Configuration{"b": Text("x"), "a": Number(1000)}
	if a.Key() != b.Key() || a.Key() == (Configuration{"a": Number(1)}).Key() {
		t.Error(a.Key(), b.Key())
	}
}

func TestOrderKeepsPlaces(t *testing.T) {
	sorted, ring := sgd.order()
	var names []string
	for _, p := range sorted {
		names = append(names, p.Name)
	}
	if want := []string{"epochs", "lr", "optimizer", "version", "momentum", "a_nesterov"}; len(ring) > 0 || !slices.Equal(names, want) {
		t.Errorf("%v %v, want %v", names, ring, want)
	}
}
