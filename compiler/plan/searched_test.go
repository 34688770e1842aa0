package plan

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/grammar"
	"runspec/compiler/nnunet"
	"runspec/compiler/space"
	"runspec/compiler/unet"
	"runspec/grammars"
)

const shared = "../../../shared/reference"

// published is a data set of the Decathlon with its published fingerprint.
func published(t testing.TB, name string) Dataset {
	t.Helper()
	d := Dataset{Name: name, Configuration: "3d_fullres", Published: "D" + name[8:10], Fingerprint: &nnunet.Fingerprint{}}
	for file, into := range map[string]func([]byte) error{
		"dataset.json":             func(b []byte) (err error) { d.Description, err = nnunet.ReadDataset(b); return err },
		"dataset_fingerprint.json": func(b []byte) error { return json.Unmarshal(b, d.Fingerprint) },
	} {
		raw, err := os.ReadFile(filepath.Join(shared, "msd", name, file))
		if err == nil {
			err = into(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	d.Description.Name = name
	return d
}

// TestSearchedConfigurations plans the configurations of Auto-nnU-Net's
// architecture search as a trial does, and compares with what the authors'
// planner made of them: patch, batch, stages, all.
func TestSearchedConfigurations(t *testing.T) {
	files, _ := filepath.Glob(shared + "/nnunet/auto_planner/Dataset*.json")
	if len(files) == 0 {
		t.Skip("the authors' plans (shared/reference/nnunet/auto_planner) are not here")
	}
	if len(files) != 42 {
		t.Errorf("%d recordings, want 42", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var r struct {
				Sought space.Configuration `json:"hp_config"`
				Plans  json.RawMessage
			}
			if err := json.Unmarshal(raw, &r); err != nil {
				t.Fatal(err)
			}
			planner := nnunet.ConvPlanner
			if e := r.Sought["encoder_type"]; e == space.Text("ResidualEncoderL") { // no space has it; a study's planner does
				delete(r.Sought, "encoder_type")
				planner = nnunet.ResEncLPlanner
			}
			d := published(t, strings.Join(strings.SplitN(filepath.Base(file), "_", 3)[:2], "_"))
			_, have, fit, err := (Training{}).Fitted(d.Description, *d.Fingerprint, planner, d.Configuration, r.Sought)
			if err != nil || fit != (Fit{}) {
				t.Fatal(fit, err)
			}
			plans, err := nnunet.ReadPlans(r.Plans)
			if err != nil {
				t.Fatal(err)
			}
			want, err := plans.Configuration(d.Configuration, d.Description)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, have); d != "" {
				t.Error(d)
			}
		})
	}
}

// derived is a configuration of HPO_HNAS.
func derived(tree string) space.Configuration {
	return space.Configuration{"architecture": space.Text(tree), "dropout_rate": space.Number(0.2)}
}

// unetOf is the paper's grammar for a number of stages.
func unetOf(t testing.TB, stages int) grammar.Grammar {
	t.Helper()
	g, ds := grammar.Read("unet.hcl", grammars.UNet, grammar.Variables{"stages": stages})
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	return g
}

// TestFit samples the paper's grammar for each data set whose fingerprint is
// published: every network can be built, and fits nnU-Net's memory with its
// patch and batch. It prints the share that needed a change.
func TestFit(t *testing.T) {
	sets, _ := filepath.Glob(shared + "/msd/Dataset*")
	if len(sets) == 0 {
		t.Skip("the published fingerprints (shared/reference/msd) are not here")
	}
	const draws = 300
	for _, dir := range sets {
		d := published(t, filepath.Base(dir))
		stages, err := d.NetworkStages()
		if err != nil || stages.Count != publishedStages[d.Published] || stages.Origin != Planned {
			t.Fatal(d.Name, stages, err)
		}
		g, rng := unetOf(t, stages.Count), rand.New(rand.NewPCG(1, 0))
		var shrunk, patch, dropped, shallow int
		for range draws {
			tree := g.Sample(rng, true)
			_, c, fit, err := (Training{}).Fitted(d.Description, *d.Fingerprint, nnunet.ConvPlanner, d.Configuration, derived(tree.String()))
			if err != nil {
				t.Fatal(d.Name, tree, err)
			}
			if err := c.Architecture.CheckPatch(c.Patch3()); err != nil {
				t.Fatal(d.Name, tree, err)
			}
			if _, err := unet.Build(c.Architecture); err != nil {
				t.Fatal(d.Name, tree, err)
			}
			if share := load(d, c); share > 1 && c.Batch > 2 && share > 1+0.5/float64(c.Batch) || share > 1 && c.Batch == 2 {
				t.Errorf("%s: %s takes %.2f of the memory with %v × %d: %+v", d.Name, tree, share, c.Patch, c.Batch, fit)
			}
			shrunk += count(fit.Shrunk)
			patch += count(fit.Shrunk && fit.Patch != c.Patch3())
			dropped += count(fit.Dropped > 0)
			shallow += count(fit.Shallow > 0)
		}
		t.Logf("%s, %d stages: of %d draws %d with fewer stages than the plan, %d with a smaller patch or batch, %d of them with a smaller patch, %d with stages left out", d.Name, stages.Count, draws, shallow, shrunk, patch, dropped)
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

// load is nnU-Net's estimate of a configuration's memory, as a share of what
// the planner of its encoder allows.
func load(d Dataset, c nnunet.Configuration) float64 {
	a := c.Architecture
	a.Classes = len(d.Description.Labels)
	reference := 560e6
	if a.Encoder == unet.Residual {
		reference = 680e6
	}
	return float64(a.FeatureMapSize(c.Patch3(), false)) / 2 * float64(c.Batch) / reference
}

// TestStages compares the table with the authors' settings.
func TestStages(t *testing.T) {
	raw, err := os.ReadFile(shared + "/search/5_spaces/datasets.json")
	if err != nil {
		t.Skip("the authors' data sets (shared/reference/search/5_spaces) are not here")
	}
	var golden map[string]struct {
		Stages int `json:"default_n_stages"`
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden) != len(publishedStages) {
		t.Errorf("%d data sets, want %d", len(publishedStages), len(golden))
	}
	for name, want := range golden {
		d := Dataset{Name: name, Configuration: "3d_fullres", Published: "D" + name[8:10]}
		if have, err := d.NetworkStages(); err != nil || have != (Stages{want.Stages, Published}) {
			t.Errorf("%s: %v %v, want %d", name, have, err, want.Stages)
		}
	}
}

// TestAssumedStages is a data set of which nothing is known.
func TestAssumedStages(t *testing.T) {
	for _, d := range []Dataset{{Configuration: "3d_fullres"}, {Configuration: "2d", Published: "D04"}} {
		if have, err := d.NetworkStages(); err != nil || have.Origin != Assumed || fmt.Sprint(have) != "6 (assumed)" {
			t.Error(have, err)
		}
	}
}
