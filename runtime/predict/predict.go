// Package predict gives a trained network's answer for whole cases: nnU-Net's
// sliding window with Gaussian blending and mirroring, and the export of the
// logits to the grid of the original file. It sees a network only as a function
// from images to logits.
package predict

import (
	"context"
	"errors"
	"fmt"

	"runspec/runtime/engine"
)

// ErrNotFinite means that a network's logits hold NaN or an infinity.
var ErrNotFinite = errors.New("the network's logits are not finite: its training has diverged")

// Network answers images (N, D, H, W, C), channels last and of the patch's size,
// with logits (N, D, H, W, K). They need to be valid until the next call only.
type Network interface {
	Predict(image engine.Tensor) (engine.Tensor, error)
}

// Options say how a case is predicted.
type Options struct {
	Patch   [3]int  // voxels (z, y, x); z is 1 for a 2-D network
	Classes int     // K, the network's output channels
	Step    float64 // largest distance of windows, relative to the patch; 0: 0.5
	Mirror  []int   // axes (0 z, 1 y, 2 x) over whose flips logits are averaged; none: no mirroring
	Batch   int     // windows per call of the network; 0: 1
	Uniform bool    // all voxels of a window count alike, instead of nnU-Net's Gaussian
}

// Logits are a network's answer for a case, on the grid of the preprocessed case.
type Logits struct {
	Shape [3]int // voxels (z, y, x)
	K     int
	Data  []float32 // (K, Z, Y, X)
}

func (o Options) complete(channels int, shape [3]int, voxels int) (Options, error) {
	if o.Step == 0 {
		o.Step = 0.5
	}
	o.Batch = max(o.Batch, 1)
	for i := range 3 {
		if o.Patch[i] < 1 || shape[i] < 1 {
			return o, fmt.Errorf("a patch of %v voxels on an image of %v cannot be predicted", o.Patch, shape)
		}
	}
	seen := flip{}
	for _, axis := range o.Mirror {
		if axis < 0 || axis > 2 || seen[axis] {
			return o, fmt.Errorf("mirror axes %v: they are 0, 1 and 2, each once at most", o.Mirror)
		}
		seen[axis] = true
	}
	if o.Step < 0 || o.Step > 1 || o.Classes < 1 || channels < 1 {
		return o, fmt.Errorf("step %v, %d classes, %d channels: the step lies in (0, 1], the others from 1 on", o.Step, o.Classes, channels)
	}
	if want := channels * shape[0] * shape[1] * shape[2]; voxels != want {
		return o, fmt.Errorf("the image has %d values, %d channels of %v voxels have %d", voxels, channels, shape, want)
	}
	return o, nil
}

// Case predicts a preprocessed case, data (C, Z, Y, X) of the given shape
// (nnU-Net's predict_sliding_window_return_logits). An image smaller than the
// patch is padded with zeros on both sides. Each window's logits are the mean
// over its flips; windows are blended in float32 in the order z, y, x, so that
// the result depends neither on the batch nor on the executor's threads. A
// network that is an engine.WindowPredictor does all that on its device, as long
// as its memory suffices, to the same numbers but for rounding.
func Case(ctx context.Context, n Network, data []float32, channels int, shape [3]int, o Options) (Logits, error) {
	o, err := o.complete(channels, shape, len(data))
	if err != nil {
		return Logits{}, fmt.Errorf("predict: %w", err)
	}
	p := newPass(data, channels, shape, o)
	if w, ok := n.(engine.WindowPredictor); ok {
		logits, err := w.PredictWindows(p.whole(), p.windows, p.flips, p.weight)
		if !errors.Is(err, engine.ErrNoRoom) {
			if err == nil {
				err = p.take(logits)
			}
			return p.finish(err)
		}
	}
	p.allocate()
	for at := 0; at < p.tasks(); at += o.Batch {
		if err := ctx.Err(); err != nil {
			return Logits{}, err
		}
		count := min(o.Batch, p.tasks()-at)
		logits, err := n.Predict(p.image(at, count))
		if err != nil {
			return Logits{}, fmt.Errorf("predict: windows %d to %d of %d: %w", at, at+count-1, p.tasks(), err)
		}
		if err := p.add(at, count, logits); err != nil {
			return Logits{}, fmt.Errorf("predict: %w", err)
		}
	}
	return p.finish(nil)
}
