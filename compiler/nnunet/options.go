package nnunet

import (
	"errors"
	"fmt"
	"math"

	"runspec/compiler/unet"
)

// Options are what a user may ask of a planner; the zero value is nnU-Net's
// default. The network's options are those of Auto-nnU-Net's architecture
// search: they change the estimated size, hence patch and batch too.
type Options struct {
	Planner           Planner    // default: ConvPlanner
	MemoryGB          float64    // target for GPU memory, GiB; 0: the planner's own (8, 8, 24, 40)
	OverwriteSpacing  [3]float64 // target spacing, mm (z, y, x) before transposition; 0s: chosen from the fingerprint
	SuppressTranspose bool       // keep the axes' order even where another one is coarser

	BaseFeatures int             // features of stage 0; 0: 32
	MaxFeatures  int             // upper bound of features in 3-D; 0: 320. 2-D keeps 512.
	BlockScale   float64         // factor on blocks of encoder and decoder, at least 1 block stays; 0: 1
	Norm         unet.Norm       // default: InstanceNorm
	Activation   unet.Activation // default: LeakyReLU
	Dropout      float64         // rate of channel dropout; default: none
	Blocks       *Blocks         // nil: the planner's tables, times BlockScale
}

// Blocks are a searched network's own blocks, in the place of a planner's
// tables. Their number bounds the stages; where a patch has room for fewer, the
// deepest are left out, as a planner's are.
type Blocks struct {
	EncoderKind unet.Encoder
	Encoder     []int // of each stage, finest first
	Decoder     []int // convolutions of each stage, deepest first; one fewer than Encoder
}

// within are the first n stages of an encoder, and the decoder that climbs from
// the last of them.
func (b Blocks) within(n int) (encoder, decoder []int) {
	return b.Encoder[:n], b.Decoder[len(b.Decoder)-n+1:]
}

// planner is the table of one experiment planner's constants (nnunetv2
// 2.8.1, default_experiment_planner and residual_unets).
type planner struct {
	encoder        unet.Encoder
	reference3d    float64 // feature-map scalars that fit referenceGB, batch 2
	reference2d    float64 // the same in 2-D, batch 12
	referenceGB    float64 // also the default target
	maxCovered     float64 // share of the data set's voxels that a batch may cover
	blocks         []int   // encoder blocks per stage; the last repeats
	decoder        int     // decoder convolutions per stage
	shrinkPerBatch bool    // the default planner compares the estimate for 2 images, the others for the reference batch
	plansName      string
	class          string // experiment_planner_used
}

var planners = map[Planner]planner{
	ConvPlanner: {unet.Plain, 560e6, 85e6, 8, 0.05, []int{2}, 2, true,
		"nnUNetPlans", "ExperimentPlanner"},
	ResEncMPlanner: {unet.Residual, 680e6, 135e6, 8, 1, []int{1, 3, 4, 6}, 1, false,
		"nnUNetResEncUNetMPlans", "nnUNetPlannerResEncM"},
	ResEncLPlanner: {unet.Residual, 2100e6, 380e6, 24, 1, []int{1, 3, 4, 6}, 1, false,
		"nnUNetResEncUNetLPlans", "nnUNetPlannerResEncL"},
	ResEncXLPlanner: {unet.Residual, 3600e6, 560e6, 40, 1, []int{1, 3, 4, 6}, 1, false,
		"nnUNetResEncUNetXLPlans", "nnUNetPlannerResEncXL"},
}

// withDefaults fills in the zero fields, and says what is wrong with the others.
func (o Options) withDefaults() (Options, error) {
	if o.Planner == "" {
		o.Planner = ConvPlanner
	}
	p, ok := planners[o.Planner]
	if !ok {
		return o, fmt.Errorf("unknown planner %q: choose one of Conv, ResEncM, ResEncL, ResEncXL", o.Planner)
	}
	setDefault(&o.MemoryGB, p.referenceGB)
	setDefault(&o.BaseFeatures, 32)
	setDefault(&o.MaxFeatures, 320)
	setDefault(&o.BlockScale, 1)
	setDefault(&o.Norm, unet.InstanceNorm)
	setDefault(&o.Activation, unet.LeakyReLU)
	var errs []error
	if !(o.MemoryGB > 0) || math.IsInf(o.MemoryGB, 0) {
		errs = append(errs, fmt.Errorf("memory target of %v GB: it must be positive", o.MemoryGB))
	}
	if o.BaseFeatures < 1 || o.MaxFeatures < 1 {
		errs = append(errs, fmt.Errorf("%d base features, at most %d: both must be positive", o.BaseFeatures, o.MaxFeatures))
	}
	if !(o.BlockScale > 0) || math.IsInf(o.BlockScale, 0) {
		errs = append(errs, fmt.Errorf("block scale %v: it must be positive", o.BlockScale))
	}
	if b := o.Blocks; b != nil && (len(b.Encoder) < 2 || len(b.Decoder) != len(b.Encoder)-1) {
		errs = append(errs, fmt.Errorf("blocks of %d encoder and %d decoder stages: at least two stages, and one fewer in the decoder", len(b.Encoder), len(b.Decoder)))
	}
	if s := o.OverwriteSpacing; s != [3]float64{} && !(min(s[0], s[1], s[2]) > 0) {
		errs = append(errs, fmt.Errorf("overwriting spacing %v: all three lengths must be positive millimetres", s))
	}
	return o, errors.Join(errs...)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// encoderBlocks gives the scaled block table of n stages.
func (p planner) encoderBlocks(n int, scale float64) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = scaled(p.blocks[min(i, len(p.blocks)-1)], scale)
	}
	return out
}

func (p planner) decoderBlocks(n int, scale float64) []int {
	return filled(n-1, scaled(p.decoder, scale))
}

func scaled(blocks int, scale float64) int { return max(1, round(scale*float64(blocks))) }
