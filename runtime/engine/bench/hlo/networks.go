package main

import (
	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/train"
)

// network is a training step that is compiled, with what it may move.
type network struct {
	name   string
	title  string
	arch   unet.Architecture
	patch  [3]int
	batch  int
	ideal  float64 // GB: each tensor read and written once per pass, instance norm in 8 passes
	budget float64 // GB that the optimised program may move
}

// networks are nnU-Net's 3d_fullres configurations of Task04 and Task01, Task04's
// of the residual preset M and its 2d one, as the planners give them
// (networks_test.go compares), and a small patch, whose bottleneck is narrower than
// its kernels. The budgets are 5 % above what was found.
var networks = []network{
	{
		name: "task04", title: "Task04, 40×56×40, batch 9", patch: [3]int{40, 56, 40}, batch: 9,
		arch: plain(1, 3, 32, 64, 128, 256), ideal: 4.476, budget: 5.6,
	},
	{
		name: "braintumour", title: "BrainTumour, 128×128×128, batch 2", patch: [3]int{128, 128, 128}, batch: 2,
		arch: plain(4, 4, 32, 64, 128, 256, 320, 320), ideal: 23.586, budget: 29.5,
	},
	{
		name: "resenc", title: "ResEnc M of Task04, 40×56×40, batch 58", patch: [3]int{40, 56, 40}, batch: 58,
		arch: residual(1, 3, []int{32, 64, 128, 256}, []int{1, 3, 4, 6}), budget: 49,
	},
	{
		name: "flat", title: "Task04 2d, 56×40, batch 366", patch: [3]int{1, 56, 40}, batch: 366,
		arch: flat(plain(1, 3, 32, 64, 128, 256)), budget: 9.2,
	},
	{
		name: "small", title: "a bottleneck of 2×3×2 voxels, 16×24×16, batch 2", patch: [3]int{16, 24, 16}, batch: 2,
		arch: plain(1, 3, 32, 64, 128, 256), budget: 0.3,
	},
}

// named are the names of the networks.
func named() (list []string) {
	for _, n := range networks {
		list = append(list, n.name)
	}
	return list
}

// stages have two convolutions each, and halve every axis but for the first.
func stages(features []int, blocks func(int) int) (list []unet.Stage) {
	for i, f := range features {
		s := unet.Stage{Features: f, Blocks: blocks(i), Kernel: [3]int{3, 3, 3}, Stride: [3]int{2, 2, 2}}
		if i == 0 {
			s.Stride = [3]int{1, 1, 1}
		}
		list = append(list, s)
	}
	return list
}

func plain(channels, classes int, features ...int) unet.Architecture {
	a := unet.Architecture{
		Dim: 3, InputChannels: channels, Classes: classes, Encoder: unet.Plain,
		Stages: stages(features, func(int) int { return 2 }), Norm: unet.InstanceNorm, Activation: unet.LeakyReLU,
	}
	for range features[1:] {
		a.DecoderBlocks = append(a.DecoderBlocks, 2)
	}
	return a
}

// flat is the 2-D network of the same stages.
func flat(a unet.Architecture) unet.Architecture {
	a.Dim = 2
	for i := range a.Stages {
		a.Stages[i].Kernel[0], a.Stages[i].Stride[0] = 1, 1
	}
	return a
}

func residual(channels, classes int, features, blocks []int) unet.Architecture {
	a := plain(channels, classes, features...)
	a.Encoder, a.Stages = unet.Residual, stages(features, func(i int) int { return blocks[i] })
	for i := range a.DecoderBlocks {
		a.DecoderBlocks[i] = 1
	}
	return a
}

// program is the network's with nnU-Net's loss and optimiser.
func (n network) program() (*engine.Program, error) {
	u, err := unet.Build(n.arch)
	if err != nil {
		return nil, err
	}
	return train.Build(u, train.GraphOptions{
		Batch: n.batch, Patch: n.patch, Loss: engine.Loss{Kind: engine.DiceCE},
		Optimizer: engine.Optimizer{Kind: engine.SGD, Momentum: 0.99, WeightDecay: 3e-5, Clip: 12},
	})
}

// estimate is the memory that a plan expects the step to hold on a device.
func (n network) estimate(p engine.Precision) (int64, error) {
	u, err := unet.Build(n.arch)
	if err != nil {
		return 0, err
	}
	return u.DeviceMemory(n.batch, n.patch, p.Bytes())
}
