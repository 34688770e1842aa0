package nnunet

import (
	"encoding/json"
	"fmt"
	"strings"

	"runspec/compiler/unet"
)

// networkArgs are a network's constructor arguments, arch_kwargs.
type networkArgs struct {
	Stages       int             `json:"n_stages"`
	Features     ints            `json:"features_per_stage"`
	Conv         string          `json:"conv_op"`
	Kernels      []ints          `json:"kernel_sizes"`
	Strides      []ints          `json:"strides"`
	Convs        ints            `json:"n_conv_per_stage"`
	Blocks       ints            `json:"n_blocks_per_stage"`
	DecoderConvs ints            `json:"n_conv_per_stage_decoder"`
	Bias         bool            `json:"conv_bias"`
	Norm         string          `json:"norm_op"`
	NormOptions  *plansNorm      `json:"norm_op_kwargs"`
	Dropout      *string         `json:"dropout_op"`
	DropoutRate  json.RawMessage `json:"dropout_op_kwargs"`
	Nonlin       string          `json:"nonlin"`
	NonlinArgs   json.RawMessage `json:"nonlin_kwargs"`
	NonlinFirst  bool            `json:"nonlin_first"`     // false is PyTorch's order here too
	Deep         *bool           `json:"deep_supervision"` // nnU-Net sets it itself
}

// ints is a list of whole numbers, or one number that stands for all.
type ints []int

// UnmarshalJSON reads either.
func (n *ints) UnmarshalJSON(text []byte) error {
	var one int
	if json.Unmarshal(text, &one) == nil && string(text) != "null" {
		*n = ints{one}
		return nil
	}
	return json.Unmarshal(text, (*[]int)(n))
}

// newNetwork reads the field architecture. Whatever is not known of the
// constructor's arguments changes the network, so it is refused.
func (r *plansReader) newNetwork(path string, text []byte, dim int) (a unet.Architecture, ok bool) {
	var field struct {
		Class   string          `json:"network_class_name"`
		Args    json.RawMessage `json:"arch_kwargs"`
		Imports json.RawMessage `json:"_kw_requires_import"` // says which arguments are classes
	}
	if !r.fields(path, text, &field) {
		return a, false
	}
	a.Dim = dim
	module, class := lastWord(field.Class)
	switch {
	case strings.HasPrefix(module, "dynamic_network_architectures.architectures") && class == "PlainConvUNet":
		a.Encoder = unet.Plain
	case strings.HasPrefix(module, "dynamic_network_architectures.architectures") && class == "ResidualEncoderUNet":
		a.Encoder = unet.Residual
	default:
		r.fail(path+".network_class_name", "%q is not known: only PlainConvUNet and ResidualEncoderUNet of dynamic_network_architectures are", field.Class)
		return a, false
	}
	path += ".arch_kwargs"
	var args networkArgs
	unknown, errs := len(r.unknown), len(r.errs)
	if !r.fields(path, field.Args, &args) {
		return a, false
	}
	var all map[string]json.RawMessage
	_ = json.Unmarshal(field.Args, &all) // fields has read it
	for _, argument := range r.unknown[unknown:] {
		if _, key := lastWord(argument); string(all[key]) != "null" {
			r.fail(argument, "this argument of the network is not known, and its value %s may change the network", short(all[key]))
		}
	}
	ok = len(r.errs) == errs && r.layers(path, args, &a) && r.stages(path, args, &a)
	return a, ok
}

// lastWord parts a dotted name before its last word.
func lastWord(name string) (before, last string) {
	i := strings.LastIndexByte(name, '.')
	return name[:max(i, 0)], name[i+1:]
}

// layers reads what all stages share.
func (r *plansReader) layers(path string, args networkArgs, a *unet.Architecture) bool {
	before := len(r.errs)
	dims := fmt.Sprintf("%dd", a.Dim)
	if _, op := lastWord(args.Conv); op != "Conv"+dims {
		r.fail(path+".conv_op", "%q does not fit a patch of %d axes: Conv%s does", args.Conv, a.Dim, dims)
	}
	if !args.Bias {
		r.fail(path+".conv_bias", "it is false: runspec's convolutions have a bias")
	}
	if args.NonlinFirst {
		r.fail(path+".nonlin_first", "it is true: runspec normalises first")
	}
	_, norm := lastWord(args.Norm)
	switch norm {
	case "InstanceNorm" + dims:
		a.Norm = unet.InstanceNorm
	case "BatchNorm" + dims:
		a.Norm = unet.BatchNorm
	default:
		r.fail(path+".norm_op", "%q is not known here: InstanceNorm%s and BatchNorm%s are", args.Norm, dims, dims)
	}
	if n := args.NormOptions; n == nil || n.Eps != 1e-5 || !n.Affine {
		r.fail(path+".norm_op_kwargs", "runspec normalises with eps 1e-05 and affine true only")
	}
	r.dropout(path, args, dims, a)
	r.activation(path, args, a)
	return len(r.errs) == before
}

func (r *plansReader) dropout(path string, args networkArgs, dims string, a *unet.Architecture) {
	if args.Dropout == nil {
		return
	}
	if _, op := lastWord(*args.Dropout); op != "Dropout"+dims {
		r.fail(path+".dropout_op", "%q is not known here: Dropout%s is", *args.Dropout, dims)
		return
	}
	var options struct {
		P       float64 `json:"p"`
		Inplace bool    `json:"inplace"` // saves memory, changes nothing
	}
	if len(args.DropoutRate) == 0 || string(args.DropoutRate) == "null" || !r.exactly(path+".dropout_op_kwargs", args.DropoutRate, &options) {
		r.fail(path+".dropout_op_kwargs", "give the rate, such as {\"p\": 0.2}")
		return
	}
	if !(options.P >= 0 && options.P < 1) {
		r.fail(path+".dropout_op_kwargs.p", "it is %v: a rate lies in [0, 1)", options.P)
	}
	a.Dropout = options.P
}

func (r *plansReader) activation(path string, args networkArgs, a *unet.Architecture) {
	_, name := lastWord(args.Nonlin)
	a.Activation = unet.Activation(name)
	switch a.Activation {
	case unet.LeakyReLU, unet.ReLU, unet.ELU, unet.GELU, unet.PReLU:
	default:
		r.fail(path+".nonlin", "%q is not known: LeakyReLU, ReLU, ELU, GELU and PReLU are", args.Nonlin)
	}
	options := struct {
		Inplace bool    `json:"inplace"` // saves memory, changes nothing
		Slope   float64 `json:"negative_slope"`
		Alpha   float64 `json:"alpha"`
	}{Slope: 0.01, Alpha: 1}
	if len(args.NonlinArgs) == 0 || string(args.NonlinArgs) == "null" {
		return
	}
	if r.exactly(path+".nonlin_kwargs", args.NonlinArgs, &options) && (options.Slope != 0.01 || options.Alpha != 1) {
		r.fail(path+".nonlin_kwargs", "runspec has LeakyReLU with negative_slope 0.01 and ELU with alpha 1 only")
	}
}

// exactly reads an object all of whose fields matter.
func (r *plansReader) exactly(path string, text []byte, into any) bool {
	before := len(r.unknown)
	if !r.fields(path, text, into) {
		return false
	}
	for _, unknown := range r.unknown[before:] {
		r.fail(unknown, "it is not known, and may change the network")
	}
	known := len(r.unknown) == before
	r.unknown = r.unknown[:before]
	return known
}

// stages reads the stage table; every list must have an entry for each stage.
func (r *plansReader) stages(path string, args networkArgs, a *unet.Architecture) bool {
	before := len(r.errs)
	n := args.Stages
	if n < 1 || n > 64 {
		r.fail(path+".n_stages", "it is %d", n)
		return false
	}
	name, blocks := "n_conv_per_stage", args.Convs
	if a.Encoder == unet.Residual {
		name, blocks = "n_blocks_per_stage", args.Blocks
	}
	features := r.each(path+".features_per_stage", args.Features, n)
	blocks = r.each(path+"."+name, blocks, n)
	a.DecoderBlocks = r.each(path+".n_conv_per_stage_decoder", args.DecoderConvs, n-1)
	if len(args.Kernels) != n {
		r.fail(path+".kernel_sizes", "it has %d entries for %d stages", len(args.Kernels), n)
	}
	if len(args.Strides) != n {
		r.fail(path+".strides", "it has %d entries for %d stages", len(args.Strides), n)
	}
	if len(r.errs) > before {
		return false
	}
	for i := range n {
		kernel := r.each(fmt.Sprintf("%s.kernel_sizes[%d]", path, i), args.Kernels[i], a.Dim)
		stride := r.each(fmt.Sprintf("%s.strides[%d]", path, i), args.Strides[i], a.Dim)
		if len(r.errs) > before {
			return false
		}
		a.Stages = append(a.Stages, unet.Stage{Features: features[i], Blocks: blocks[i], Kernel: volumetric(kernel), Stride: volumetric(stride)})
	}
	return true
}

// each gives n positive numbers: those listed, or the one that stands for all.
func (r *plansReader) each(path string, list ints, n int) []int {
	if len(list) == 1 {
		list = filled(n, list[0])
	}
	if len(list) != n {
		r.fail(path, "it has %d entries where %d belong", len(list), n)
		return nil
	}
	for _, v := range list {
		if v < 1 {
			r.fail(path, "%v: every number must be positive", []int(list))
			return nil
		}
	}
	return list
}
