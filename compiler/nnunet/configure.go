package nnunet

import (
	"fmt"
	"math"
	"slices"

	"runspec/compiler/unet"
)

// configurer plans single configurations of one data set.
type configurer struct {
	Dataset
	Options
	planner     planner
	fingerprint Fingerprint
	trace       estimated
}

// all gives the configurations for a target spacing (mm) and the median shape
// (voxels, may be fractional) of the cases at it, both transposed.
func (c *configurer) all(spacing, median []float64) ([]Configuration, error) {
	voxels := product(median) * float64(c.NumTraining)
	var fullres Configuration
	var lowres *Configuration
	var err error
	volumes := median[0] != 1
	if volumes {
		if fullres, err = c.configuration("3d_fullres", spacing, median, voxels); err != nil {
			return nil, err
		}
		if lowres, err = c.lowres(fullres); err != nil {
			return nil, err
		}
	}
	flat, err := c.configuration("2d", spacing[1:], median[1:], voxels)
	if err != nil {
		return nil, err
	}
	flat.BatchDice = true
	switch {
	case !volumes:
		return []Configuration{flat}, nil
	case lowres == nil:
		return []Configuration{flat, fullres}, nil
	}
	lowres.NextStage = "3d_cascade_fullres"
	fullres.BatchDice = true
	return []Configuration{flat, *lowres, fullres, c.cascade(fullres)}, nil
}

// cascade is 3d_fullres with the segmentation of 3d_lowres as further input
// channels, one per foreground value.
func (c *configurer) cascade(fullres Configuration) Configuration {
	out := fullres.clone()
	out.Name = "3d_cascade_fullres"
	out.InheritsFrom, out.PreviousStage = "3d_fullres", "3d_lowres"
	out.Architecture.InputChannels += c.foregroundValues()
	return out
}

// lowres coarsens the spacing until the patch covers a quarter of the median
// case; nil where that is so from the start, or gains less than a factor of two.
func (c *configurer) lowres(fullres Configuration) (*Configuration, error) {
	var out *Configuration
	spacing, median := clone(fullres.Spacing), fullres.MedianShape
	full := product(median)
	voxels, patch := full, volume(fullres.Patch)
	for patch/voxels < lowresShare {
		coarsen(spacing)
		factors := make([]float64, len(spacing))
		shape := make([]float64, len(spacing))
		for d := range spacing {
			factors[d] = fullres.Spacing[d] / spacing[d] * median[d]
			shape[d] = math.RoundToEven(factors[d])
		}
		voxels = product(factors)
		next, err := c.configuration("3d_lowres", spacing, shape, voxels*float64(c.NumTraining))
		if err != nil {
			return nil, err
		}
		patch = volume(next.Patch)
		out = &next
	}
	if out != nil && full/voxels < lowresGain {
		return nil, nil
	}
	return out, nil
}

// coarsen grows the axes that are more than twice as fine as the coarsest, or
// else all of them.
func coarsen(spacing []float64) {
	coarsest := highest(spacing)
	fine := false
	for _, s := range spacing {
		fine = fine || coarsest/s > 2
	}
	for d, s := range spacing {
		if !fine || coarsest/s > 2 {
			spacing[d] *= lowresStep
		}
	}
}

// configuration is get_plans_for_configuration: the largest patch whose
// network fits the memory, then the batch that fills it.
func (c *configurer) configuration(name string, spacing, median []float64, voxels float64) (Configuration, error) {
	batch, reference := float64(referenceBatch), c.planner.reference3d
	if len(spacing) == 2 {
		batch, reference = 12, c.planner.reference2d
	}
	reference *= c.MemoryGB / c.planner.referenceGB

	t := poolingOf(spacing, initialPatch(spacing, median))
	a := c.architecture(t)
	size := c.estimate(t, a)
	for c.load(size, batch) > reference {
		axis := shrinkAxis(t.patch, median)
		// The divisor may fall with the patch, so that a smaller step suffices.
		smaller := clone(t.patch)
		smaller[axis] -= float64(t.divisor[axis])
		smaller[axis] = t.patch[axis] - float64(poolingOf(spacing, smaller).divisor[axis])
		if smaller[axis] < 1 {
			return Configuration{}, fmt.Errorf("%s: no patch fits into %v GB: raise the memory target or use fewer features", name, c.MemoryGB)
		}
		t = poolingOf(spacing, smaller)
		a = c.architecture(t)
		size = c.estimate(t, a)
	}

	out := Configuration{Name: name, Spacing: clone(spacing), MedianShape: clone(median), Architecture: a}
	for _, length := range t.patch {
		out.Patch = append(out.Patch, int(length))
	}
	fits := round(reference / float64(size) * batch)
	covered := round(voxels * c.planner.maxCovered / product(t.patch))
	out.Batch = max(min(fits, covered), minBatch)
	for _, channel := range c.Channels {
		scheme, mask := normalisation(channel, c.fingerprint.MedianRelativeSize)
		out.Normalisation = append(out.Normalisation, scheme)
		out.UseMask = append(out.UseMask, mask)
	}
	return out, nil
}

// load is the estimate that is held against the reference. The default
// planner asks for two images at least to fit, in 2-D too; the residual
// planners for the whole reference batch.
func (c *configurer) load(size int64, batch float64) float64 {
	if c.planner.shrinkPerBatch {
		return float64(size) / batch * minBatch
	}
	return float64(size)
}

// initialPatch has the extent of 256^3 (2048^2) isotropic voxels, clipped to
// the median case.
func initialPatch(spacing, median []float64) []float64 {
	area := math.Pow(256, 3)
	if len(spacing) == 2 {
		area = math.Pow(2048, 2)
	}
	patch := make([]float64, len(spacing))
	for d, s := range spacing {
		patch[d] = 1 / s
	}
	scale := math.Pow(area/product(patch), 1/float64(len(spacing)))
	for d := range patch {
		patch[d] = min(math.RoundToEven(patch[d]*scale), median[d])
	}
	return patch
}

// shrinkAxis is the axis along which the patch covers most of the median
// case; the last one on ties.
func shrinkAxis(patch, median []float64) int {
	worst := 0
	for d := range patch {
		if patch[d]/median[d] >= patch[worst]/median[worst] {
			worst = d
		}
	}
	return worst
}

func (c *configurer) architecture(t topology) unet.Architecture {
	n, dim := t.stages(), len(t.patch)
	limit := c.MaxFeatures
	if dim == 2 {
		limit = maxFeatures2d
	}
	a := unet.Architecture{
		Dim: dim, InputChannels: len(c.Channels), Classes: c.Heads(),
		Norm: c.Norm, Activation: c.Activation, Dropout: c.Dropout,
	}
	var encoder []int
	a.Encoder, encoder, a.DecoderBlocks = c.blocks(n)
	for i, blocks := range encoder {
		a.Stages = append(a.Stages, unet.Stage{
			Features: featuresOf(i, c.BaseFeatures, limit), Blocks: blocks,
			Kernel: volumetric(t.kernels[i]), Stride: volumetric(t.strides[i]),
		})
	}
	return a
}

// blocks are those of a network with room for n stages.
func (c *configurer) blocks(n int) (kind unet.Encoder, encoder, decoder []int) {
	if b := c.Blocks; b != nil {
		encoder, decoder = b.within(min(n, len(b.Encoder)))
		return b.EncoderKind, encoder, slices.Clone(decoder)
	}
	return c.planner.encoder, c.planner.encoderBlocks(n, c.BlockScale), c.planner.decoderBlocks(n, c.BlockScale)
}

// featuresOf doubles base per stage up to limit.
func featuresOf(stage, base, limit int) int {
	for range stage {
		if base >= limit {
			break
		}
		base *= 2
	}
	return min(base, limit)
}

// estimate is the size of the network in feature-map scalars. nnU-Net gives it
// as many outputs as dataset.json has labels: the ignore label and, beside
// regions, the background included.
func (c *configurer) estimate(t topology, a unet.Architecture) int64 {
	counted := a
	counted.Classes = len(c.Labels)
	if c.Ignore != 0 {
		counted.Classes++
	}
	patch := make([]int, len(t.patch))
	for d := range patch {
		patch[d] = int(t.patch[d])
	}
	size := counted.FeatureMapSize(volumetric(patch), false)
	if c.trace != nil {
		c.trace(t.patch, counted, size)
	}
	return size
}

// volumetric puts a z axis of length 1 before a 2-D list.
func volumetric(list []int) [3]int {
	if len(list) == 2 {
		return [3]int{1, list[0], list[1]}
	}
	return [3]int(list)
}

func volume(patch []int) float64 {
	v := 1.0
	for _, length := range patch {
		v *= float64(length)
	}
	return v
}
