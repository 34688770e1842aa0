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
	var index map[string]struct {
		Patch, Features, Blocks []int
		Batch                   int
		Decoder                 []int    `json:"dec"`
		Configurations          []string `json:"configs"`
	}
	readJSON(t, shared+"/nnunet/auto_planner/index.json", &index)
	if len(index) != len(files) {
		t.Errorf("the index has %d recordings of %d", len(index), len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			var r struct {
				Sought space.Configuration `json:"hp_config"`
				Plans  json.RawMessage
			}
			readJSON(t, file, &r)
			planner := nnunet.ConvPlanner
			if e := r.Sought["encoder_type"]; e == space.Text("ResidualEncoderL") { // no space has it; a study's planner does
				delete(r.Sought, "encoder_type")
				planner = nnunet.ResEncLPlanner
			}
			d := published(t, strings.Join(strings.SplitN(filepath.Base(file), "_", 3)[:2], "_"))
			s, have, fit, err := (Training{}).Fitted(d.Description, *d.Fingerprint, planner, d.Configuration, r.Sought)
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
			listed := index[strings.TrimSuffix(filepath.Base(file), ".json")]
			var features, blocks []int
			for _, s := range have.Architecture.Stages {
				features, blocks = append(features, s.Features), append(blocks, s.Blocks)
			}
			if d := cmp.Diff([]any{listed.Patch, listed.Batch, listed.Features, listed.Blocks, listed.Decoder, listed.Configurations},
				[]any{have.Patch, have.Batch, features, blocks, have.Architecture.DecoderBlocks, names(s)}); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestDerivedConfigurations plans the authors' recorded trees as a trial does: the
// number of parameters is that of their networks.
func TestDerivedConfigurations(t *testing.T) {
	files, _ := filepath.Glob(shared + "/nnunet/hnas/*_n[47]*.json")
	seen := 0
	for _, file := range files {
		var r struct {
			Tree   string              `json:"string_tree"`
			Sought space.Configuration `json:"hp_config"`
			Set    string              `json:"plan"`
			Count  int64               `json:"n_params"`
			Named  []struct{}          `json:"params"`
		}
		readJSON(t, file, &r)
		if len(r.Named) == 0 {
			continue // a grammar
		}
		seen++
		d := published(t, r.Set)
		r.Sought["architecture"] = space.Text(r.Tree)
		_, c, fit, err := (Training{}).Fitted(d.Description, *d.Fingerprint, nnunet.ConvPlanner, d.Configuration, r.Sought)
		if err != nil || fit.Dropped > 0 {
			t.Error(file, fit, err)
			continue
		}
		if n, err := unet.Build(c.Architecture); err != nil || n.ParameterCount() != r.Count {
			t.Errorf("%s: %d parameters, want %d, %v", file, n.ParameterCount(), r.Count, err)
		}
	}
	if seen == 0 {
		t.Skip("the authors' networks (shared/reference/nnunet/hnas) are not here")
	}
}

func readJSON(t testing.TB, file string, v any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatal(file, err)
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
	if _, err := os.Stat(shared + "/search/5_spaces/datasets.json"); err != nil {
		t.Skip("the authors' data sets (shared/reference/search/5_spaces) are not here")
	}
	var golden map[string]struct {
		Stages int `json:"default_n_stages"`
	}
	readJSON(t, shared+"/search/5_spaces/datasets.json", &golden)
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
