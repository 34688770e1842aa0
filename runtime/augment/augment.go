// Package augment draws training patches: foreground oversampling, nnU-Net's
// training-time transforms, and prefetch. Batch i of a Loader is a pure
// function of (seed, i), so any number of workers gives the same batches.
package augment

// Batch is a training batch as nnU-Net's loader gives it.
type Batch struct {
	Size     int
	Channels int
	Shape    [3]int    // patch (z, y, x)
	Image    []float32 // (N, C, Z, Y, X); (N, Z, Y, X, C) under Options.ChannelsLast
	Targets  []Target  // one per deep-supervision output, full resolution first
}

// Target is the label map of one output resolution.
type Target struct {
	Shape  [3]int  // (z, y, x)
	Labels []int16 // (N, Z, Y, X)
}
