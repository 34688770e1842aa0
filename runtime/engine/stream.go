package engine

import "iter"

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
