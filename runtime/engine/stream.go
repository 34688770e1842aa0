package engine

import (
	"errors"
	"iter"
)

// Streamer is an Executor that trains without an answer from its device between
// batches: it reads what it wants to know at the end. Its numbers are those of
// Step and Evaluate, batch by batch.
type Streamer interface {
	// Learn steps on each batch at the given learning rate, and returns the mean
	// loss before the updates. From a non-finite loss or gradient on nothing
	// changes any more, and ErrNotFinite is returned. A batch is only looked at
	// until the next one is asked for.
	Learn(batches iter.Seq[Batch], rate float64) (mean float64, err error)
	// Monitor evaluates each batch.
	Monitor(batches iter.Seq[Batch]) (Monitored, error)
}

// Monitored is what an evaluation of several batches comes to: the mean loss, and
// per output the voxels in which its answer and the full-resolution labels agree
// or not. Where the outputs are classes the answer is that with the largest
// logit, the lowest of equals; a region's is yes where its logit is above 0.
// Ignored voxels count nowhere.
type Monitored struct {
	Loss                                       float64
	TruePositive, FalsePositive, FalseNegative []int64
}

// ErrNoRoom says that a device's memory does not hold what would be kept on it.
var ErrNoRoom = errors.New("the device's memory does not hold it")

// WindowPredictor is an Executor that answers for a whole image on its device.
type WindowPredictor interface {
	// PredictWindows returns the logits (Z, Y, X, K) of an image (Z, Y, X, C) that
	// windows of the Program's patch cover, given by their first voxels: for each
	// voxel the mean over its windows, weighted by the window's importance
	// (D, H, W), of their mean over the flips of the axes (z, y, x). Voxels that no
	// window covers are undefined. ErrNoRoom says that it must be done piece by
	// piece.
	PredictWindows(image Tensor, windows [][3]int, flips [][3]bool, importance []float32) (Tensor, error)
}
