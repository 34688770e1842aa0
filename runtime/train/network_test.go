package train_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/train"
)

// task04 is nnU-Net's 3d_fullres network for Task04 with the given
// number of base features (32 in the plan).
func task04(features int) unet.Architecture {
	a := unet.Architecture{
		Dim: 3, InputChannels: 1, Classes: 3, Encoder: unet.Plain,
		DecoderBlocks: []int{2, 2, 2}, Norm: unet.InstanceNorm, Activation: unet.LeakyReLU,
	}
	for i := range 4 {
		s := unet.Stage{Features: features << i, Blocks: 2, Kernel: [3]int{3, 3, 3}, Stride: [3]int{2, 2, 2}}
		if i == 0 {
			s.Stride = [3]int{1, 1, 1}
		}
		a.Stages = append(a.Stages, s)
	}
	return a
}

// task04Program trains task04 as nnU-Net does, batch 2.
func task04Program(t testing.TB, features int) *engine.Program {
	t.Helper()
	return programOf(t, features, [3]int{40, 56, 40})
}

// smallProgram is task04Program with few features and voxels.
func smallProgram(t testing.TB) *engine.Program {
	t.Helper()
	return programOf(t, 4, [3]int{16, 16, 16})
}

func programOf(t testing.TB, features int, patch [3]int) *engine.Program {
	t.Helper()
	n, err := unet.Build(task04(features))
	if err != nil {
		t.Fatal(err)
	}
	p, err := train.Build(n, train.GraphOptions{
		Batch: 2, Patch: patch,
		Loss:      engine.Loss{Kind: engine.DiceCE},
		Optimizer: engine.Optimizer{Kind: engine.SGD, Momentum: 0.99, WeightDecay: 3e-5, Clip: 12},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// noise is a batch of random images and labels in blocks of 4 voxels.
func noise(p *engine.Program) engine.Batch {
	r := rand.New(rand.NewPCG(1, 2))
	shape := []int{p.Batch, p.Patch[0], p.Patch[1], p.Patch[2], p.Channels}
	b := engine.Batch{Image: engine.Tensor{Shape: shape, Data: make([]float32, engine.Size(shape))}}
	for i := range b.Image.Data {
		b.Image.Data[i] = float32(r.NormFloat64())
	}
	for _, k := range p.Train.Logits {
		labels := make([]int16, engine.Size(p.Train.Nodes[k].Shape[:4]))
		for i := range labels {
			if labels[i] = int16(r.IntN(p.Classes)); i%4 != 0 {
				labels[i] = labels[i-1]
			}
		}
		b.Labels = append(b.Labels, labels)
	}
	return b
}

// random are parameters of about the size of nnU-Net's initial ones.
func random(p *engine.Program) engine.State {
	r := rand.New(rand.NewPCG(3, 4))
	s := engine.State{Parameters: map[string]engine.Tensor{}}
	for _, q := range p.Parameters {
		t := engine.Tensor{Shape: q.Shape, Data: make([]float32, engine.Size(q.Shape))}
		for i := range t.Data {
			switch {
			case len(q.Shape) == 5:
				t.Data[i] = float32(r.NormFloat64() * 0.05)
			case strings.HasSuffix(q.Name, ".weight"):
				t.Data[i] = 1
			}
		}
		s.Parameters[q.Name] = t
	}
	return s
}
