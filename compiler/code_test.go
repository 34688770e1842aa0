package compiler

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/diag"
)

// TestCodes compiles the example in each code's comment, and compares what is
// told with the golden file.
func TestCodes(t *testing.T) {
	var told strings.Builder
	without := []string{"UnknownTag", "BadSetting", "Unreadable", "Internal",
		// of a grammar's file: compiler/grammar has their examples
		"UndefinedSymbol", "UnreachableSymbol", "UnproductiveSymbol", "CyclicSymbol", "EmptyAlternative", "BadWeights", "UnboundVariable"}
	for _, c := range diag.Rules() {
		t.Run(c.Name, func(t *testing.T) {
			if c.Example == "" {
				if !slices.Contains(without, c.Name) {
					t.Fatal("no example")
				}
				return
			}
			path := write1(t, wrap(c.Example))
			_, err := Compile(path, Options{})
			ds, _ := err.(diag.Diagnostics)
			fmt.Fprintf(&told, "%s\n", strings.ReplaceAll(rendered(t, ds), path, "spec.cue"))
			if len(ds) != 1 || ds[0].Code != c.Code {
				t.Errorf("want one diagnostic %s, have %d:\n%s", c.Code, len(ds), rendered(t, ds))
			}
			for _, d := range ds {
				if d.Range.Start.Line == 0 && c.Code != diag.NoExperiment || d.Detail == "" || strings.Contains(d.Range.File, "runspec.internal") {
					t.Errorf("without place or remedy:\n%s", rendered(t, ds))
				}
			}
		})
	}
	golden := filepath.Join("testdata", "codes.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(told.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), told.String()); d != "" {
		t.Errorf("go test -update rewrites %s:\n%s", golden, d)
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
