package compiler

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"runspec/compiler/diag"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden compiles the spec.cue of each archive and compares the plan, or
// the diagnostics. Words "name=value" on the comment's first line are tags,
// words "--set=path=value" are settings.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no archives:", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			file, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, have := compiled(t, a)
			var want []byte
			var kept []txtar.File
			for _, f := range a.Files {
				switch f.Name {
				case "plan.json", "diagnostics":
					if f.Name == name {
						want = f.Data
					}
				default:
					kept = append(kept, f)
				}
			}
			if *update {
				a.Files = append(kept, txtar.File{Name: name, Data: have})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(want), string(have)); d != "" {
				t.Errorf("%s differs (-want +have); go test -update rewrites it:\n%s", name, d)
			}
		})
	}
}

func compiled(t *testing.T, a *txtar.Archive) (name string, data []byte) {
	dir := t.TempDir()
	for _, f := range a.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	line, _, _ := strings.Cut(string(a.Comment), "\n")
	tags := map[string]string{}
	var set []string
	for _, word := range strings.Fields(line) {
		if argument, ok := strings.CutPrefix(word, "--set="); ok {
			set = append(set, argument)
		} else if k, v, ok := strings.Cut(word, "="); ok {
			tags[k] = v
		}
	}
	p, err := Compile("spec.cue", Options{Tags: tags, Set: set})
	if err != nil {
		return "diagnostics", []byte(rendered(t, err.(diag.Diagnostics)))
	}
	raw, err := p.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	return "plan.json", append(b.Bytes(), '\n')
}
