package nnunet

import (
	"fmt"
	"slices"
)

// The changes below edit a finished configuration and keep everything else.
// They differ from planning again with Options: a planner that is told of
// fewer features fills the freed memory with a larger patch and batch, and
// with it may add stages; here patch, stages and spacing stay.

// WithFeatures gives stage i min(limit, base*2^i) features; limit 0 keeps the
// planner's limit of 320 (512 in 2-D). "nnU-Net default with 8 features" is
// Plan, then WithFeatures(8, 0).
func (c Configuration) WithFeatures(base, limit int) (Configuration, error) {
	if limit == 0 {
		limit = 320
		if len(c.Patch) == 2 {
			limit = maxFeatures2d
		}
	}
	if base < 1 || limit < 1 {
		return Configuration{}, fmt.Errorf("configuration %s: %d base features, at most %d: both must be positive", c.Name, base, limit)
	}
	out := c.clone()
	for i := range out.Architecture.Stages {
		out.Architecture.Stages[i].Features = featuresOf(i, base, limit)
	}
	return out, nil
}

// WithBatch trains on n patches at a time.
func (c Configuration) WithBatch(n int) (Configuration, error) {
	if n < 1 {
		return Configuration{}, fmt.Errorf("configuration %s: batch of %d: it must be positive", c.Name, n)
	}
	out := c.clone()
	out.Batch = n
	return out, nil
}

// WithPatch trains on patches of another size (voxels, transposed axes, as
// long as Patch), which the network's strides must divide.
func (c Configuration) WithPatch(patch []int) (Configuration, error) {
	if len(patch) != len(c.Patch) {
		return Configuration{}, fmt.Errorf("configuration %s: patch %v has %d axes, the configuration %d", c.Name, patch, len(patch), len(c.Patch))
	}
	if err := c.Architecture.CheckPatch(volumetric(patch)); err != nil {
		return Configuration{}, fmt.Errorf("configuration %s: %w", c.Name, err)
	}
	out := c.clone()
	out.Patch = slices.Clone(patch)
	return out, nil
}

// Patch3 is the patch (z, y, x) in voxels; 2-D patches get a z of 1.
func (c Configuration) Patch3() [3]int { return volumetric(c.Patch) }

// clone shares no memory with c.
func (c Configuration) clone() Configuration {
	c.Spacing, c.MedianShape, c.Patch = slices.Clone(c.Spacing), slices.Clone(c.MedianShape), slices.Clone(c.Patch)
	c.Normalisation, c.UseMask = slices.Clone(c.Normalisation), slices.Clone(c.UseMask)
	c.Architecture.Stages = slices.Clone(c.Architecture.Stages)
	c.Architecture.DecoderBlocks = slices.Clone(c.Architecture.DecoderBlocks)
	return c
}
