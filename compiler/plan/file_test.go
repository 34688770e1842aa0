package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/nnunet"
	"runspec/compiler/space"
)

// small is a plan in which nothing is zero that matters to JSON.
func small() *Plan {
	lr := space.Number(0.01)
	return &Plan{
		Version: Version, Name: "small", Seed: 1<<53 - 1, Cost: CostModel, Folds: []Fold{0, 4},
		Datasets: []Dataset{{
			Name: "D", Configuration: "3d_fullres",
			Source: Source{Kind: Phantoms, Phantom: &Phantom{Cases: 5, Shape: [3]int{16, 16, 16}, Spacing: [3]float64{2.5, 1, 1}, Organs: 1, Seed: 3}},
			Description: nnunet.Dataset{Name: "D", Channels: []string{"MRI"}, NumTraining: 5, FileEnding: ".nii.gz",
				Labels: []nnunet.Label{{Name: "background", Values: []int{0}}, {Name: "organ", Values: []int{1}}}},
			Fingerprint: &nnunet.Fingerprint{
				Spacings: [][3]float64{{2.5, 1, 1}}, ShapesAfterCrop: [][3]int{{16, 32, 32}}, MedianRelativeSize: 1,
				Foreground: map[string]nnunet.Intensity{"0": {Max: 3, Mean: 1, Median: 1, Min: -1, P005: -0.9, P995: 2.9, Std: 0.5}},
			},
		}},
		Training:  Training{Iterations: 3, BaseFeatures: 8, Batch: 2},
		Fidelity:  Fidelity{Unit: "epochs", Min: 1, Max: 9, Eta: 3, Horizon: 9},
		Baselines: []Baseline{{Name: "nnunet/Conv", Planner: nnunet.ConvPlanner}},
		Studies: []Study{{Name: "s", Planner: nnunet.ConvPlanner, Folds: []Fold{0}, Seed: StudySeed(1, "s"),
			Optimizer: Optimizer{Kind: SuccessiveHalving, Trials: 9}, Rungs: []Rung{{1, 9}, {3, 3}, {9, 1}},
			Space: space.Space{Parameters: []space.Parameter{{Name: "initial_lr", Kind: space.Float, Low: 1e-5, High: 0.1, Log: true, Default: &lr, Prior: space.Low}}}}},
		Report: Report{Against: "nnunet/Conv"},
	}
}

func TestWriteRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := Write(path, small()); err != nil {
		t.Fatal(err)
	}
	back, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(small(), back, cmp.AllowUnexported(space.Value{})); d != "" {
		t.Error(d)
	}
	a, _ := small().Digest()
	b, err := back.Digest()
	if a != b || err != nil || len(a) != len("sha256:")+64 {
		t.Error(a, b, err)
	}
}

func TestReadRejects(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"truncated": `{"version":"runspec/plan/v1","na`,
		"version":   `{"version":"runspec/plan/v0"}`,
		"field":     `{"version":"runspec/plan/v1","nmae":"x"}`,
		"type":      `{"version":"runspec/plan/v1","name":3}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "compile the spec again") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "absent")); err == nil {
		t.Error("an absent plan reads")
	}
}

func TestDigestSeesEverything(t *testing.T) {
	a, _ := small().Digest()
	for i, change := range []func(*Plan){
		func(p *Plan) { p.Seed-- },
		func(p *Plan) { p.Studies[0].Space.Parameters[0].High = 0.2 },
		func(p *Plan) { p.Training.Hyperparameters.Clip = 11 },
		func(p *Plan) { p.Datasets[0].Source.Phantom.Noise = 0.1 },
	} {
		p := small()
		change(p)
		if b, _ := p.Digest(); a == b {
			t.Errorf("change %d keeps the digest", i)
		}
	}
}

func TestDescribe(t *testing.T) {
	var b strings.Builder
	if err := small().Describe(&b); err != nil {
		t.Fatal(err)
	}
	// 9 + 3·2 + 1·6 epochs of the study, 9 for its incumbent on fold 4, 18 of the baseline.
	for _, want := range []string{"8 16 32", "s (successive_halving)", "9 (from 3)", "48 epochs"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing from:\n%s", want, b.String())
		}
	}
	p := small()
	p.Datasets[0].Fingerprint = nil
	b.Reset()
	if err := p.Describe(&b); err != nil || !strings.Contains(b.String(), "(known after fingerprint)") {
		t.Errorf("%v:\n%s", err, b.String())
	}
}
