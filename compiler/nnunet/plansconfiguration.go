package nnunet

import (
	"encoding/json"
	"slices"
	"strings"

	"runspec/compiler/unet"
)

// plansMerged is a configuration of a plans file after inheritance.
type plansMerged struct {
	DataIdentifier       string           `json:"data_identifier"`
	Preprocessor         string           `json:"preprocessor_name"`
	Batch                int              `json:"batch_size"`
	Patch                []int            `json:"patch_size"`
	MedianShape          []float64        `json:"median_image_size_in_voxels"`
	Spacing              []float64        `json:"spacing"`
	Normalisation        []string         `json:"normalization_schemes"`
	UseMask              []bool           `json:"use_mask_for_norm"`
	Data                 string           `json:"resampling_fn_data"`
	Seg                  string           `json:"resampling_fn_seg"`
	Probabilities        string           `json:"resampling_fn_probabilities"`
	DataOptions          *plansResampling `json:"resampling_fn_data_kwargs"`
	SegOptions           *plansResampling `json:"resampling_fn_seg_kwargs"`
	ProbabilitiesOptions *plansResampling `json:"resampling_fn_probabilities_kwargs"`
	Architecture         json.RawMessage  `json:"architecture"`
	BatchDice            *bool            `json:"batch_dice"`
	PreviousStage        *string          `json:"previous_stage"`
	NextStage            json.RawMessage  `json:"next_stage"` // a name, or a list of names

	// Before nnU-Net 2.4 the network stood here.
	Class        string  `json:"UNet_class_name"`
	BaseFeatures int     `json:"UNet_base_num_features"`
	MaxFeatures  int     `json:"unet_max_num_features"`
	Convs        []int   `json:"n_conv_per_stage_encoder"`
	DecoderConvs []int   `json:"n_conv_per_stage_decoder"`
	Pools        []int   `json:"num_pool_per_axis"` // follows from the strides
	Strides      [][]int `json:"pool_op_kernel_sizes"`
	Kernels      [][]int `json:"conv_kernel_sizes"`
}

// required are the fields that nnU-Net itself can't do without.
var required = []string{
	"preprocessor_name", "batch_size", "patch_size", "median_image_size_in_voxels", "spacing",
	"normalization_schemes", "use_mask_for_norm", "batch_dice",
	"resampling_fn_data", "resampling_fn_data_kwargs", "resampling_fn_seg", "resampling_fn_seg_kwargs",
	"resampling_fn_probabilities", "resampling_fn_probabilities_kwargs",
}

// schemes are the normalisations that runspec has.
var schemes = []string{
	"ZScoreNormalization", "CTNormalization", "NoNormalization", "RescaleTo01Normalization", "RGBTo01Normalization",
}

func (r *plansReader) configuration(name string, raw map[string]object) (Configuration, bool) {
	path := "configurations." + name
	merged, ok := r.inherited(name, raw)
	if !ok {
		return Configuration{}, false
	}
	for _, field := range required {
		if !merged.has(field) {
			r.fail(path+"."+field, "it is missing")
			ok = false
		}
	}
	text, err := merged.MarshalJSON()
	if err != nil {
		r.fail(path, "%v", err)
		return Configuration{}, false
	}
	var m plansMerged
	// An unknown field that was inherited is listed where it stands.
	before := len(r.unknown)
	if !r.fields(path, text, &m) || !ok {
		return Configuration{}, false
	}
	r.unknown = append(r.unknown[:before], slices.DeleteFunc(r.unknown[before:], func(field string) bool {
		return !raw[name].has(strings.TrimPrefix(field, path+"."))
	})...)
	c := Configuration{
		Name: name, Spacing: m.Spacing, MedianShape: m.MedianShape, Patch: m.Patch, Batch: m.Batch,
		Normalisation: m.Normalisation, UseMask: m.UseMask, BatchDice: m.BatchDice != nil && *m.BatchDice,
		NextStage: r.nextStage(path+".next_stage", m.NextStage),
	}
	if m.PreviousStage != nil {
		c.PreviousStage = *m.PreviousStage
	}
	for _, e := range raw[name] {
		if e.key == "inherits_from" {
			_ = json.Unmarshal(e.value, &c.InheritsFrom) // inherited has read it
		}
	}
	r.processing(path, m)
	if !r.sizes(path, c) {
		return c, false
	}
	c.Architecture, ok = r.network(path, m)
	if ok {
		r.divisible(path, c)
	}
	return c, ok
}

// nextStage reads a name, or a list that holds one.
func (r *plansReader) nextStage(path string, text []byte) string {
	var names []string
	if len(text) == 0 || string(text) == "null" {
		return ""
	}
	var name string
	if json.Unmarshal(text, &name) == nil {
		return name
	}
	if err := json.Unmarshal(text, &names); err != nil || len(names) > 1 {
		r.fail(path, "it is %s, where the name of one configuration belongs", short(text))
		return ""
	}
	return strings.Join(names, "")
}

// processing refuses what prepares the data in another way than runspec does.
func (r *plansReader) processing(path string, m plansMerged) {
	if m.Preprocessor != "DefaultPreprocessor" {
		r.fail(path+".preprocessor_name", "%q is not known: only DefaultPreprocessor is", m.Preprocessor)
	}
	for c, scheme := range m.Normalisation {
		if !slices.Contains(schemes, scheme) {
			r.fail(path+".normalization_schemes", "channel %d has %q, which is not known: choose one of %s", c, scheme, strings.Join(schemes, ", "))
		}
	}
	for _, f := range []struct {
		field, function string
		options, want   *plansResampling
	}{
		{"resampling_fn_data", m.Data, m.DataOptions, &plansResampling{Order: 3}},
		{"resampling_fn_seg", m.Seg, m.SegOptions, &plansResampling{Seg: true, Order: 1}},
		{"resampling_fn_probabilities", m.Probabilities, m.ProbabilitiesOptions, &plansResampling{Order: 1}},
	} {
		if f.function != resampling {
			r.fail(path+"."+f.field, "%q is not known: only %s is", f.function, resampling)
		}
		if f.options != nil && (f.options.SeparateZ != nil || *f.options != *f.want) {
			r.fail(path+"."+f.field+"_kwargs", "runspec resamples with order %d, order_z 0, is_seg %v, and force_separate_z null only", f.want.Order, f.want.Seg)
		}
	}
}

// sizes checks lengths and signs.
func (r *plansReader) sizes(path string, c Configuration) bool {
	before := len(r.errs)
	dim := len(c.Patch)
	if dim != 2 && dim != 3 {
		r.fail(path+".patch_size", "%v has %d axes: 2 or 3 are possible", c.Patch, dim)
		return false
	}
	if len(c.Spacing) != dim {
		r.fail(path+".spacing", "%v has %d axes, patch_size has %d", c.Spacing, len(c.Spacing), dim)
	}
	if len(c.MedianShape) != dim {
		r.fail(path+".median_image_size_in_voxels", "%v has %d axes, patch_size has %d", c.MedianShape, len(c.MedianShape), dim)
	}
	if slices.Min(c.Patch) < 1 {
		r.fail(path+".patch_size", "%v: every length must be positive", c.Patch)
	}
	for _, s := range c.Spacing {
		if !(s > 0) {
			r.fail(path+".spacing", "%v: every length must be positive millimetres", c.Spacing)
			break
		}
	}
	if c.Batch < 1 {
		r.fail(path+".batch_size", "it is %d: it must be positive", c.Batch)
	}
	if len(c.Normalisation) == 0 || len(c.UseMask) != len(c.Normalisation) {
		r.fail(path+".use_mask_for_norm", "it has %d entries, normalization_schemes has %d: give one for each channel", len(c.UseMask), len(c.Normalisation))
	}
	return len(r.errs) == before
}

// divisible holds the patch against the network's strides.
func (r *plansReader) divisible(path string, c Configuration) {
	divisor := [3]int{1, 1, 1}
	for _, s := range c.Architecture.Stages {
		for axis := range divisor {
			divisor[axis] *= s.Stride[axis]
		}
	}
	for axis, length := range c.Patch3() {
		if length%divisor[axis] != 0 {
			r.fail(path+".patch_size", "%v is not divisible by the network's strides, which make %v", c.Patch, divisor[3-len(c.Patch):])
			return
		}
	}
}

// network reads the architecture, of either layout.
func (r *plansReader) network(path string, m plansMerged) (unet.Architecture, bool) {
	dim := len(m.Patch)
	if len(m.Architecture) == 0 {
		if m.Class == "" {
			r.fail(path+".architecture", "it is missing")
			return unet.Architecture{}, false
		}
		return r.oldNetwork(path, m)
	}
	return r.newNetwork(path+".architecture", m.Architecture, dim)
}

// oldNetwork is what nnU-Net makes of plans from before version 2.4.
func (r *plansReader) oldNetwork(path string, m plansMerged) (unet.Architecture, bool) {
	n := len(m.Convs)
	args := networkArgs{
		Stages: n, Kernels: lists(m.Kernels), Strides: lists(m.Strides), DecoderConvs: m.DecoderConvs,
	}
	for i := range n {
		args.Features = append(args.Features, featuresOf(i, m.BaseFeatures, m.MaxFeatures))
	}
	a := unet.Architecture{Dim: len(m.Patch), Norm: unet.InstanceNorm, Activation: unet.LeakyReLU}
	switch m.Class {
	case "PlainConvUNet":
		a.Encoder, args.Convs = unet.Plain, m.Convs
	case "ResidualEncoderUNet":
		a.Encoder, args.Blocks = unet.Residual, m.Convs
	default:
		r.fail(path+".UNet_class_name", "%q is not known: only PlainConvUNet and ResidualEncoderUNet are", m.Class)
		return a, false
	}
	ok := r.stages(path, args, &a)
	return a, ok
}

func lists(rows [][]int) []ints {
	out := make([]ints, len(rows))
	for i, row := range rows {
		out[i] = row
	}
	return out
}
