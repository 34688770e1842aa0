package compiler

import (
	"path/filepath"
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
	} {
		p, err := Compile(filepath.Join("..", "experiments", c.file), Options{Tags: c.tags})
		if err != nil {
			t.Errorf("%s %v:\n%s", c.file, c.tags, rendered(t, err.(diag.Diagnostics)))
			continue
		}
		for _, s := range p.Studies {
			if err := s.Space.Validate(); err != nil {
				t.Errorf("%s: study %s: %v", c.file, s.Name, err)
			}
			t.Log(c.file, c.tags, s.Name, s.Rungs)
		}
	}
}
