package plan

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"runspec/compiler/grammar"
	"runspec/compiler/nnunet"
	"runspec/compiler/space"
)

// clone copies a plan through its JSON.
func clone(t *testing.T, p *Plan) *Plan {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var out Plan
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

// TestDiffSeesEveryField changes each leaf of a plan in turn: none goes
// unnoticed, and what no rule knows is incompatible.
func TestDiffSeesEveryField(t *testing.T) {
	full := rich()
	n := leaves(reflect.ValueOf(full).Elem(), "", -1, new(int), nil)
	if n < 70 {
		t.Fatalf("the plan has %d leaves", n)
	}
	for i := range n {
		p, path := clone(t, full), ""
		leaves(reflect.ValueOf(p).Elem(), "", i, new(int), &path)
		changes := Diff(full, p)
		a, _ := full.Digest()
		b, _ := p.Digest()
		if (len(changes) == 0) != (a == b) {
			t.Errorf("%s: %d changes, digests equal: %v", path, len(changes), a == b)
		}
		if len(Diff(p, full)) != len(changes) {
			t.Errorf("%s: another number of changes backwards", path)
		}
	}
}

// rich is a plan in which every list and pointer holds something.
func rich() *Plan {
	p := small()
	d := &p.Datasets[0]
	d.Digest, d.Published, d.Description.RegionOrder = "x", "D04", []int{1}
	d.Source = Source{Kind: Folder, Task: "T", URL: "u", MD5: "m", Path: "p", Phantom: &Phantom{}}
	s := &p.Studies[0]
	s.Brackets, s.Budget = []Bracket{{0, []int{3, 1}}, {1, []int{1}}}, &Budget{Epochs: 4, Count: CountTrained}
	s.Space.Parameters = append(s.Space.Parameters, space.Parameter{Name: "optimizer", Kind: space.Categorical,
		Choices: []space.Value{space.Text("SGD"), space.Text("AdamW")},
		When:    []space.Condition{{Parent: "initial_lr", Values: []space.Value{space.Number(1)}}}})
	return p
}

// leaves visits the leaves of a value, changes the one numbered at, and counts
// them.
func leaves(v reflect.Value, path string, at int, n *int, changed *string) int {
	switch {
	case v.Type() == reflect.TypeFor[space.Value]():
		if *n == at {
			v.Set(reflect.ValueOf(space.Text("another")))
			*changed = path
		}
		*n++
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			leaves(v.Elem(), path, at, n, changed)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), path+"."+v.Type().Field(i).Name, at, n, changed)
		}
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		for i := range v.Len() {
			leaves(v.Index(i), fmt.Sprint(path, ".", i), at, n, changed)
		}
	case v.Kind() == reflect.Map: // of the fingerprint, which is compared in one piece
	default:
		if *n == at {
			change(v)
			*changed = path
		}
		*n++
	}
	return *n
}

func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int:
		v.SetInt(v.Int() + 1)
	case reflect.Uint64:
		v.SetUint(v.Uint() / 2)
	case reflect.Float64:
		v.SetFloat(v.Float()*2 + 1)
	default:
		panic(v.Kind())
	}
}

func TestDiffClasses(t *testing.T) {
	study := func(f func(*Study)) func(*Plan) { return func(p *Plan) { f(&p.Studies[0]) } }
	data := func(f func(*Dataset)) func(*Plan) { return func(p *Plan) { f(&p.Datasets[0]) } }
	for _, test := range []struct {
		change func(*Plan)
		want   string // kind, path and class of each change
	}{
		{func(p *Plan) {}, ""},
		{func(p *Plan) { p.Name = "other" }, "changed name cosmetic"},
		{func(p *Plan) { p.Report.Against = ""; p.Report.Published = true }, "removed report.against cosmetic, changed report.published cosmetic"},
		{func(p *Plan) { p.Seed++ }, "changed seed incompatible"},
		{func(p *Plan) { p.Version = "runspec/plan/v9" }, "changed version incompatible"},
		{func(p *Plan) { p.Cost = CostMeasured }, "changed cost incompatible"},
		{func(p *Plan) { p.Folds = []Fold{0, 1, 4} }, "changed folds budget"},
		{func(p *Plan) { p.Folds = []Fold{0} }, "changed folds incompatible"},
		{func(p *Plan) { p.Training.Batch = 4 }, "changed training.batch incompatible"},
		{func(p *Plan) { p.Training.Hyperparameters.Clip = 1 }, "changed training.hyperparameters.clip incompatible"},
		{func(p *Plan) { p.Fidelity.Max = 27 }, "changed fidelity.max budget"},
		{func(p *Plan) { p.Fidelity.Max = 3 }, "changed fidelity.max incompatible"},
		{func(p *Plan) { p.Fidelity.Horizon = 27 }, "changed fidelity.horizon incompatible"},
		{func(p *Plan) { p.Fidelity.Unit = "steps" }, "changed fidelity.unit incompatible"},
		{func(p *Plan) { p.Baselines = append(p.Baselines, Baseline{"nnunet/ResEncM", nnunet.ResEncMPlanner}) }, "added baselines.nnunet/ResEncM space"},
		{func(p *Plan) { p.Baselines = nil }, "removed baselines.nnunet/Conv incompatible"},
		{func(p *Plan) { p.Baselines[0].Planner = nnunet.ResEncLPlanner }, "changed baselines.nnunet/Conv.planner incompatible"},
		{func(p *Plan) { p.Datasets = append(p.Datasets, Dataset{Name: "E"}) }, "added datasets.E space"},
		{func(p *Plan) { p.Datasets = append([]Dataset{{Name: "E"}}, p.Datasets...) }, "added datasets.E space"},
		{data(func(d *Dataset) { d.Digest = "b" }), "changed datasets.D.digest incompatible"},
		{data(func(d *Dataset) { d.Digest = "" }), "removed datasets.D.digest cosmetic"},
		{data(func(d *Dataset) { d.Fingerprint.MedianRelativeSize = 0.5 }), "changed datasets.D.fingerprint incompatible"},
		{data(func(d *Dataset) { d.Fingerprint, d.Digest, d.Description = nil, "", nnunet.Dataset{} }),
			"removed datasets.D.digest cosmetic, removed datasets.D.description.name cosmetic, removed datasets.D.description.channels cosmetic, " +
				"removed datasets.D.description.labels.background cosmetic, removed datasets.D.description.labels.organ cosmetic, " +
				"changed datasets.D.description.numTraining cosmetic, removed datasets.D.description.fileEnding cosmetic, removed datasets.D.fingerprint cosmetic"},
		{data(func(d *Dataset) { d.Description.Labels[1].Values = []int{2} }), "changed datasets.D.description.labels.organ.values incompatible"},
		{data(func(d *Dataset) { d.Description.Name = "E" }), "changed datasets.D.description.name cosmetic"},
		{data(func(d *Dataset) { d.Source.Path = "elsewhere" }), "added datasets.D.source.path cosmetic"},
		{data(func(d *Dataset) { d.Source.Phantom.Noise = 1; d.Digest = "b" }), "changed datasets.D.source.phantom.noise incompatible, changed datasets.D.digest incompatible"},
		{data(func(d *Dataset) { d.Configuration = "2d" }), "changed datasets.D.configuration incompatible"},
		{func(p *Plan) { p.Studies = append(p.Studies, Study{Name: "z"}) }, "added studies.z space"},
		{func(p *Plan) { p.Studies = nil }, "removed studies.s incompatible"},
		{study(func(s *Study) { s.Folds = []Fold{0, 2} }), "changed studies.s.folds budget"},
		{study(func(s *Study) { s.Seed++ }), "changed studies.s.seed incompatible"},
		{study(func(s *Study) { s.Planner = nnunet.ResEncMPlanner }), "changed studies.s.planner incompatible"},
		{study(func(s *Study) { s.Optimizer.Kind = RandomSearch }), "changed studies.s.optimizer.kind incompatible"},
		{study(func(s *Study) { s.Optimizer.Prior = true }), "changed studies.s.optimizer.prior space"},
		{study(func(s *Study) { s.Optimizer.Trials = 12; s.Rungs = []Rung{{1, 12}, {3, 4}, {9, 1}} }),
			"changed studies.s.optimizer.trials budget, changed studies.s.rungs.0.trials budget, changed studies.s.rungs.1.trials budget"},
		{study(func(s *Study) { s.Optimizer.Trials = 6 }), "changed studies.s.optimizer.trials incompatible"},
		{study(func(s *Study) { s.Rungs = append(s.Rungs, Rung{27, 1}) }), "added studies.s.rungs.3 budget"},
		{study(func(s *Study) { s.Rungs = s.Rungs[:2] }), "removed studies.s.rungs.2 incompatible"},
		{study(func(s *Study) { s.Rungs[0].Epochs = 2 }), "changed studies.s.rungs.0.epochs budget"},
		{study(func(s *Study) { s.Rungs[2].Epochs = 8 }), "changed studies.s.rungs.2.epochs incompatible"},
		{study(func(s *Study) { s.Brackets = []Bracket{{0, []int{3, 1}}, {1, []int{2, 1}}} }), "changed studies.s.brackets.1 budget"},
		{study(func(s *Study) { s.Brackets = []Bracket{{0, []int{4, 1}}, {1, []int{1}}} }), "changed studies.s.brackets.0 incompatible"},
		{study(func(s *Study) { s.Brackets = append(s.Brackets, Bracket{2, []int{1}}) }), "added studies.s.brackets.2 budget"},
		{study(func(s *Study) { s.Space.Parameters[0].Low = 1e-6 }), "changed studies.s.space.parameters.initial_lr.low space"},
		{study(func(s *Study) { s.Space.Parameters[0].Low = 1e-4 }), "changed studies.s.space.parameters.initial_lr.low incompatible"},
		{study(func(s *Study) { s.Space.Parameters[0].High = 1 }), "changed studies.s.space.parameters.initial_lr.high space"},
		{study(func(s *Study) { s.Space.Parameters[0].Log = false }), "changed studies.s.space.parameters.initial_lr.log space"},
		{study(func(s *Study) { s.Space.Parameters[0].Prior = space.High }), "changed studies.s.space.parameters.initial_lr.prior space"},
		{study(func(s *Study) { s.Space.Parameters[0].Default = nil }), "removed studies.s.space.parameters.initial_lr.default space"},
		{study(func(s *Study) { s.Space.Parameters[0].Kind = space.Int }), "changed studies.s.space.parameters.initial_lr.kind incompatible"},
		{study(func(s *Study) { s.Space.Parameters = append(s.Space.Parameters, space.Parameter{Name: "momentum"}) }), "added studies.s.space.parameters.momentum incompatible"},
		{study(func(s *Study) {
			s.Space.Parameters[1].Choices = []space.Value{space.Text("Adam"), space.Text("AdamW"), space.Text("SGD")}
		}), "changed studies.s.space.parameters.optimizer.choices space"},
		{study(func(s *Study) { s.Space.Parameters[1].Choices = []space.Value{space.Text("SGD")} }), "changed studies.s.space.parameters.optimizer.choices incompatible"},
		{study(func(s *Study) { s.Space.Parameters[1].When = nil }), "removed studies.s.space.parameters.optimizer.when.initial_lr incompatible"},
	} {
		old := rich()
		old.Datasets[0] = small().Datasets[0]
		old.Datasets[0].Digest = "a"
		p := clone(t, old)
		test.change(p)
		var got []string
		for _, c := range Diff(old, p) {
			got = append(got, fmt.Sprint(c.Kind, " ", c.Path, " ", c.Class))
		}
		if s := strings.Join(got, ", "); s != test.want {
			t.Errorf("got  %s\nwant %s", s, test.want)
		}
	}
}

func TestDiffOrder(t *testing.T) {
	a := small()
	a.Datasets = append(a.Datasets, Dataset{Name: "E"}, Dataset{Name: "F"})
	b := clone(t, a)
	slices.Reverse(b.Datasets)
	changes := Diff(a, b)
	if len(changes) != 1 || changes[0].Class != Cosmetic || string(changes[0].New) != `["F","E","D"]` {
		t.Errorf("%+v", changes)
	}
}

func TestWorst(t *testing.T) {
	if w := Worst(nil); w != Cosmetic {
		t.Error(w)
	}
	if w := Worst([]Change{{Class: MoreBudget}, {Class: LargerSpace}, {Class: Cosmetic}}); w != LargerSpace {
		t.Error(w)
	}
}

func TestWriteChanges(t *testing.T) {
	old := small()
	p := clone(t, old)
	p.Seed, p.Folds, p.Report.Against = 2, []Fold{0, 1, 4}, ""
	p.Studies = append(p.Studies, Study{Name: "z"})
	var b strings.Builder
	changes := Diff(old, p)
	if err := WriteChanges(&b, changes); err != nil {
		t.Fatal(err)
	}
	want := `  ~ seed            9007199254740991 → 2  # incompatible
  ~ folds           [0, 4] → [0, 1, 4]  # budget
  + studies.z       {…}  # space
  - report.against  "nnunet/Conv"  # cosmetic
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
	if s := Summary(changes); s != "2 changed, 1 added, 1 removed" {
		t.Error(s)
	}
}

func TestDiffOfGrammars(t *testing.T) {
	a := small()
	tree := space.Parameter{Name: Tree, Kind: space.Grammar, Template: &grammar.Template{File: "a.hcl", Variables: grammar.Variables{"confidence": "low", "scale": 2.0}}}
	a.Studies[0].Space.Parameters = append(a.Studies[0].Space.Parameters, tree)
	for _, c := range []struct {
		file      string
		variables grammar.Variables
		want      string
	}{
		{"b.hcl", grammar.Variables{"confidence": "low", "scale": 2.0}, "  ~ studies.s.space.parameters.architecture.template.file  \"a.hcl\" → \"b.hcl\"  # cosmetic\n"},
		{"a.hcl", grammar.Variables{"confidence": "high", "scale": 2.0}, "  ~ studies.s.space.parameters.architecture.template.variables.confidence  \"low\" → \"high\"  # space\n"},
		{"a.hcl", grammar.Variables{"confidence": "low", "scale": 1.0}, "  ~ studies.s.space.parameters.architecture.template.variables.scale  2 → 1  # incompatible\n"},
		{"a.hcl", grammar.Variables{"confidence": "low"}, "  - studies.s.space.parameters.architecture.template.variables.scale  2  # incompatible\n"},
	} {
		b := clone(t, a)
		x := &b.Studies[0].Space.Parameters[1]
		x.Template = &grammar.Template{File: c.file, Variables: c.variables}
		var text strings.Builder
		if err := WriteChanges(&text, Diff(a, b)); err != nil || text.String() != c.want {
			t.Errorf("%v\n%swant\n%s", err, &text, c.want)
		}
	}
}
