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
	path := filepath.Join(t.TempDir(), "silent.cue")
	text := "import \"runspec.internal/spec\"\n\nspec.#Experiment & {name: \"silent\", datasets: [spec.msd.Task04_Hippocampus]}\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := Compile(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Training.Hyperparameters != plan.NNUNet || len(p.Training.Deviations()) > 0 {
		t.Errorf("a silent spec gets %+v, which deviates by %v", p.Training.Hyperparameters, p.Training.Deviations())
	}
}
