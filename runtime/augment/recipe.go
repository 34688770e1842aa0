package augment

import (
	"context"
	"iter"
	"math/rand/v2"

	"runspec/runtime/dataset"
)

// Recipe is what was drawn for one sample of a batch, for those who carry it out
// elsewhere than on the processor. It is drawn from the same stream as the sample
// itself and so makes the same patch, up to rounding; the noise alone is other
// noise, of the same strength.
type Recipe struct {
	Case   int // place among the loader's cases
	Window Box

	// A voxel of the patch shows the point Matrix·(voxel - patch's centre) + Centre
	// of the window, (z, y, x).
	Matrix [3][3]float32
	Centre [3]float32

	Noise    float32   // standard deviation; 0: none
	Key      [2]uint32 // of the noise, which no other sample of the training has
	Channels []Shade
	Mirror   [3]bool // axes (z, y, x)
}

// Box is a part of a case: its lowest voxel, which may lie outside, and its size.
type Box struct{ Corner, Size [3]int }

// Shade is what was drawn for one channel.
type Shade struct {
	Blur       [3]float64 // standard deviation along each axis, voxels; 0: none
	Brightness float32    // factor
	Contrast   float32    // factor; 0: none
	Zoom       [3]float64 // of the low resolution along each axis; 0: none
	Inverted   float64    // exponent of the inverted gamma; 0: none
	Gamma      float64    // exponent; 0: none
}

// shade notes what was drawn for a channel, or does it.
func (s *sample) shade(c int, note func(*Shade), act func(x []float32)) {
	if s.recipe != nil {
		note(&s.recipe.Channels[c])
		return
	}
	act(s.channel(c))
}

// noise also passes over what the noise itself would have drawn, so that all that
// follows is as it is on the processor.
func (q *Recipe) noise(r *rand.Rand, sigma float32, voxels int) {
	q.Noise = sigma
	for range voxels {
		r.NormFloat64()
	}
}

// crop copies voxels, from the given one of the window on.
func (q *Recipe) crop(s *sample, w window, from [3]int) {
	q.Window = Box{w.corner, w.size}
	for d := range 3 {
		q.Matrix[d][d] = 1
		q.Centre[d] = float32(from[d]) + float32(s.shape[d]-1)/2
	}
}

func (q *Recipe) warp(w window, a affine) {
	q.Window, q.Matrix = Box{w.corner, w.size}, a
	for d := range 3 {
		q.Centre[d] = float32(w.size[d]-1) / 2
	}
}

// Told tells whether the loader's samples can be told as recipes: those of v1
// cannot.
func (l *Loader) Told() bool { return l.o.Augmentation != V1 }

// Recipes yields the recipes of the batches from, from+1, … to-1 as Batches yields
// the batches. They are the caller's to keep.
func (l *Loader) Recipes(ctx context.Context, from, to int) iter.Seq2[int, []Recipe] {
	return ahead(ctx, from, to, l.o.Workers, func(list *[]Recipe, i int, work *scratch) { *list = l.tell(i) })
}

// tell draws the recipes of batch i.
func (l *Loader) tell(i int) []Recipe {
	list := make([]Recipe, l.o.Batch)
	for j := range list {
		q := &list[j]
		key := mix(mix(mix(mix(l.o.Seed)+uint64(i)) + uint64(j)))
		q.Key = [2]uint32{uint32(key), uint32(key >> 32)}
		q.Channels = make([]Shade, l.channels)
		for c := range q.Channels {
			q.Channels[c].Brightness = 1
		}
		l.draw(&sample{shape: l.o.Patch, channels: l.channels, planar: l.geometry.Planar, flat: l.o.Dim == 2, recipe: q}, i, j)
	}
	return list
}

// Options are the loader's, completed.
func (l *Loader) Options() Options { return l.o }

// Cases are those that the loader draws from.
func (l *Loader) Cases() []*dataset.Case { return l.cases }

// Taken gives, for each target, the voxels of the patch that it takes along each
// axis.
func (l *Loader) Taken() [][3][]int { return l.down }

// MaxTaps is the greatest length of a Kernel.
const MaxTaps = 7

// Kernel is the blur's along an axis, centred in MaxTaps values.
func (h Shade) Kernel(axis int) (taps [MaxTaps]float32) {
	taps[MaxTaps/2] = 1
	if h.Blur[axis] > 0 {
		k := kernel(h.Blur[axis])
		copy(taps[(MaxTaps-len(k))/2:], k)
	}
	return taps
}

// Coarse says how an axis of n voxels shows the low resolution: each voxel as
// low + part·(high - low) of two of the axis's voxels.
func (h Shade) Coarse(axis, n int) (low, high []int, part []float32) {
	if h.Zoom[axis] == 0 {
		low = make([]int, n)
		for i := range low {
			low[i] = i
		}
		return low, low, make([]float32, n)
	}
	coarse := coarser(n, h.Zoom[axis])
	from, l := nearestExact(n, coarse), newLinear(coarse, n)
	for i := range n {
		low, high = append(low, from[l.low[i]]), append(high, from[l.high[i]])
	}
	return low, high, l.part
}

// Reflect folds an index into an axis of n voxels, as the blur does.
func Reflect(i, n int) int { return reflect(i, n) }
