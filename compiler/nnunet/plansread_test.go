package nnunet

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What is planned, written and read is itself; and what nnU-Net wrote reads as
// what is planned here.
func TestReadPlansRoundTrip(t *testing.T) {
	read3 := 0
	for name, p := range allPlanned(t) {
		for plans, golden := range p.Plans {
			d, f := read(t, p.Dataset, p.Fingerprint)
			d.Name = nameIn(t, golden)
			s, err := Plan(d, f, p.options(plans))
			if err != nil {
				t.Fatal(err)
			}
			text, err := MarshalPlans(d, Plans{Settings: s})
			if err != nil {
				t.Fatal(err)
			}
			for from, text := range map[string][]byte{"ours": text, "nnU-Net's": golden} {
				got, err := ReadPlans(text)
				if err != nil {
					t.Fatalf("%s/%s, %s: %v", name, plans, from, err)
				}
				if len(got.Unknown) > 0 || got.DatasetName != d.Name {
					t.Errorf("%s/%s, %s: unknown %v, data set %q", name, plans, from, got.Unknown, got.DatasetName)
				}
				for i, c := range got.Settings.Configurations {
					if got.Settings.Configurations[i], err = got.Configuration(c.Name, d); err != nil {
						t.Fatal(err)
					}
				}
				if diff := cmp.Diff(s, got.Settings, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
					t.Errorf("%s/%s, %s (-planned +read):\n%s", name, plans, from, diff)
				}
				read3++
			}
		}
	}
	t.Logf("%d plans read", read3)
}

// plainPlans are plans with a cascade, to be spoiled.
func plainPlans(t *testing.T) (Dataset, string) {
	t.Helper()
	for _, p := range allPlanned(t) {
		d, f := read(t, p.Dataset, p.Fingerprint)
		s, err := Plan(d, f, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Configuration("3d_cascade_fullres"); !ok || len(d.Channels) != 1 {
			continue
		}
		text, err := MarshalPlans(d, Plans{Settings: s})
		if err != nil {
			t.Fatal(err)
		}
		return d, string(text)
	}
	t.Fatal("no data set has a cascade")
	return Dataset{}, ""
}

// edited applies a change to the decoded file.
func edited(t *testing.T, text string, edit func(file, fullres, network map[string]any)) []byte {
	t.Helper()
	var file map[string]any
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	fullres := file["configurations"].(map[string]any)["3d_fullres"].(map[string]any)
	edit(file, fullres, fullres["architecture"].(map[string]any)["arch_kwargs"].(map[string]any))
	out, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReadPlansRefuses(t *testing.T) {
	_, text := plainPlans(t)
	type object = map[string]any
	for says, edit := range map[string]func(file, fullres, network object){
		"3d_fullres.architecture.network_class_name":       func(_, c, _ object) { c["architecture"].(object)["network_class_name"] = "my.Transformer" },
		"3d_fullres.resampling_fn_data: ":                  func(_, c, _ object) { c["resampling_fn_data"] = "resample_torch_fornnunet" },
		"3d_fullres.resampling_fn_seg_kwargs: ":            func(_, c, _ object) { c["resampling_fn_seg_kwargs"].(object)["order"] = 0 },
		"3d_fullres.resampling_fn_probabilities_kwargs: ":  func(_, c, _ object) { c["resampling_fn_probabilities_kwargs"].(object)["force_separate_z"] = true },
		"3d_fullres.normalization_schemes: channel 0":      func(_, c, _ object) { c["normalization_schemes"] = []string{"Robust"} },
		"3d_fullres.preprocessor_name":                     func(_, c, _ object) { c["preprocessor_name"] = "Mine" },
		"arch_kwargs.features_per_stage: it has 2":         func(_, _, n object) { n["features_per_stage"] = []int{1, 2} },
		"arch_kwargs.kernel_sizes: it has 1":               func(_, _, n object) { n["kernel_sizes"] = [][]int{{3, 3, 3}} },
		"arch_kwargs.n_stages":                             func(_, _, n object) { n["n_stages"] = 0 },
		"arch_kwargs.squeeze_excitation":                   func(_, _, n object) { n["squeeze_excitation"] = true },
		"arch_kwargs.nonlin_kwargs":                        func(_, _, n object) { n["nonlin_kwargs"] = object{"negative_slope": 0.2} },
		"arch_kwargs.norm_op: ":                            func(_, _, n object) { n["norm_op"] = "torch.nn.GroupNorm" },
		"arch_kwargs.conv_op: ":                            func(_, _, n object) { n["conv_op"] = "torch.nn.modules.conv.Conv2d" },
		"3d_fullres.patch_size: [97 ":                      func(_, c, _ object) { c["patch_size"].([]any)[0] = 97 },
		"3d_fullres.spacing: [1 1] has 2 axes":             func(_, c, _ object) { c["spacing"] = []float64{1, 1} },
		"3d_fullres.use_mask_for_norm: it has 2":           func(_, c, _ object) { c["use_mask_for_norm"] = []bool{true, true} },
		"3d_fullres.batch_size: it is missing":             func(_, c, _ object) { delete(c, "batch_size") },
		"3d_fullres.batch_size: it is \"two\"":             func(_, c, _ object) { c["batch_size"] = "two" },
		"3d_fullres.inherits_from: it leads back":          func(_, c, _ object) { c["inherits_from"] = "3d_cascade_fullres" },
		"3d_fullres.inherits_from: there is no":            func(_, c, _ object) { c["inherits_from"] = "4d" },
		"3d_fullres.next_stage: there is no configuration": func(_, c, _ object) { c["next_stage"] = "4d" },
		"transpose_forward: [0 0 1] is no permutation":     func(f, _, _ object) { f["transpose_forward"] = []int{0, 0, 1} },
		"transpose_backward: [1 2 0] does not undo": func(f, _, _ object) {
			f["transpose_backward"] = []int{1, 2, 0}
			f["transpose_forward"] = []int{0, 1, 2}
		},
		"label_manager": func(f, _, _ object) { f["label_manager"] = "Mine" },
		"foreground_intensity_properties_per_channel: it has": func(f, _, _ object) { f["foreground_intensity_properties_per_channel"] = object{"1": object{}} },
		"configurations: there is none":                       func(f, _, _ object) { f["configurations"] = object{} },
	} {
		_, err := ReadPlans(edited(t, text, edit))
		if err == nil || !strings.HasPrefix(err.Error(), "plans.json: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	for _, broken := range []string{"", "[]", "null", `{"configurations": 3}`, text[:len(text)/2]} {
		if _, err := ReadPlans([]byte(broken)); err == nil {
			t.Errorf("%.20q was read", broken)
		}
	}
}

func TestReadPlansOfANewerNnUNet(t *testing.T) {
	d, text := plainPlans(t)
	p, err := ReadPlans(edited(t, text, func(file, fullres, _ map[string]any) {
		file["nnunet_version"] = "9.0"
		fullres["target_gpu"] = "H300"
		file["configurations"].(map[string]any)["3d_fullres_bs40"] = map[string]any{"inherits_from": "3d_fullres", "batch_size": 40}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"configurations.3d_fullres.target_gpu", "nnunet_version"}, p.Unknown); diff != "" {
		t.Error(diff)
	}
	c, err := p.Configuration("3d_fullres_bs40", d)
	if err != nil || c.Batch != 40 || c.InheritsFrom != "3d_fullres" || c.Architecture.Classes != d.Heads() {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := p.Configuration("4d", d); err == nil || !strings.Contains(err.Error(), "it has 2d, ") {
		t.Error(err)
	}
	d.Channels = append(d.Channels, "T2")
	if _, err := p.Configuration("3d_fullres", d); err == nil || !strings.Contains(err.Error(), "names 2 channels") {
		t.Error(err)
	}
}

// Plans from before nnU-Net 2.4 have the network among the configuration's fields.
func TestReadOldPlans(t *testing.T) {
	d, text := plainPlans(t)
	want, err := ReadPlans([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadPlans(edited(t, text, func(_, c, n map[string]any) {
		delete(c, "architecture")
		c["UNet_class_name"], c["UNet_base_num_features"], c["unet_max_num_features"] = "PlainConvUNet", 32, 320
		c["n_conv_per_stage_encoder"], c["n_conv_per_stage_decoder"] = n["n_conv_per_stage"], n["n_conv_per_stage_decoder"]
		c["pool_op_kernel_sizes"], c["conv_kernel_sizes"], c["num_pool_per_axis"] = n["strides"], n["kernel_sizes"], []int{1, 1, 1}
	}))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := want.Configuration("3d_fullres", d)
	b, err := got.Configuration("3d_fullres", d)
	if diff := cmp.Diff(a, b); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// TestPlansName: a name that a user gave plans survives, and the planner's is given
// where there is none. The residual planners share the default's preprocessed data.
func TestPlansName(t *testing.T) {
	d, text := plainPlans(t)
	foreign := edited(t, text, func(file, _, _ map[string]any) { file["plans_name"], file["dataset_name"] = "mine", "Dataset123_Other" })
	p, err := ReadPlans(foreign)
	if err != nil {
		t.Fatal(err)
	}
	again, err := MarshalPlans(d, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"plans_name": "mine"`, `"dataset_name": "Dataset123_Other"`, `"data_identifier": "mine_3d_fullres"`} {
		if !strings.Contains(string(again), want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestMarshalDataset(t *testing.T) {
	for _, d := range []Dataset{
		{Name: "a", Channels: []string{"CT"}, Labels: []Label{{Name: "background", Values: []int{0}}, {Name: "x", Values: []int{1}}}, NumTraining: 3, FileEnding: ".nii.gz"},
		{Channels: []string{"T1", "T2"}, Labels: []Label{{Name: "background", Values: []int{0}}, {Name: "whole", Values: []int{1, 2}}, {Name: "core", Values: []int{2}}, {Name: "other", Values: []int{1}, Listed: true}},
			Ignore: 3, NumTraining: 1, FileEnding: ".nii", RegionOrder: []int{1, 2, 1}},
	} {
		text, err := MarshalDataset(d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadDataset(text)
		if diff := cmp.Diff(d, got); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
	if _, err := MarshalDataset(Dataset{}); err == nil {
		t.Error("an empty data set was written")
	}
}
