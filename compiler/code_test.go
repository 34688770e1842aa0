package compiler

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runspec/compiler/diag"
)

// TestCodes compiles the example in each code's comment.
func TestCodes(t *testing.T) {
	without := []string{"UnknownTag", "Unreadable", "Internal"}
	for name, c := range codes(t) {
		t.Run(name, func(t *testing.T) {
			if c.example == "" {
				if !slices.Contains(without, name) {
					t.Fatal("no example")
				}
				return
			}
			_, err := Compile(write1(t, wrap(c.example)), Options{})
			ds, _ := err.(diag.Diagnostics)
			if len(ds) != 1 || ds[0].Code != c.code {
				t.Errorf("want one diagnostic %s, have %d:\n%s", c.code, len(ds), rendered(t, ds))
			}
			for _, d := range ds {
				if d.Range.Start.Line == 0 && c.code != diag.NoExperiment || d.Detail == "" || strings.Contains(d.Range.File, "runspec.internal") {
					t.Errorf("without place or remedy:\n%s", rendered(t, ds))
				}
			}
			if testing.Verbose() {
				t.Logf("\n%s", rendered(t, ds))
			}
		})
	}
}

// wrap makes an example a whole spec.
func wrap(example string) string {
	if strings.Contains(example, "import ") {
		return example
	}
	datasets := "	datasets: [spec.msd.Task02_Heart]\n"
	if strings.HasPrefix(example, "datasets:") {
		datasets = ""
	}
	return "import \"runspec.internal/spec\"\n\nspec.#Experiment & {\n\tname: \"example\"\n" + datasets + example + "}\n"
}

func write1(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "spec.cue")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func rendered(t *testing.T, ds diag.Diagnostics) string {
	var b strings.Builder
	if err := diag.Write(&b, ds, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type code struct {
	code    diag.Code
	example string
}

// codes reads the constants of package diag and the examples in their comments.
func codes(t *testing.T) map[string]code {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("diag", "code.go"), nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]code{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		v := g.Specs[0].(*ast.ValueSpec)
		var example strings.Builder
		for _, line := range strings.Split(g.Doc.Text(), "\n") {
			if rest, ok := strings.CutPrefix(line, "\t"); ok {
				example.WriteString(rest + "\n")
			}
		}
		value := strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`)
		out[v.Names[0].Name] = code{diag.Code(value), example.String()}
	}
	return out
}
