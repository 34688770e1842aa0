package nnunet

import (
	"fmt"

	"runspec/compiler/unet"
)

// Sketch is the volumetric network of a planner for a data set of which no more
// than the number of stages is known: its blocks and features are the planner's;
// its kernels of 3, its strides of 2 and its one channel are nnU-Net's commonest.
// There is no patch.
func Sketch(o Options, stages int) (Configuration, error) {
	o, err := o.withDefaults()
	if err == nil && stages < 2 {
		err = fmt.Errorf("%d stages: a U-Net has at least two", stages)
	}
	if err != nil {
		return Configuration{}, fmt.Errorf("sketch a network: %w", err)
	}
	c := &configurer{Options: o, planner: planners[o.Planner]}
	kind, encoder, decoder := c.blocks(stages)
	a := unet.Architecture{
		Dim: 3, InputChannels: 1, Classes: 2, Encoder: kind, DecoderBlocks: decoder,
		Norm: o.Norm, Activation: o.Activation, Dropout: o.Dropout,
	}
	stride := [3]int{1, 1, 1}
	for i, blocks := range encoder {
		a.Stages = append(a.Stages, unet.Stage{Features: featuresOf(i, o.BaseFeatures, o.MaxFeatures), Blocks: blocks, Kernel: [3]int{3, 3, 3}, Stride: stride})
		stride = [3]int{2, 2, 2}
	}
	return Configuration{Name: "3d_fullres", Architecture: a, Patch: []int{0, 0, 0}}, nil
}
