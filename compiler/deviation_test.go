package compiler

import (
	"os"
	"path/filepath"
	"testing"

	"runspec/compiler/plan"
)

// TestDefaultsAreNNUNets compares what a spec gets where it is silent with the
// constants that reports compare trainings with.
func TestDefaultsAreNNUNets(t *testing.T) {
	p := planOf(t, "")
	if p.Training.Hyperparameters != plan.NNUNet || len(p.Training.Deviations()) > 0 {
		t.Errorf("a silent spec gets %+v, which deviates by %v", p.Training.Hyperparameters, p.Training.Deviations())
	}
}

// planOf is the plan of an experiment that says nothing but the given fields.
func planOf(t *testing.T, fields string) *plan.Plan {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spec.cue")
	text := "import \"runspec.internal/spec\"\n\nspec.#Experiment & {\nname: \"a\"\ndatasets: [spec.msd.Task04_Hippocampus]\n" + fields + "\n}\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := Compile(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Each generation of the augmentation reaches the plan, counts as a deviation
// unless it is nnU-Net's current one, and makes other trainings.
func TestAugmentations(t *testing.T) {
	silent := planOf(t, "")
	for _, c := range []struct {
		name       string
		deviations int
	}{{"v2", 0}, {"v1", 1}, {"none", 1}} {
		p := planOf(t, "training: augmentation: \""+c.name+"\"")
		if d := p.Training.Deviations(); p.Training.Augmentation != c.name || len(d) != c.deviations {
			t.Errorf("augmentation %q: the plan has %q, deviations %v", c.name, p.Training.Augmentation, d)
		}
		want := plan.Cosmetic
		if c.deviations > 0 {
			want = plan.Incompatible
		}
		if got := plan.Worst(plan.Diff(silent, p)); got != want {
			t.Errorf("augmentation %q in place of the default is %s, want %s", c.name, got, want)
		}
	}
}
