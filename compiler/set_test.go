package compiler

import (
	"strings"
	"testing"

	"runspec/compiler/diag"
)

// setExample is a spec that says things in as many ways as there are.
const setExample = `import (
	"strings"
	"runspec.internal/spec"
)

_short: *true | bool @tag(short,type=bool)

spec.#Experiment & {
	name: strings.ToLower("EXAMPLE")
	seed: 3
	description: "seed \(seed)"
	datasets: [spec.msd.Task02_Heart, {name: "Other", source: {kind: "phantom", cases: 6, shape: [for _ in [1, 2, 3] {16}]}}]
	training: spec.nnunet.Training & {batch: 2}
	if _short {
		fidelity: {min: 1, max: 9}
	}
	let Space = {momentum: {kind: "float", low: 0.5, high: 0.9}, clip: {kind: "int", low: 1, high: 20}}
	studies: a: {space: Space, optimizer: spec.#Random & {trials: seed}}
	studies: b: {space: spec.autonnunet.HPO, optimizer: spec.#SuccessiveHalving & {trials: 9}, folds: [0, 1]}
}
`

// TestSetIsAsIfWritten compares plans of settings with those of specs that
// were edited by hand.
func TestSetIsAsIfWritten(t *testing.T) {
	for _, c := range []struct{ set, edits []string }{
		{[]string{"seed=5"}, []string{"seed: 3", "seed: 5"}}, // what refers to it follows
		{[]string{`"seed"=5`}, []string{"seed: 3", "seed: 5"}},
		{[]string{"cost=model"}, []string{"seed: 3", "seed: 3, cost: \"model\""}},
		{[]string{"name=other"}, []string{"EXAMPLE", "OTHER"}}, // the import of strings goes idle
		{[]string{"name=a", "name=other"}, []string{"EXAMPLE", "OTHER"}},
		{[]string{"fidelity.max=0x3"}, []string{"max: 9", "max: 3"}},
		{[]string{"fidelity={min: 2, max: 8, eta: 2}"}, []string{"{min: 1, max: 9}", "{min: 2, max: 8, eta: 2}"}},
		{[]string{"fidelity={min: 2, max: 8, eta: 2}", "fidelity.max=4"}, []string{"{min: 1, max: 9}", "{min: 2, max: 4, eta: 2}"}},
		{[]string{"training.iterations=7", "training.hyperparameters.momentum=0.5"},
			[]string{"spec.nnunet.Training & {batch: 2}", "{batch: 2, iterations: 7, hyperparameters: momentum: 0.5}"}},
		{[]string{"studies.a.space.momentum.high=0.8"}, []string{"space: Space", `space: {momentum: {kind: "float", low: 0.5, high: 0.8}, clip: Space.clip}`}},
		{[]string{"studies.a.space.momentum.high=0.8", "studies.a.space.clip.low=2"}, // Space goes idle
			[]string{"space: Space", "space: Space", "high: 0.9", "high: 0.8", "low: 1,", "low: 2,"}},
		{[]string{"studies.b.space.aug_factor.high=2", "studies.b.folds=[0]"},
			[]string{"spec.autonnunet.HPO", `{for k, v in spec.autonnunet.HPO if k != "aug_factor" {(k): v}, aug_factor: {kind: "float", low: 0, high: 2, default: 1, prior: confidence: "medium"}}`, "[0, 1]", "[0]"}},
		{[]string{"studies.b.optimizer.kind=random"}, []string{"#SuccessiveHalving", "#Random"}},
		{[]string{"studies.a.space.momentum={kind: categorical, choices: [0.5, 9e-1]}"},
			[]string{"space: Space", `space: {momentum: {kind: "categorical", choices: [0.5, 0.9]}, clip: Space.clip}`}},
		{[]string{"datasets.1.source.shape.2=24"}, []string{"[for _ in [1, 2, 3] {16}]", "[16, 16, 24]"}},
		{[]string{"datasets.0.published=D05"}, []string{"spec.msd.Task02_Heart", `{name: spec.msd.Task02_Heart.name, source: spec.msd.Task02_Heart.source, published: "D05"}`}},
		{[]string{"datasets=[spec.msd.Task02_Heart]"}, []string{", {name: \"Other\", source: {kind: \"phantom\", cases: 6, shape: [for _ in [1, 2, 3] {16}]}}", ""}},
		{[]string{"studies.c={space: spec.autonnunet.HPO, optimizer: {kind: random, trials: 2}}"},
			[]string{"	studies: a", "	studies: c: {space: spec.autonnunet.HPO, optimizer: spec.#Random & {trials: 2}}\n	studies: a"}},
	} {
		written := strings.NewReplacer(c.edits...).Replace(setExample)
		if written == setExample {
			t.Errorf("%q: nothing is edited", c.set)
		}
		want, err := must(t, written, Options{}).Canonical()
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(write1(t, setExample), Options{Set: c.set})
		if err != nil {
			t.Errorf("%q:\n%s", c.set, rendered(t, err.(diag.Diagnostics)))
			continue
		}
		if have, _ := p.Canonical(); string(have) != string(want) {
			t.Errorf("%q: have\n%s\nwant\n%s", c.set, have, want)
		}
	}
}

// oddExample is a spec whose names and pieces are reckoned.
const oddExample = `import s "runspec.internal/spec"

#Mine: s.#Experiment & {name: "x", datasets: [s.msd.Task02_Heart], fidelity: {min: 1, max: 9}}
let Space = s.autonnunet.HPO
#Mine & {
	studies: {
		for n in ["a", "b"] {
			(n): {space: Space, optimizer: s.#Random & {trials: 3}}
		}
		"c-\(1)": {space: {Space, weight_decay: log: true}, optimizer: {kind: "random", trials: [3, 4][0]}}
	}
	studies: [string]: folds: [0]
	X=seed: 3
	description: "\(X)"
	report: published: [if true {false}, true][0]
}
`

// TestSetOdd reads back what is set in a spec that says things in odd ways.
func TestSetOdd(t *testing.T) {
	for _, set := range []string{
		"studies.a.optimizer.trials=5", "studies.c-1.optimizer.trials=5", "studies.b.space.momentum.high=0.995",
		"studies.c-1.space.momentum.high=0.995", "studies.a.folds=[1]", "seed=4", "name=y", "fidelity.max=3", "report.published=true", "datasets.0.published=D03",
	} {
		p := must(t, oddExample, Options{Set: []string{set}})
		raw, err := p.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		before, err := must(t, oddExample, Options{}).Canonical()
		if err != nil {
			t.Fatal(err)
		}
		path, value, _ := strings.Cut(set, "=")
		name := path[strings.LastIndex(path, ".")+1:]
		for _, quote := range []string{"", `"`} {
			line := `"` + name + `":` + quote + value + quote
			if n := strings.Count(string(raw), line) - strings.Count(string(before), line); n > 0 {
				value = ""
			}
		}
		if value != "" {
			t.Errorf("%s is not in the plan:\n%s", set, raw)
		}
	}
}

// TestSetBase sets a field of an experiment that is embedded by its name.
func TestSetBase(t *testing.T) {
	text := "import \"runspec.internal/spec\"\n\nlet Base = spec.#Experiment & {name: \"a\", seed: 2, datasets: [spec.msd.Task02_Heart]}\nBase & {cost: \"model\"}\n"
	if p := must(t, text, Options{Set: []string{"seed=4"}}); p.Seed != 4 || p.Cost != "model" {
		t.Errorf("seed %d, cost %s", p.Seed, p.Cost)
	}
}

// FuzzSet looks for settings that break the compiler.
func FuzzSet(f *testing.F) {
	for _, s := range []string{"fidelity.max=3", "a", "a..b=1", "studies.a.space.momentum.high=0.8", "datasets.1.source.shape.2=24", "datasets=[spec.msd.Task02_Heart]",
		"name=}", "fidelity={min: 1", `"a.b".c="x`, "seed=spec", "seed=spec.x.y", "=", "datasets.0=3", "0.0=1", "studies.a=_", "seed=[...]", "folds.999999999=1", "folds.0=1", "datasets.0.9.9=1", "name=\x00", "a=\\(seed)", `name="\(seed)"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, argument string) { judgeWith(t, setExample, Options{Set: []string{argument}}) })
}
