package plan

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestSavedAndLoaded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "plans", "p.json")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	spec := filepath.Join(dir, "specs", "a.cue")
	if err := WriteSaved(path, Saved{Spec: spec, Tags: map[string]string{"size": "large"}, Set: []string{"seed=3"}, Plan: small()}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), `"spec":"../specs/a.cue"`) {
		t.Fatalf("%s, %v", text, err)
	}
	s, err := Load(path)
	if err != nil || s.Spec != spec || s.Tags["size"] != "large" || !reflect.DeepEqual(s.Set, []string{"seed=3"}) || len(Diff(s.Plan, small())) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
	for name, test := range map[string]struct {
		old, new string
		want     error
	}{
		"another plan format":  {`"version":"runspec/plan/v1"`, `"version":"runspec/plan/v0"`, ErrVersion},
		"another file format":  {SavedVersion, "runspec/saved-plan/v0", ErrVersion},
		"edited":               {`"max":9`, `"max":8`, ErrStale},
		"a field too many":     {`"spec":`, `"specs":`, nil},
		"cut off":              {`}` + "\n", "", nil},
		"no plan in it":        {`"plan":`, `"plan":null,"planned":`, nil},
		"not a plan whatever":  {string(text), `[]`, nil},
		"a number as the seed": {`"seed":9007199254740991`, `"seed":-1`, nil},
	} {
		other := filepath.Join(dir, "other.json")
		if !strings.Contains(string(text), test.old) {
			t.Fatalf("%s: nothing to replace", name)
		}
		if err := os.WriteFile(other, []byte(strings.Replace(string(text), test.old, test.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Load(other)
		if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), "other.json") {
			t.Errorf("%s: %v", name, err)
		}
		if test.want != nil && (s.Plan == nil || s.Plan.Name != "small") {
			t.Errorf("%s: nothing to show: %+v", name, s)
		}
	}
}

func TestRunDirectorysPlanIsLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := Write(path, small()); err != nil {
		t.Fatal(err)
	}
	s, err := Load(path)
	if err != nil || s.Spec != "" || len(Diff(s.Plan, small())) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestUnlearnt(t *testing.T) {
	old, p := small(), small()
	old.Datasets[0].Fingerprint, old.Datasets[0].Description, old.Datasets[0].Digest = nil, p.Datasets[0].Description, ""
	p.Datasets[0].Digest = "a"
	p.Seed = 2
	if got := Unlearnt(Diff(old, p)); len(got) != 1 || got[0].Path != "seed" {
		t.Errorf("%+v", got)
	}
}
