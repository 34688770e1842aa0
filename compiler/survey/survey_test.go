package survey_test

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runspec/compiler"
	"runspec/compiler/plan"
	"runspec/compiler/survey"
)

// shipped are the plans of the experiments in the repository, without data.
func shipped(t *testing.T) map[string]*plan.Plan {
	t.Helper()
	out := map[string]*plan.Plan{}
	files, _ := filepath.Glob("../../experiments/*.cue")
	for _, f := range files {
		p, err := compiler.Compile(f, compiler.Options{})
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = p
	}
	if len(out) < 3 {
		t.Fatalf("%d experiments, want 3 or more", len(out))
	}
	return out
}

// TestShippedSpaces looks at every space of every shipped experiment in every
// way: all are sound, and what is shown survives as JSON and as text.
func TestShippedSpaces(t *testing.T) {
	for name, p := range shipped(t) {
		verdicts, err := survey.Check(p, survey.Options{})
		if err != nil || !verdicts.Sound() || len(verdicts.Studies) != len(p.Studies)*len(p.Datasets) {
			t.Errorf("%s: %+v %v", name, verdicts, err)
		}
		for _, v := range verdicts.Studies {
			if v.Failed > 0 || !(v.Density > 0) {
				t.Errorf("%s: %+v", name, v)
			}
		}
		show(t, name, "CONDITIONS", verdicts)
		stats, err := survey.Count(p, survey.Options{})
		if err != nil || len(stats.Studies) != len(p.Studies) {
			t.Error(name, err)
		}
		show(t, name, "PARAMETER", stats)
		samples, err := survey.Draw(p, survey.Options{Seed: 3}, 5)
		if err != nil {
			t.Error(name, err)
		}
		show(t, name, "5 configurations from the prior, seed 3", samples)
		forest, err := survey.Grow(p, survey.Options{}, true)
		if err != nil || len(forest.Studies) != len(p.Studies) {
			t.Error(name, err)
		}
		show(t, name, "└─ ", forest)
	}
}

// show prints a look both ways; the text must hold some words.
func show(t *testing.T, name, words string, look interface{ Write(io.Writer) error }) {
	t.Helper()
	var text bytes.Buffer
	if err := look.Write(&text); err != nil || !strings.Contains(text.String(), words) {
		t.Errorf("%s: %v: %s", name, err, text.String())
	}
	raw, err := json.Marshal(look)
	if err != nil || !bytes.Contains(raw, []byte(`"version":"runspec/space/`)) {
		t.Errorf("%s: %v: %s", name, err, raw)
	}
}

// TestStages counts the paper's trees for the number of stages of each data set.
func TestStages(t *testing.T) {
	stats, err := survey.Count(shipped(t)["msd.cue"], survey.Options{Study: "hpo_hnas"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]string{4: "37113600", 6: "71182950400", 7: "3359517286400"}
	datasets := 0
	for _, z := range stats.Studies[0].Sizes {
		if z.Stages.Origin != plan.Published || z.Grammars[0].Total != want[z.Stages.Count] {
			t.Errorf("%v: %v", z.Stages, z.Grammars[0].Total)
		}
		datasets += len(z.Datasets)
	}
	if len(stats.Studies[0].Sizes) != 3 || datasets != 10 {
		t.Error(stats.Studies[0].Sizes)
	}
}

// TestSamplesKeep draws the same first samples, however many there are.
func TestSamplesKeep(t *testing.T) {
	p := shipped(t)["msd.cue"]
	o := survey.Options{Study: "hpo_hnas", Dataset: "Dataset005_Prostate", Seed: 9}
	few, _ := survey.Draw(p, o, 3)
	many, err := survey.Draw(p, o, 30)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range few.Studies[0].Samples {
		if m := many.Studies[0].Samples[i]; m.Configuration.Key() != s.Configuration.Key() || m.Density != s.Density {
			t.Errorf("sample %d differs", i)
		}
	}
	o.Uniform = true
	other, _ := survey.Draw(p, o, 3)
	if slices.EqualFunc(few.Studies[0].Samples, other.Studies[0].Samples, func(a, b survey.Sample) bool { return a.Configuration.Key() == b.Configuration.Key() }) {
		t.Error("uniform samples are those of the prior")
	}
}

// TestUnknownNames suggests what was meant.
func TestUnknownNames(t *testing.T) {
	p := shipped(t)["msd.cue"]
	for _, o := range []survey.Options{{Study: "hpo_nass"}, {Dataset: "Dataset004_Hipocampus"}} {
		if _, err := survey.Count(p, o); err == nil || !strings.Contains(err.Error(), "Did you mean") {
			t.Error(err)
		}
	}
}
