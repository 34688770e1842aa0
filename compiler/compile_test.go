package compiler

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"runspec/compiler/diag"
)

// TestDigestIsStable writes one experiment in three ways.
func TestDigestIsStable(t *testing.T) {
	plain := `import "runspec.internal/spec"

spec.#Experiment & {
	name: "a"
	seed: 1000
	datasets: [{name: "A", source: {kind: "phantom", cases: 5, shape: [16, 16, 16], noise: 0.5}}]
	training: hyperparameters: {momentum: 0.9, clip: 1000}
	fidelity: {min: 1, max: 9}
	studies: b: {space: momentum: {kind: "float", low: 0.5, high: 0.9}, optimizer: spec.#Random & {trials: 2}}
	studies: a: {space: clip: {kind: "int", low: 1, high: 1000}, optimizer: spec.#SuccessiveHalving & {trials: 9}}
}
`
	other := `// Comments.
import language "runspec.internal/spec"

language.#Experiment & {
	studies: a: {optimizer: {trials: 9, kind: "successive_halving"}, space: clip: {high: 1_000, low: 1, kind: "int"}}
	fidelity: {max: 9, min: 1, eta: 3} // the default, said
	training: hyperparameters: {clip: 1e3, momentum: 90e-2}
	studies: b: {optimizer: language.#Random & {trials: 0x2}, space: {[string]: {kind: "float"}, momentum: {high: 0.90, low: 5e-1}}}
	datasets: [{source: {cases: 5, shape: [for _ in [1, 2, 3] {16}], kind: "phantom", noise: 0.500, spacing: [1.0, 1, 1e0]}, name: "A"}]
	seed: 1K
	name: "a"
}
`
	a, err := must(t, plain, Options{}).Digest()
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := must(t, other, Options{}).Digest(); a != b {
		pa, _ := must(t, plain, Options{}).Canonical()
		pb, _ := must(t, other, Options{}).Canonical()
		t.Errorf("digests differ:\n%s\n%s", pa, pb)
	}
	if c, _ := must(t, strings.Replace(plain, "0.5, high", "0.4, high", 1), Options{}).Digest(); a == c {
		t.Error("another bound keeps the digest")
	}
}

// TestInsideAnotherModule resolves the language beside the user's own packages.
func TestInsideAnotherModule(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cue.mod/module.cue": "module: \"example.com/mine@v0\"\nlanguage: version: \"v0.17.0\"\n",
		"pieces/pieces.cue":  "package pieces\n\nShort: {min: 1, max: 9}\n",
		"specs/a.cue":        "import (\n\t\"example.com/mine/pieces\"\n\t\"runspec.internal/spec\"\n)\n\nspec.#Experiment & {name: \"a\", datasets: [spec.msd.Task02_Heart], fidelity: pieces.Short}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Compile(filepath.Join(dir, "specs", "a.cue"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Fidelity.Max != 9 {
		t.Errorf("%+v", p.Fidelity)
	}
}

func TestUnreadable(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "absent.cue"), t.TempDir()} {
		_, err := Compile(path, Options{})
		if ds, _ := err.(diag.Diagnostics); len(ds) != 1 || ds[0].Code != diag.Unreadable || ds[0].Range.File != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestMutilated cuts and garbles a good spec everywhere: whatever comes of it
// is a plan or diagnostics with a code that is not the compiler's own fault.
func TestMutilated(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "experiments", "quickstart.cue"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	step := 37
	if testing.Short() {
		step = 101
	}
	for i := 0; i < len(text); i += step {
		for _, bad := range []string{text[:i], text[:i] + text[min(i+7, len(text)):], text[:i] + "3" + text[i:], text[:i] + `"` + text[i:], text[:i] + "{" + text[i:]} {
			judge(t, bad)
		}
	}
}

// inside matches what only CUE, and the schema's author, need to know.
var inside = regexp.MustCompile(`#[A-Z][A-Za-z]*\.[A-Za-z]|cue\.mod|empty disjunction|_\|_|runspec\.internal/spec/`)

// TestInsideStaysInside looks for CUE's words in the golden diagnostics, and
// in those of each code.
func TestInsideStaysInside(t *testing.T) {
	seen := 0
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if f.Name != "diagnostics" {
				continue
			}
			seen++
			if m := inside.Find(f.Data); m != nil {
				t.Errorf("%s: %s", file, m)
			}
		}
	}
	if seen < 10 {
		t.Errorf("%d files with diagnostics", seen)
	}
	for _, r := range diag.Rules() {
		if r.Example == "" {
			continue
		}
		_, err := Compile(write1(t, wrap(r.Example)), Options{})
		if m := inside.FindString(err.Error()); m != "" {
			t.Errorf("%s: %s in %v", r.Code, m, err)
		}
	}
}

// TestTen counts the mistakes of a spec that has ten.
func TestTen(t *testing.T) {
	a, err := txtar.ParseFile("testdata/ten.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Compile(write1(t, string(a.Files[0].Data)), Options{})
	ds, _ := err.(diag.Diagnostics)
	lines := map[int]bool{}
	for _, d := range ds {
		lines[d.Range.Start.Line] = true
	}
	if len(ds) != 10 || len(lines) != 10 {
		t.Errorf("%d diagnostics on %d lines:\n%s", len(ds), len(lines), rendered(t, ds))
	}
}

func FuzzCompile(f *testing.F) {
	raw, err := os.ReadFile(filepath.Join("..", "experiments", "quickstart.cue"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(raw))
	f.Add("import \"runspec.internal/spec\"\nspec.#Experiment & {name: \"a\", datasets: [spec.msd.Task02_Heart]}")
	f.Fuzz(func(t *testing.T, text string) { judge(t, text) })
}

func judge(t *testing.T, text string) { judgeWith(t, text, Options{}) }

func judgeWith(t *testing.T, text string, o Options) {
	p, err := Compile(write1(t, text), o)
	if err == nil {
		if _, err := p.Digest(); err != nil {
			t.Errorf("plan without digest: %v\n%s", err, text)
		}
		return
	}
	ds, ok := err.(diag.Diagnostics)
	if !ok || len(ds) == 0 || p != nil {
		t.Fatalf("%v: %v\n%s", p, err, text)
	}
	for _, d := range ds {
		if m := inside.FindString(d.Detail + d.Range.File); m != "" && !strings.Contains(text, m) && d.Code != diag.Syntax && d.Code != diag.Reference {
			t.Errorf("CUE's words, %s: %s", m, rendered(t, ds))
		}
		if d.Code == diag.Internal || d.Code == "" || d.Detail == "" || d.Summary == "" {
			t.Errorf("%s\n%s", rendered(t, ds), text)
			return
		}
	}
}

// BenchmarkVet compiles the hippocampus's spec, as `runspec vet` does.
func BenchmarkVet(b *testing.B) {
	for b.Loop() {
		if found := Vet([]string{filepath.Join("..", "experiments", "hippocampus.cue")}, Options{}); len(found) > 0 {
			b.Fatal(found)
		}
	}
}
