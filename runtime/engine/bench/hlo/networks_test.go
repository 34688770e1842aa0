package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/nnunet"
	"runspec/runtime/engine"
	"runspec/runtime/engine/xla"
)

// planned are the data set, planner and configuration behind each network.
var planned = map[string]struct {
	dataset       string
	planner       nnunet.Planner
	configuration string
}{
	"task04":      {"Dataset004_Hippocampus", nnunet.ConvPlanner, "3d_fullres"},
	"braintumour": {"Dataset001_BrainTumour", nnunet.ConvPlanner, "3d_fullres"},
	"resenc":      {"Dataset004_Hippocampus", nnunet.ResEncMPlanner, "3d_fullres"},
	"flat":        {"Dataset004_Hippocampus", nnunet.ConvPlanner, "2d"},
}

// TestNetworks plans the networks anew from the published fingerprints.
func TestNetworks(t *testing.T) {
	const published = "../../../../../shared/reference/msd"
	if _, err := os.Stat(published); err != nil {
		t.Skip("../shared is not here: the networks are not planned anew")
	}
	for _, n := range networks {
		from, ok := planned[n.name]
		if !ok {
			continue
		}
		t.Run(n.name, func(t *testing.T) {
			d, err := nnunet.ReadDataset(contents(t, published, from.dataset, "dataset.json"))
			if err != nil {
				t.Fatal(err)
			}
			f, err := nnunet.ReadFingerprint(contents(t, published, from.dataset, "dataset_fingerprint.json"))
			if err != nil {
				t.Fatal(err)
			}
			s, err := nnunet.Plan(d, f, nnunet.Options{Planner: from.planner})
			if err != nil {
				t.Fatal(err)
			}
			c, ok := s.Configuration(from.configuration)
			if !ok {
				t.Fatalf("there is no configuration %s", from.configuration)
			}
			if c.Patch3() != n.patch || c.Batch != n.batch {
				t.Errorf("patch %v, batch %d are planned; the network has %v, %d", c.Patch, c.Batch, n.patch, n.batch)
			}
			if d := cmp.Diff(c.Architecture, n.arch); d != "" {
				t.Errorf("another architecture is planned (-) than the network's (+): %s", d)
			}
		})
	}
}

func contents(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestModules lowers every network's step in every precision.
func TestModules(t *testing.T) {
	for _, n := range networks {
		p, err := n.program()
		if err != nil {
			t.Fatalf("%s: %v", n.name, err)
		}
		if n.name != "small" && len(activations(p)) < 5 {
			t.Errorf("%s has %d sizes of activations", n.name, len(activations(p)))
		}
		for _, precision := range []engine.Precision{engine.FP32, engine.BF16, engine.FP16} {
			if _, err := xla.StepModule(p, precision); err != nil {
				t.Errorf("%s, %s: %v", n.name, precision, err)
			}
		}
		if _, err := xla.StepModule(p, "fp8"); err == nil {
			t.Errorf("%s is lowered in fp8", n.name)
		}
	}
}
