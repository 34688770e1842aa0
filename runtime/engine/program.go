package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// ErrNotFinite says that a step met an infinite or undefined loss or gradient
// and was not taken.
var ErrNotFinite = errors.New("loss or gradient is not finite")

// Parameter is one learnable tensor.
type Parameter struct {
	Name       string // PyTorch's
	Shape      []int  // PyTorch's: (out, in, kz, ky, kx), transposed (in, out, kz, ky, kx), or 1-D
	Transposed bool   // weight of a transposed convolution
}

// Norm is one batch norm, whose running statistics are the buffers
// Name.running_mean and Name.running_var, each (Channels).
type Norm struct {
	Name     string
	Channels int
	Count    int // values per channel that one batch's statistics are taken over
}

// RunningMomentum is the share of a batch's statistics in the running ones.
const RunningMomentum = 0.1

// Program is one network with its loss, optimiser and batch, ready to be
// compiled by an executor.
type Program struct {
	Batch      int
	Patch      [3]int // (z, y, x)
	Channels   int    // of the image
	Classes    int    // of the logits
	Parameters []Parameter
	Norms      []Norm
	Loss       Loss
	Optimizer  Optimizer
	Seed       uint64 // of the dropout masks

	Train    Graph // training mode: loss, gradients, moments; batch Batch
	Evaluate Graph // evaluation mode: loss, logits of all outputs; batch Batch
	Predict  Graph // evaluation mode: full-resolution logits only; batch 1
}

// CheckBatch says why the executor of p cannot take b, or nil.
func (p *Program) CheckBatch(b Batch) error {
	if err := p.CheckImage(b.Image); err != nil {
		return err
	}
	if n := b.Image.Shape[0]; n != p.Batch {
		return fmt.Errorf("batch of %d images, the program is for %d", n, p.Batch)
	}
	if len(b.Labels) != len(p.Train.Logits) {
		return fmt.Errorf("labels for %d outputs, the network has %d", len(b.Labels), len(p.Train.Logits))
	}
	for i, labels := range b.Labels {
		shape := p.Train.Nodes[p.Train.Logits[i]].Shape
		if want := Size(shape[:4]); len(labels) != want {
			return fmt.Errorf("%d labels for output %d, which has %d voxels", len(labels), i, want)
		}
		for _, l := range labels {
			ignored := p.Loss.Ignore != 0 && l == p.Loss.Ignore
			if tooLarge := len(p.Loss.Regions) == 0 && int(l) >= p.Classes; !ignored && (l < 0 || tooLarge) {
				return fmt.Errorf("label %d for output %d: labels run from 0 to %d", l, i, p.Classes-1)
			}
		}
	}
	return nil
}

// CheckImage says why the executor of p cannot predict image, or nil.
func (p *Program) CheckImage(image Tensor) error {
	s := image.Shape
	if len(s) != 5 || s[0] < 1 || [3]int(s[1:4]) != p.Patch || s[4] != p.Channels {
		return fmt.Errorf("image of shape %v, the program is for (N, %d, %d, %d, %d)",
			s, p.Patch[0], p.Patch[1], p.Patch[2], p.Channels)
	}
	if len(image.Data) != Size(s) {
		return fmt.Errorf("image of shape %v with %d values", s, len(image.Data))
	}
	return nil
}

// DropMask fills mask with the factors of whole channels in a training step:
// 0 with probability rate, else 1/(1-rate). They depend on the arguments only,
// so a continued training repeats them.
func DropMask(mask []float32, seed uint64, step, index int, rate float64) {
	r := rand.New(rand.NewPCG(seed, uint64(step)<<20^uint64(index)))
	keep := float32(1 / (1 - rate))
	for i := range mask {
		if r.Float64() < rate {
			mask[i] = 0
		} else {
			mask[i] = keep
		}
	}
}
