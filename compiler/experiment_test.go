package compiler

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runspec/compiler/diag"
)

// TestExperiments compiles the specs that ship, under each of their profiles.
func TestExperiments(t *testing.T) {
	for _, c := range []struct {
		file string
		tags map[string]string
	}{
		{"quickstart.cue", nil},
		{"hippocampus.cue", nil},
		{"hippocampus.cue", map[string]string{"profile": "paper"}},
		{"msd.cue", nil},
		{"msd.cue", map[string]string{"profile": "simulate"}},
	} {
		p, err := Compile(filepath.Join("..", "experiments", c.file), Options{Tags: c.tags})
		if err != nil {
			t.Errorf("%s %v:\n%s", c.file, c.tags, rendered(t, err.(diag.Diagnostics)))
			continue
		}
		for _, s := range p.Studies {
			bound, err := s.Space.Bind(6) // as most of the Decathlon's plans have
			if err == nil {
				err = bound.Validate()
			}
			if err != nil {
				t.Errorf("%s: study %s: %v", c.file, s.Name, err)
			}
			t.Log(c.file, c.tags, s.Name, s.Rungs)
		}
	}
}

// TestReadme compiles the specs in the language's README.
func TestReadme(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "spec", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(raw), "```cue\n")[1:]
	if len(blocks) != 3 {
		t.Fatalf("%d blocks", len(blocks))
	}
	for i, b := range blocks {
		b, _, _ = strings.Cut(b, "```")
		switch i {
		case 1:
			b = wrap("studies: a: {\n" + b + "\noptimizer: spec.#Random & {trials: 1}}\n")
		case 2:
			b = wrap(b)
		}
		must(t, b, Options{})
	}
}
