package unet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/grammar"
	"runspec/grammars"
)

// derivable is what PyTorch says about the network of one of the authors' trees.
type derivable struct {
	Tree string `json:"string_tree"`
	Plan string
	Tune struct {
		Rate float64 `json:"dropout_rate"`
		Base int     `json:"base_num_features"`
		Max  int     `json:"max_features"`
	} `json:"hp_config"`
	In         int   `json:"in_ch"`
	Out        int   `json:"out_ch"`
	Count      int64 `json:"n_params"`
	Parameters []struct {
		Name  string
		Shape []int
	} `json:"params"`
	Rates struct{ Encoder, Decoder []float64 } `json:"dropout_p"`
}

func derived(t *testing.T, tree string, stages int) grammar.Derivation {
	t.Helper()
	g, ds := grammar.Read("unet.hcl", grammars.UNet, grammar.Variables{"stages": stages})
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	d, err := g.Parse(tree)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// planned is the stage table that a derivation changes: kernels and strides of
// the hippocampus (4 stages) or of the prostate (7).
func planned(r derivable) Architecture {
	a := Architecture{Dim: 3, InputChannels: r.In, Classes: r.Out}
	kernels := [][3]int{{3, 3, 3}, {3, 3, 3}, {3, 3, 3}, {3, 3, 3}}
	strides := [][3]int{{1, 1, 1}, {2, 2, 2}, {2, 2, 2}, {2, 2, 2}}
	if strings.Contains(r.Plan, "Prostate") {
		kernels = [][3]int{{1, 3, 3}, {1, 3, 3}, {3, 3, 3}, {3, 3, 3}, {3, 3, 3}, {3, 3, 3}, {3, 3, 3}}
		strides = [][3]int{{1, 1, 1}, {1, 2, 2}, {1, 2, 2}, {2, 2, 2}, {2, 2, 2}, {1, 2, 2}, {1, 2, 2}}
	}
	features := r.Tune.Base
	for i := range kernels {
		a.Stages = append(a.Stages, Stage{Features: min(features, r.Tune.Max), Kernel: kernels[i], Stride: strides[i]})
		features *= 2
	}
	return a
}

// TestDerivedNetworks compares parameter names, shapes and counts with those
// of the authors' networks.
func TestDerivedNetworks(t *testing.T) {
	files, _ := filepath.Glob(shared + "/hnas/*.json")
	seen := 0
	for _, f := range files {
		var r derivable
		if name := filepath.Base(f); strings.HasPrefix(name, "grammar") || name == "index.json" || name == "ds_truncation.json" {
			continue
		}
		readJSON(t, f, &r)
		seen++
		t.Run(filepath.Base(f), func(t *testing.T) {
			plan := planned(r)
			a, err := plan.Derive(derived(t, r.Tree, len(plan.Stages)), r.Tune.Rate)
			if err != nil {
				t.Fatal(err)
			}
			n, err := Build(a)
			if err != nil {
				t.Fatal(err)
			}
			have := r.Parameters[:0:0]
			for _, p := range n.Parameters {
				have = append(have, struct {
					Name  string
					Shape []int
				}{p.Name, p.Shape})
			}
			if d := cmp.Diff(r.Parameters, have); d != "" {
				t.Error(d)
			}
			if n.ParameterCount() != r.Count {
				t.Errorf("%d parameters, want %d", n.ParameterCount(), r.Count)
			}
			compareRates(t, r, n)
		})
	}
	if seen == 0 {
		t.Skip("the authors' networks (shared/reference/nnunet/hnas) are not here")
	}
}

// TestDerivedIndex compares the overview of the authors' networks: what each half
// of a tree says, and the number of parameters.
func TestDerivedIndex(t *testing.T) {
	type half struct {
		Type    string `json:"network_type"`
		Norm    string
		Nonlin  string
		Dropout string
		Blocks  []int `json:"n_blocks_per_stage"`
	}
	if _, err := os.Stat(shared + "/hnas/index.json"); err != nil {
		t.Skip("the authors' networks (shared/reference/nnunet/hnas) are not here")
	}
	var index []struct {
		Name  string
		Count int64 `json:"n_params"`
		Enc   half
		Dec   half
	}
	readJSON(t, shared+"/hnas/index.json", &index)
	if len(index) < 10 {
		t.Errorf("%d networks", len(index))
	}
	for _, want := range index {
		var r derivable
		readJSON(t, filepath.Join(shared, "hnas", want.Name+".json"), &r)
		plan := planned(r)
		d := derived(t, r.Tree, len(plan.Stages))
		have := [2]half{}
		for i, tree := range d.Children[1:] {
			have[i].Type = tree.Children[0].Symbol
			have[i].Norm, have[i].Nonlin, have[i].Dropout = tree.Children[1].Children[0].Symbol, tree.Children[2].Children[0].Symbol, tree.Children[3].Children[0].Symbol
		}
		var err error
		if have[0].Blocks, err = DerivedStages(d); err != nil {
			t.Error(err)
		}
		if have[1].Blocks, err = DerivedDecoder(d); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([2]half{want.Enc, want.Dec}, have); diff != "" {
			t.Error(want.Name, diff)
		}
		if a, err := plan.Derive(d, r.Tune.Rate); err != nil || a.Encoder != words.encoders[want.Enc.Type] || a.Norm != words.norms[want.Enc.Norm] || a.Activation != words.activations[want.Enc.Nonlin] {
			t.Error(want.Name, a, err)
		} else if n, err := Build(a); err != nil || n.ParameterCount() != want.Count {
			t.Errorf("%s: %d parameters, want %d, %v", want.Name, n.ParameterCount(), want.Count, err)
		}
	}
}

// TestDeriveWithin leaves a derivation's deepest stages out, where the plan has
// fewer.
func TestDeriveWithin(t *testing.T) {
	d := derived(t, "(S unet (5E res_encoder (ENORM batch_norm) (ENONLIN relu) (EDROPOUT no_dropout) (1REB 1b) down (2REB 2b) down (3REB 3b) down (4REB 4b) down (5REB 5b)) (5D conv_decoder (DNORM instance_norm) (DNONLIN elu) (DDROPOUT no_dropout) up (1DB 4b) up (2DB 3b) up (3DB 2b) up (4DB 1b)))", 5)
	var r derivable
	r.In, r.Out, r.Tune.Base, r.Tune.Max = 1, 3, 32, 320
	plan := planned(r)
	a, err := plan.DeriveWithin(d, 0)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []int
	for _, s := range a.Stages {
		blocks = append(blocks, s.Blocks)
	}
	if diff := cmp.Diff([][]int{{1, 2, 3, 4}, {3, 2, 1}}, [][]int{blocks, a.DecoderBlocks}); diff != "" {
		t.Error(diff)
	}
}

// compareRates holds the dropout layers against the recorded ones, but for the
// authors' decoder that inherits the encoder's dropout at PyTorch's rate.
func compareRates(t *testing.T, r derivable, n Network) {
	var encoder, decoder []float64
	for _, b := range n.Blocks {
		switch {
		case b.Op != Drop:
		case strings.HasPrefix(b.Name, "encoder"):
			encoder = append(encoder, b.Rate)
		default:
			decoder = append(decoder, b.Rate)
		}
	}
	want := r.Rates.Decoder
	if strings.Contains(r.Tree, "(EDROPOUT dropout)") && strings.Contains(r.Tree, "(DDROPOUT no_dropout)") {
		want = nil
	}
	if len(encoder) != len(r.Rates.Encoder) || len(decoder) != len(want) {
		t.Errorf("%d and %d dropouts, want %d and %d", len(encoder), len(decoder), len(r.Rates.Encoder), len(want))
		return
	}
	for i, p := range append(encoder, decoder...) {
		if p != append(append([]float64{}, r.Rates.Encoder...), want...)[i] {
			t.Errorf("dropout %d has rate %v", i, p)
		}
	}
}

func TestDeriveRejects(t *testing.T) {
	d := derived(t, "(S unet (5E conv_encoder (ENORM batch_norm) (ENONLIN relu) (EDROPOUT dropout) (1CEB 2b) down (2CEB 2b) down (3CEB 2b) down (4CEB 1b) down (5CEB 1b)) (5D conv_decoder (DNORM instance_norm) (DNONLIN elu) (DDROPOUT no_dropout) up (1DB 1b) up (2DB 1b) up (3DB 1b) up (4DB 3b)))", 5)
	var r derivable
	r.In, r.Out, r.Tune.Base, r.Tune.Max = 1, 3, 32, 320
	if _, err := planned(r).Derive(d, 0.1); err == nil {
		t.Error("five stages fit a plan of four")
	}
	if _, err := planned(r).Derive(d.Children[1], 0.1); err == nil {
		t.Error("half a derivation passes")
	}
	other := grammar.Derivation{Symbol: "S", Children: []grammar.Derivation{{Symbol: "unet"}, {Symbol: "a"}, {Symbol: "b"}}}
	if _, err := planned(r).Derive(other, 0.1); err == nil {
		t.Error("a derivation without blocks passes")
	}
}
