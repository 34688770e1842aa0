package nnunet

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/unet"
)

const shared = "../../../shared/reference"

var planNames = map[string]Planner{
	"nnUNetPlans": ConvPlanner, "nnUNetResEncUNetMPlans": ResEncMPlanner, "nnUNetResEncUNetLPlans": ResEncLPlanner,
}

// planned is one data set with what nnU-Net 2.8.1 planned for it.
type planned struct {
	Arguments struct {
		GB       float64     `json:"gb"`
		Spacing  *[3]float64 `json:"overwrite_target_spacing"`
		Suppress bool        `json:"suppress_transpose"`
	} `json:"kwargs"`
	Dataset     json.RawMessage            `json:"dataset"`
	Fingerprint json.RawMessage            `json:"fingerprint"`
	Plans       map[string]json.RawMessage `json:"plans"`
	Traces      map[string][]estimate      `json:"traces"`
}

// estimate is one size estimate that nnU-Net made while planning.
type estimate struct {
	Patch    []int   `json:"patch_size"`
	Features []int   `json:"features"`
	Strides  [][]int `json:"strides"`
	Kernels  [][]int `json:"kernel_sizes"`
	Blocks   []int   `json:"blocks"`
	Decoder  []int   `json:"dec"`
	Size     int64   `json:"estimate"`
}

func (p planned) options(name string) Options {
	o := Options{Planner: planNames[name], MemoryGB: p.Arguments.GB, SuppressTranspose: p.Arguments.Suppress}
	if p.Arguments.Spacing != nil {
		o.OverwriteSpacing = *p.Arguments.Spacing
	}
	return o
}

// allPlanned gives the committed data sets and, where ../shared lies beside
// the repository, all the others.
func allPlanned(t *testing.T) map[string]planned {
	t.Helper()
	out := map[string]planned{}
	files, _ := filepath.Glob("testdata/planner/*.json")
	for _, f := range files {
		var p planned
		readJSON(t, f, &p)
		out[strings.TrimSuffix(filepath.Base(f), ".json")] = p
	}
	if len(out) != 8 {
		t.Fatalf("%d committed data sets, want 8", len(out))
	}
	if _, err := os.Stat(shared); err != nil {
		t.Log("../shared is not here: only the committed data sets are compared")
		return out
	}
	index := map[string]planned{}
	readJSON(t, shared+"/nnunet/planner/synthetic/index.json", &index)
	for name, p := range index {
		dir := filepath.Join(shared, "nnunet/planner/synthetic", name)
		out[name] = readPlanned(t, p, dir, dir)
	}
	sets, _ := filepath.Glob(shared + "/msd/Dataset*")
	for _, dir := range sets {
		name := filepath.Base(dir)
		out[name] = readPlanned(t, planned{}, dir, filepath.Join(shared, "nnunet/planner/msd", name))
		published := readPlanned(t, planned{}, dir, dir)
		published.Traces = nil
		out[name+"_published"] = published
	}
	if len(out) != 15+2*6 {
		t.Fatalf("%d data sets, want 27", len(out))
	}
	return out
}

func readPlanned(t *testing.T, p planned, input, golden string) planned {
	readJSON(t, filepath.Join(input, "dataset.json"), &p.Dataset)
	readJSON(t, filepath.Join(input, "dataset_fingerprint.json"), &p.Fingerprint)
	p.Plans, p.Traces = map[string]json.RawMessage{}, map[string][]estimate{}
	for name := range planNames {
		var plans json.RawMessage
		readJSON(t, filepath.Join(golden, name+".json"), &plans)
		p.Plans[name] = plans
		if file := filepath.Join(golden, name+".trace.json"); input != golden || strings.Contains(golden, "synthetic") {
			var trace []estimate
			readJSON(t, file, &trace)
			p.Traces[name] = trace
		}
	}
	return p
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func TestPlansAgainstNnUNet(t *testing.T) {
	for name, p := range allPlanned(t) {
		for plans, golden := range p.Plans {
			t.Run(name+"/"+plans, func(t *testing.T) {
				d, f := read(t, p.Dataset, p.Fingerprint)
				d.Name = nameIn(t, golden)
				got, calls := planTraced(t, d, f, p.options(plans))
				comparePlans(t, d, got, golden, name)
				if want, ok := p.Traces[plans]; ok {
					if diff := cmp.Diff(want, calls); diff != "" {
						t.Errorf("size estimates (-nnU-Net +ours):\n%s", diff)
					}
				}
			})
		}
	}
}

func read(t *testing.T, dataset, fingerprint []byte) (Dataset, Fingerprint) {
	t.Helper()
	d, err := ReadDataset(dataset)
	if err != nil {
		t.Fatal(err)
	}
	f, err := ReadFingerprint(fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	return d, f
}

func nameIn(t *testing.T, plans []byte) string {
	t.Helper()
	var file struct {
		Name string `json:"dataset_name"`
	}
	if err := json.Unmarshal(plans, &file); err != nil {
		t.Fatal(err)
	}
	return file.Name
}

// planTraced plans and records the size estimates; nnU-Net remembers them by
// patch and strides, so it records the first of each.
func planTraced(t *testing.T, d Dataset, f Fingerprint, o Options) (Settings, []estimate) {
	t.Helper()
	var calls []estimate
	seen := map[string]bool{}
	s, err := plan(d, f, o, func(patch []float64, a unet.Architecture, size int64) {
		e := estimate{Decoder: a.DecoderBlocks, Size: size}
		for _, length := range patch {
			e.Patch = append(e.Patch, int(length))
		}
		for _, s := range a.Stages {
			e.Features = append(e.Features, s.Features)
			e.Blocks = append(e.Blocks, s.Blocks)
			e.Strides = append(e.Strides, s.Stride[3-a.Dim:])
			e.Kernels = append(e.Kernels, s.Kernel[3-a.Dim:])
		}
		if key := fmt.Sprint(e.Patch, e.Strides); !seen[key] {
			seen[key] = true
			calls = append(calls, e)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, calls
}

// comparePlans holds our plans file against nnU-Net's, field by field.
// Integers, names and the set of fields must be equal, floats to 1e-12.
// plans_name and the names derived from it are left out: nnU-Net's published
// residual plans were written under the default's name.
func comparePlans(t *testing.T, d Dataset, s Settings, golden []byte, name string) {
	t.Helper()
	text, err := MarshalPlans(d, Plans{Settings: s})
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(golden, &want); err != nil {
		t.Fatal(err)
	}
	published := strings.HasSuffix(name, "_published") || strings.HasPrefix(name, "auto_")
	ignore := cmp.FilterPath(func(p cmp.Path) bool {
		last := p.Last().String()
		return published && (last == `["plans_name"]` || last == `["data_identifier"]`) ||
			strings.HasPrefix(name, "auto_") && last == `["experiment_planner_used"]`
	}, cmp.Ignore())
	floats := cmp.Comparer(func(a, b float64) bool {
		if a == math.Trunc(a) && b == math.Trunc(b) {
			return a == b
		}
		return math.Abs(a-b) <= 1e-12*max(math.Abs(a), math.Abs(b))
	})
	if diff := cmp.Diff(want, got, ignore, floats); diff != "" {
		t.Errorf("plans (-nnU-Net +ours):\n%s", diff)
	}
}

func TestNetworkSizesAgainstNnUNet(t *testing.T) {
	file := shared + "/nnunet/planner/network_sizes.json"
	if _, err := os.Stat(file); err != nil {
		t.Skip("../shared/reference/nnunet/planner/network_sizes.json is not here")
	}
	var sizes map[string]struct {
		Parameters int64 `json:"n_params"`
		Estimate   int64 `json:"vram_estimate"`
		Patch      []int `json:"patch"`
		Batch      int   `json:"batch"`
	}
	readJSON(t, file, &sizes)
	sets := allPlanned(t)
	if len(sizes) < 30 {
		t.Fatalf("only %d recorded sizes", len(sizes))
	}
	for key, want := range sizes {
		parts := strings.Split(key, "/")
		p, ok := sets[parts[0]]
		if !ok {
			t.Errorf("no data set %s", parts[0])
			continue
		}
		d, f := read(t, p.Dataset, p.Fingerprint)
		s, err := Plan(d, f, p.options(parts[1]))
		if err != nil {
			t.Fatal(err)
		}
		c, ok := s.Configuration(parts[2])
		if !ok {
			t.Errorf("%s was not planned", key)
			continue
		}
		n, err := unet.Build(c.Architecture)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.ParameterCount(); got != want.Parameters {
			t.Errorf("%s: %d parameters, want %d", key, got, want.Parameters)
		}
		if got := n.Architecture.FeatureMapSize(c.Patch3(), false); got != want.Estimate {
			t.Errorf("%s: estimate %d, want %d", key, got, want.Estimate)
		}
		if _, err := n.Shapes(c.Patch3()); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// TestSearchedPlans compares with the planner of Auto-nnU-Net's architecture
// search: other features, blocks, activations, norms and dropout.
func TestSearchedPlans(t *testing.T) {
	files, _ := filepath.Glob(shared + "/nnunet/auto_planner/Dataset*.json")
	if len(files) == 0 {
		t.Skip("../shared/reference/nnunet/auto_planner is not here")
	}
	if len(files) != 42 {
		t.Fatalf("%d recordings, want 42", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			var r struct {
				Search struct {
					Base       int     `json:"base_num_features"`
					Max        int     `json:"max_features"`
					Scale      int     `json:"model_scale"`
					Activation string  `json:"activation"`
					Norm       string  `json:"normalization"`
					Dropout    float64 `json:"dropout_rate"`
					Encoder    string  `json:"encoder_type"`
				} `json:"hp_config"`
				Plans json.RawMessage `json:"plans"`
			}
			readJSON(t, file, &r)
			set := nameIn(t, r.Plans)
			var dataset, fingerprint json.RawMessage
			readJSON(t, filepath.Join(shared, "msd", set, "dataset.json"), &dataset)
			readJSON(t, filepath.Join(shared, "msd", set, "dataset_fingerprint.json"), &fingerprint)
			d, f := read(t, dataset, fingerprint)
			d.Name = set
			s, err := Plan(d, f, Options{
				Planner:      map[string]Planner{"ConvolutionalEncoder": ConvPlanner, "ResidualEncoderM": ResEncMPlanner, "ResidualEncoderL": ResEncLPlanner}[r.Search.Encoder],
				BaseFeatures: r.Search.Base, MaxFeatures: r.Search.Max,
				BlockScale: []float64{.5, 1, 1.5, 2}[r.Search.Scale],
				Norm:       unet.Norm(r.Search.Norm), Activation: unet.Activation(r.Search.Activation), Dropout: r.Search.Dropout,
			})
			if err != nil {
				t.Fatal(err)
			}
			comparePlans(t, d, s, r.Plans, "auto_"+name)
		})
	}
}
