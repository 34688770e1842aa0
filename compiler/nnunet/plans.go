package nnunet

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"runspec/compiler/unet"
)

// The types below are nnU-Net's plans file, nnUNetPlans.json, field by field.
type plansFile struct {
	DatasetName       string               `json:"dataset_name"`
	PlansName         string               `json:"plans_name"`
	OriginalSpacing   [3]float64           `json:"original_median_spacing_after_transp"`
	OriginalShape     [3]int               `json:"original_median_shape_after_transp"`
	ReaderWriter      string               `json:"image_reader_writer"`
	TransposeForward  [3]int               `json:"transpose_forward"`
	TransposeBackward [3]int               `json:"transpose_backward"`
	Configurations    plansConfigurations  `json:"configurations"`
	Planner           string               `json:"experiment_planner_used"`
	LabelManager      string               `json:"label_manager"`
	Foreground        map[string]Intensity `json:"foreground_intensity_properties_per_channel"`
}

type plansConfigurations struct {
	Flat    *plansConfiguration `json:"2d,omitempty"`
	Lowres  *plansConfiguration `json:"3d_lowres,omitempty"`
	Fullres *plansConfiguration `json:"3d_fullres,omitempty"`
	Cascade *plansConfiguration `json:"3d_cascade_fullres,omitempty"`
}

type plansConfiguration struct {
	*plansOwn
	InheritsFrom  string `json:"inherits_from,omitempty"`
	PreviousStage string `json:"previous_stage,omitempty"`
}

// plansOwn is what a configuration that inherits from another leaves out.
type plansOwn struct {
	DataIdentifier      string            `json:"data_identifier"`
	Preprocessor        string            `json:"preprocessor_name"`
	Batch               int               `json:"batch_size"`
	Patch               []int             `json:"patch_size"`
	MedianShape         []float64         `json:"median_image_size_in_voxels"`
	Spacing             []float64         `json:"spacing"`
	Normalisation       []string          `json:"normalization_schemes"`
	UseMask             []bool            `json:"use_mask_for_norm"`
	Data                string            `json:"resampling_fn_data"`
	Seg                 string            `json:"resampling_fn_seg"`
	DataOptions         plansResampling   `json:"resampling_fn_data_kwargs"`
	SegOptions          plansResampling   `json:"resampling_fn_seg_kwargs"`
	Probabilities       string            `json:"resampling_fn_probabilities"`
	ProbabilitiesOption plansResampling   `json:"resampling_fn_probabilities_kwargs"`
	Architecture        plansArchitecture `json:"architecture"`
	BatchDice           bool              `json:"batch_dice"`
	NextStage           string            `json:"next_stage,omitempty"`
}

type plansResampling struct {
	Seg       bool  `json:"is_seg"`
	Order     int   `json:"order"`
	OrderZ    int   `json:"order_z"`
	SeparateZ *bool `json:"force_separate_z"`
}

type plansArchitecture struct {
	Class   string    `json:"network_class_name"`
	Args    plansArgs `json:"arch_kwargs"`
	Imports []string  `json:"_kw_requires_import"`
}

type plansArgs struct {
	Stages         int           `json:"n_stages"`
	Features       []int         `json:"features_per_stage"`
	Conv           string        `json:"conv_op"`
	Kernels        [][]int       `json:"kernel_sizes"`
	Strides        [][]int       `json:"strides"`
	Convs          []int         `json:"n_conv_per_stage,omitempty"`   // PlainConvUNet
	Blocks         []int         `json:"n_blocks_per_stage,omitempty"` // ResidualEncoderUNet
	DecoderConvs   []int         `json:"n_conv_per_stage_decoder"`
	Bias           bool          `json:"conv_bias"`
	Norm           string        `json:"norm_op"`
	NormOptions    plansNorm     `json:"norm_op_kwargs"`
	Dropout        *string       `json:"dropout_op"`
	DropoutOptions *plansDropout `json:"dropout_op_kwargs"`
	Nonlin         string        `json:"nonlin"`
	NonlinOptions  *plansNonlin  `json:"nonlin_kwargs"`
}

type plansNorm struct {
	Eps    float64 `json:"eps"`
	Affine bool    `json:"affine"`
}

type plansDropout struct {
	P float64 `json:"p"`
}

type plansNonlin struct {
	Inplace bool `json:"inplace"`
}

// resampling is nnU-Net's function for images, labels and probabilities.
const resampling = "resample_data_or_seg_to_shape"

// MarshalPlans gives plans as nnU-Net's file, which nnU-Net itself can train from.
// Without names, plans_name is the planner's own, and dataset_name is d.Name, which
// nnU-Net wants as DatasetNNN_Name. Unknown fields are not kept.
func MarshalPlans(d Dataset, plans Plans) ([]byte, error) {
	s := plans.Settings
	p, ok := planners[s.Planner]
	if !ok {
		return nil, fmt.Errorf("plans of %s: unknown planner %q", d.Name, s.Planner)
	}
	if plans.Name != "" {
		p.plansName = plans.Name
	}
	if plans.DatasetName != "" {
		d.Name = plans.DatasetName
	}
	file := plansFile{
		DatasetName: d.Name, PlansName: p.plansName,
		OriginalSpacing: s.OriginalSpacing, ReaderWriter: readerOf(d),
		TransposeForward: s.TransposeForward, TransposeBackward: s.TransposeBackward,
		Planner: p.class, LabelManager: "LabelManager", Foreground: map[string]Intensity{},
	}
	for axis, length := range s.OriginalShape {
		file.OriginalShape[axis] = int(length)
	}
	for c, in := range s.Foreground {
		file.Foreground[strconv.Itoa(c)] = in
	}
	slots := map[string]**plansConfiguration{
		"2d": &file.Configurations.Flat, "3d_lowres": &file.Configurations.Lowres,
		"3d_fullres": &file.Configurations.Fullres, "3d_cascade_fullres": &file.Configurations.Cascade,
	}
	for _, c := range s.Configurations {
		slot, ok := slots[c.Name]
		if !ok {
			return nil, fmt.Errorf("plans of %s: nnU-Net knows no configuration %q", d.Name, c.Name)
		}
		*slot = plansOf(c, p)
	}
	text, err := json.MarshalIndent(file, "", "    ")
	if err != nil {
		return nil, fmt.Errorf("plans of %s: %w", d.Name, err)
	}
	return append(text, '\n'), nil
}

// readerOf is the class that nnU-Net would read d's images with.
func readerOf(d Dataset) string {
	switch {
	case d.Reader != "":
		return d.Reader
	case strings.EqualFold(d.FileEnding, ".nii"):
		return "NibabelIO"
	}
	return "SimpleITKIO"
}

func plansOf(c Configuration, p planner) *plansConfiguration {
	if c.InheritsFrom != "" {
		return &plansConfiguration{InheritsFrom: c.InheritsFrom, PreviousStage: c.PreviousStage}
	}
	data := p.plansName
	if p.encoder == unet.Residual && c.Name != "3d_lowres" {
		data = planners[ConvPlanner].plansName // the residual planners reuse the default's preprocessed data
	}
	return &plansConfiguration{plansOwn: &plansOwn{
		DataIdentifier: data + "_" + c.Name, Preprocessor: "DefaultPreprocessor",
		Batch: c.Batch, Patch: c.Patch, MedianShape: c.MedianShape, Spacing: c.Spacing,
		Normalisation: c.Normalisation, UseMask: c.UseMask,
		Data: resampling, Seg: resampling, Probabilities: resampling,
		DataOptions: plansResampling{Order: 3}, SegOptions: plansResampling{Seg: true, Order: 1},
		ProbabilitiesOption: plansResampling{Order: 1},
		Architecture:        plansArchitectureOf(c.Architecture),
		BatchDice:           c.BatchDice, NextStage: c.NextStage,
	}}
}

func plansArchitectureOf(a unet.Architecture) plansArchitecture {
	suffix := strconv.Itoa(a.Dim) + "d"
	args := plansArgs{
		Stages: len(a.Stages), Conv: "torch.nn.modules.conv.Conv" + suffix,
		DecoderConvs: a.DecoderBlocks, Bias: true,
		Norm:        "torch.nn.modules.instancenorm.InstanceNorm" + suffix,
		NormOptions: plansNorm{Eps: 1e-5, Affine: true},
		Nonlin:      "torch.nn." + string(a.Activation),
	}
	if a.Norm == unet.BatchNorm {
		args.Norm = "torch.nn.modules.batchnorm.BatchNorm" + suffix
	}
	if a.Dropout > 0 {
		op := "torch.nn.modules.dropout.Dropout" + suffix
		args.Dropout, args.DropoutOptions = &op, &plansDropout{a.Dropout}
	}
	if a.Activation != unet.GELU && a.Activation != unet.PReLU { // these two can't work in place
		args.NonlinOptions = &plansNonlin{Inplace: true}
	}
	var blocks []int
	for _, s := range a.Stages {
		args.Features = append(args.Features, s.Features)
		args.Kernels = append(args.Kernels, s.Kernel[3-a.Dim:])
		args.Strides = append(args.Strides, s.Stride[3-a.Dim:])
		blocks = append(blocks, s.Blocks)
	}
	out := plansArchitecture{Class: "dynamic_network_architectures.architectures.unet.PlainConvUNet",
		Imports: []string{"conv_op", "norm_op", "dropout_op", "nonlin"}}
	if a.Encoder == unet.Residual {
		out.Class = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
		args.Blocks = blocks
	} else {
		args.Convs = blocks
	}
	out.Args = args
	return out
}
