package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// groups lists the packages in the order in which they may import one another:
// each only packages of earlier groups (and sub-packages of its own).
var groups = [][]string{
	{"runtime/process", "runtime/exchange/pickle", "runtime/engine/xla/pjrt", "runtime/engine/xla/hlo"},
	{"runtime/durable"},
	{"runtime/lease"},
	{"spec", "grammars", "compiler/diag", "runtime/pareto", "runtime/volume", "runtime/npy"},
	{"compiler/grammar"},
	{"compiler/space"},
	{"compiler/unet"},
	{"compiler/nnunet"},
	{"compiler/plan"},
	{"compiler", "compiler/survey", "runtime/search", "runtime/dataset", "runtime/evaluate"},
	{"runtime/simulate"},
	{"runtime/augment", "runtime/engine", "runtime/engine/cpu/kernel"},
	{"runtime/engine/reference", "runtime/engine/cpu", "runtime/engine/xla", "runtime/predict"},
	{"runtime/accelerator"},
	{"runtime/train", "runtime/machine"},
	{"runtime/exchange"},
	{"runtime/journal"},
	{"runtime/execute"},
	{"runtime/report", "runtime/progress", "runtime/provenance"},
	{"runtime"},
	{"runtime/inspect", "runtime/doctor", "runtime/engine/bench/hlo"},
	{".", "runtime/engine/bench/gpu"},
}

// confined names the modules that only some packages may import.
var confined = map[string][]string{
	"cuelang.org/go":                    {"compiler"},
	"github.com/hashicorp/hcl/v2":       {"compiler/grammar"},
	"gorgonia.org":                      {"runtime/engine", "runtime/engine/cpu", "runtime/engine/reference"},
	"github.com/spf13/cobra":            {"."},
	"github.com/olekukonko/tablewriter": {"runtime/report", "compiler/plan"},
}

func rank(pkg string) int {
	return slices.IndexFunc(groups, func(g []string) bool { return slices.Contains(g, pkg) })
}

func TestImportsPointOneWay(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata") {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if strings.HasPrefix(pkg, "runtime/internal/") {
			return nil
		}
		pkg, _, _ = strings.Cut(pkg, "/internal/") // it belongs to the package above
		seen++
		checkFile(t, path, pkg)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 30 {
		t.Fatalf("only %d files seen: the test does not walk the tree", seen)
	}
}

func checkFile(t *testing.T, path, pkg string) {
	from := rank(pkg)
	if from < 0 {
		t.Errorf("%s: package %s has no place in the layout; give it one in groups", path, pkg)
		return
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Imports {
		to, _ := strconv.Unquote(spec.Path.Value)
		for module, allowed := range confined {
			if strings.HasPrefix(to, module) && !slices.Contains(allowed, pkg) {
				t.Errorf("%s imports %s, which belongs to %v", path, to, allowed)
			}
		}
		own, ok := strings.CutPrefix(to, "runspec/")
		if !ok || strings.HasPrefix(own, "runtime/internal/") {
			continue
		}
		if rank(own) >= from {
			t.Errorf("%s: %s may not import %s, which comes later in the layout", path, pkg, own)
		}
	}
}
