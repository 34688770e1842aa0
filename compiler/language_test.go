package compiler

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"

	"runspec/compiler/diag"
	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	language "runspec/spec"
)

// must compiles a spec that has no mistakes.
func must(t *testing.T, text string, o Options) *plan.Plan {
	t.Helper()
	p, err := Compile(write1(t, text), o)
	if err != nil {
		t.Fatalf("%s\n%s", text, rendered(t, err.(diag.Diagnostics)))
	}
	return p
}

// authorsSpace is one of the authors' search spaces.
type authorsSpace struct {
	Parameters []struct {
		Name, Type   string
		Lower, Upper float64
		Log          bool
		Choices      []space.Value
		Default      space.Value
		Prior        struct {
			Weight float64 `json:"default_weight"`
			Spread float64 `json:"std_fraction_of_range_in_sampling_scale"`
		}
	}
	Conditions []struct {
		Child, Parent string
		Equals        space.Value
	}
	Grammar string
}

// TestHPO compares spec.autonnunet.HPO with the authors' space.
func TestHPO(t *testing.T) {
	raw, err := os.ReadFile("testdata/hpo.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden authorsSpace
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	if s := compareSpace(t, "HPO", golden); len(s.Parameters) != 8 {
		t.Errorf("%d parameters", len(s.Parameters))
	}
}

// TestArchitectureSpaces compares the spaces with a network. Ours has one
// condition more: a rate only where the derivation has dropout.
func TestArchitectureSpaces(t *testing.T) {
	raw, err := os.ReadFile("../../shared/reference/search/5_spaces/spaces.json")
	if err != nil {
		t.Skip("the authors' spaces (shared/reference/search/5_spaces) are not here")
	}
	golden := struct {
		NAS  authorsSpace `json:"hpo_nas"`
		HNAS authorsSpace `json:"hpo_hnas"`
	}{}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	if s := compareSpace(t, "HPO_NAS", golden.NAS); len(s.Parameters) != 15 {
		t.Errorf("%d parameters", len(s.Parameters))
	}
	condition := golden.HNAS.Conditions[0]
	condition.Child, condition.Parent, condition.Equals = "dropout_rate", "architecture", space.Text("dropout")
	golden.HNAS.Conditions = append(golden.HNAS.Conditions, condition)
	s, err := compareSpace(t, "HPO_HNAS", golden.HNAS).Bind(4)
	if p, _ := s.Parameter("architecture"); err != nil || p.Grammar.Count().String() != "37113600" {
		t.Error(err, p.Grammar)
	}
}

// compareSpace compares a space of spec.autonnunet with the authors'.
func compareSpace(t *testing.T, name string, golden authorsSpace) space.Space {
	s := must(t, wrap("studies: a: {space: spec.autonnunet."+name+", optimizer: spec.#Random & {trials: 1}}\n"), Options{}).Studies[0].Space
	grammars := 0
	if golden.Grammar != "" {
		grammars = 1
	}
	if len(s.Parameters) != len(golden.Parameters)+grammars {
		t.Fatalf("%d parameters, want %d", len(s.Parameters), len(golden.Parameters)+grammars)
	}
	for _, g := range golden.Parameters {
		p, ok := s.Parameter(g.Name)
		if !ok || string(p.Kind) != g.Type || p.Low != g.Lower || p.High != g.Upper || p.Log != g.Log || p.Default == nil || *p.Default != g.Default {
			t.Errorf("%s: have %+v, want %+v", g.Name, p, g)
		}
		if p.Prior != space.Medium || g.Prior.Weight != 4 && g.Prior.Spread != 0.25 { // what medium means
			t.Errorf("%s: prior %s", g.Name, p.Prior)
		}
		if a, b := text(p.Choices), text(g.Choices); a != b {
			t.Errorf("%s: choices %s, want %s", g.Name, a, b)
		}
		want := ""
		for _, c := range golden.Conditions {
			if c.Child == g.Name {
				want += text([]space.Condition{{Parent: c.Parent, Values: []space.Value{c.Equals}}})
			}
		}
		if len(p.When) > 0 && text(p.When) != want || len(p.When) == 0 && want != "" {
			t.Errorf("%s: conditions %s, want %s", g.Name, text(p.When), want)
		}
	}
	return s
}

func text(x any) string {
	b, _ := json.Marshal(x)
	return string(b)
}

// TestEveryFieldIsDocumented holds the schema to a comment on every field.
func TestEveryFieldIsDocumented(t *testing.T) {
	for name, f := range languageFiles(t) {
		if name == "defaults.cue" {
			continue
		}
		var inDefinition func(d ast.Decl, within bool)
		inDefinition = func(d ast.Decl, within bool) {
			switch d := d.(type) {
			case *ast.Comprehension:
				for _, e := range d.Value.(*ast.StructLit).Elts {
					inDefinition(e, within)
				}
			case *ast.Field:
				label, _, err := ast.LabelName(d.Label)
				definition := strings.HasPrefix(label, "#")
				if err == nil && (within || definition) && strings.TrimSpace(doctext(d)) == "" {
					t.Errorf("%s:%v: %s has no comment", name, d.Pos().Line(), label)
				}
				if s, ok := d.Value.(*ast.StructLit); ok {
					for _, e := range s.Elts {
						inDefinition(e, within || definition)
					}
				}
			}
		}
		for _, d := range f.Decls {
			inDefinition(d, false)
		}
	}
}

func doctext(n ast.Node) string {
	var b strings.Builder
	for _, g := range ast.Comments(n) {
		if g.Doc {
			b.WriteString(g.Text())
		}
	}
	return b.String()
}

func languageFiles(t *testing.T) map[string]*ast.File {
	entries, err := language.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*ast.File{}
	for _, e := range entries {
		raw, _ := language.Files.ReadFile(e.Name())
		if out[e.Name()], err = parser.ParseFile(e.Name(), raw, parser.ParseComments); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestDefaultsAreAsDocumented compares "Default 250." in a field's comment
// with what defaults.cue says.
func TestDefaultsAreAsDocumented(t *testing.T) {
	s, ds := load(write1(t, wrap("")), Options{})
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	stated := regexp.MustCompile(`Default:? (?:(\[?nnunet\.\w+\]?)|("[^"]*"|\[[^\]]*\]|true|false|[-0-9.e]+?))[.,](?:\s|$)`)
	compared := 0
	var walk func(schema, defaults cue.Value, path string)
	walk = func(schema, defaults cue.Value, path string) {
		it, err := schema.Fields(cue.Optional(true))
		if err != nil {
			return
		}
		for it.Next() {
			name := it.Selector().Unquoted()
			d := defaults.LookupPath(cue.MakePath(cue.Str(name)))
			at := path + "." + name
			if it.Value().IncompleteKind() == cue.StructKind && d.Exists() {
				walk(it.Value(), d, at)
				continue
			}
			m := stated.FindStringSubmatch(strings.Join(strings.Fields(doc(it.Value())), " "))
			switch {
			case m == nil && d.Exists() && name != "baselines" && name != "folds":
				t.Errorf("%s: defaults.cue says %s, its comment nothing", at, write(d))
			case m != nil && m[2] != "":
				compared++
				want := s.language.Context().CompileString(m[2])
				if !d.Exists() || !same(d, want) {
					t.Errorf("%s: the comment says %s, defaults.cue %s", at, m[2], write(d))
				}
			}
		}
	}
	for definition, path := range map[string]string{"#Experiment": "experiment", "#Dataset": "dataset", "#Study": "study"} {
		walk(s.language.LookupPath(cue.ParsePath(definition)), s.language.LookupPath(cue.ParsePath("defaults."+path)), definition)
	}
	phantom := s.language.Context().CompileString(`kind: "phantom"`).Unify(s.language.LookupPath(cue.ParsePath("#Source")))
	walk(phantom, s.language.LookupPath(cue.ParsePath("defaults.phantom")), "#Source")
	if compared < 20 {
		t.Errorf("only %d defaults compared", compared)
	}
}

func same(a, b cue.Value) bool {
	x, err := a.MarshalJSON()
	y, err2 := b.MarshalJSON()
	var v, w any
	return err == nil && err2 == nil && json.Unmarshal(x, &v) == nil && json.Unmarshal(y, &w) == nil && text(v) == text(w)
}

// TestDefaultsFitTheSchema holds every default to its field.
func TestDefaultsFitTheSchema(t *testing.T) {
	s, _ := load(write1(t, wrap("")), Options{})
	for definition, path := range map[string]string{"#Experiment": "experiment", "#Dataset": "dataset", "#Study": "study"} {
		v := s.language.LookupPath(cue.ParsePath(definition)).Unify(s.language.LookupPath(cue.ParsePath("defaults." + path)))
		if err := v.Err(); err != nil {
			t.Error(definition, err)
		}
	}
}

// TestHyperparameters holds #Hyperparameters and plan.Hyperparameters to one
// set of names, so that whatever a space may name is also trained with.
func TestHyperparameters(t *testing.T) {
	s, _ := load(write1(t, wrap("")), Options{})
	var plain map[string]any
	if err := json.Unmarshal([]byte(text(plan.Hyperparameters{})), &plain); err != nil {
		t.Fatal(err)
	}
	names := labels(s.language.LookupPath(cue.ParsePath("#Hyperparameters")))
	for _, n := range names {
		if _, ok := plain[n]; !ok {
			t.Errorf("plan.Hyperparameters lacks %s", n)
		}
	}
	if len(names) != len(plain) {
		t.Errorf("%d names in the language, %d in the plan", len(names), len(plain))
	}
}

func TestDecathlon(t *testing.T) {
	s, _ := load(write1(t, wrap("")), Options{})
	tasks := labels(s.language.LookupPath(cue.ParsePath("msd")))
	if len(tasks) != 10 {
		t.Fatal(tasks)
	}
	seen := map[string]bool{}
	for _, task := range tasks {
		d := must(t, strings.Replace(wrap(""), "Task02_Heart", task, 1), Options{}).Datasets[0]
		n, organ := task[4:6], task[7:]
		if d.Name != "Dataset0"+n+"_"+organ || d.Published != "D"+n || d.Source.Task != task || len(d.Source.MD5) != 32 || !strings.HasSuffix(d.Source.URL, "/"+task+".tar") || d.Configuration != "3d_fullres" {
			t.Errorf("%+v", d)
		}
		seen[d.Source.MD5] = true
		byName := must(t, `import "runspec.internal/spec"
spec.#Experiment & {name: "a", datasets: [{name: "`+d.Name+`", published: "`+d.Published+`", source: {kind: "decathlon", task: "`+task+`"}}]}`, Options{}).Datasets[0]
		if text(byName) != text(d) {
			t.Errorf("by its task %+v, by its piece %+v", byName, d)
		}
	}
	if len(seen) != 10 {
		t.Error("checksums repeat")
	}
}

func TestData(t *testing.T) {
	var asked []string
	o := Options{Sources: Sources{Data: func(s plan.Source, name string) (plan.Data, error) {
		asked = append(asked, name+" "+s.Path)
		if name == "B" {
			return plan.Data{}, os.ErrPermission
		}
		return plan.Data{Digest: "sha256:a", Description: nnunet.Dataset{Name: name}, Fingerprint: &nnunet.Fingerprint{MedianRelativeSize: 0.5}}, nil
	}}}
	head := "import \"runspec.internal/spec\"\nspec.#Experiment & {name: \"a\", datasets: [{name: \"A\", source: {kind: \"folder\", path: \"data\"}}"
	path := write1(t, head+"]}")
	p, err := Compile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	if d := p.Datasets[0]; d.Digest != "sha256:a" || d.Description.Name != "A" || d.Fingerprint.MedianRelativeSize != 0.5 || d.Source.Path != "data" {
		t.Errorf("%+v", d)
	}
	if want := "A data"; len(asked) != 1 || asked[0] != want {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	_, err = Compile(write1(t, head+", {name: \"B\", source: {kind: \"folder\", path: \"data\"}}]}"), o)
	if ds, _ := err.(diag.Diagnostics); len(ds) != 1 || ds[0].Code != diag.Unreadable || ds[0].Range.Start.Line != 2 {
		t.Errorf("%v", err)
	}
}
