package compiler

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runspec/compiler/diag"
)

// TestCodes compiles the example in each code's comment.
func TestCodes(t *testing.T) {
	without := []string{"UnknownTag", "BadSetting", "Unreadable", "Internal"}
	for _, c := range diag.Rules() {
		t.Run(c.Name, func(t *testing.T) {
			if c.Example == "" {
				if !slices.Contains(without, c.Name) {
					t.Fatal("no example")
				}
				return
			}
			_, err := Compile(write1(t, wrap(c.Example)), Options{})
			ds, _ := err.(diag.Diagnostics)
			if len(ds) != 1 || ds[0].Code != c.Code {
				t.Errorf("want one diagnostic %s, have %d:\n%s", c.Code, len(ds), rendered(t, ds))
			}
			for _, d := range ds {
				if d.Range.Start.Line == 0 && c.Code != diag.NoExperiment || d.Detail == "" || strings.Contains(d.Range.File, "runspec.internal") {
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
