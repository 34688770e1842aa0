package augment

import (
	"math"
	"math/rand/v2"

	"runspec/runtime/dataset"
)

// window is the part of a case that one training patch is made from: a box of
// the given size whose lowest corner may lie outside the case. Outside the case
// the image is 0 and the label -1 (crop_and_pad_nd in nnU-Net's loader).
type window struct {
	c      *dataset.Case
	corner [3]int // lowest voxel (z, y, x), may be negative
	size   [3]int // voxels (z, y, x)
}

// box is the part of the window that lies inside the case, half open, in the
// window's own coordinates; it is empty where hi <= lo.
func (w window) box() (lo, hi [3]int) {
	for d := range 3 {
		lo[d] = max(0, -w.corner[d])
		hi[d] = min(w.size[d], w.c.Shape[d]-w.corner[d])
	}
	return lo, hi
}

// forced tells whether sample j of a batch must show foreground: the last part
// of the batch does (nnUNetDataLoader._oversample_last_XX_percent). Halves are
// rounded to even, as Python does.
func forced(j, batch int, oversample float64) bool {
	return j >= int(math.RoundToEven(float64(batch)*(1-oversample)))
}

// corners gives the inclusive range of the window's lowest corner along each
// axis (nnUNetDataLoader.get_bbox). initial is the window's size, final the
// patch that the network sees; the margin between them may hang over the
// border, so that the final patch reaches every border voxel.
func corners(shape, initial, final [3]int) (lo, hi [3]int) {
	for d := range 3 {
		pad := max(initial[d]-final[d], initial[d]-shape[d])
		lo[d] = -((pad + 1) / 2) // floor(-pad/2)
		hi[d] = shape[d] + pad/2 + pad%2 - initial[d]
	}
	return lo, hi
}

// sampler places windows in cases.
type sampler struct {
	initial, final [3]int
	ignore         int16 // value of the ignore label; 0: none
}

// place draws the window of one sample: around a voxel of a random foreground
// label where one is forced, uniformly otherwise. With an ignore label, samples
// that are not forced are centred on a random annotated voxel instead.
func (s sampler) place(r *rand.Rand, c *dataset.Case, force bool) window {
	voxel, found := -1, false
	if force {
		voxel, found = foreground(r, c)
	}
	if !found && s.ignore != 0 {
		voxel, found = annotated(r, c, s.ignore)
	}
	lo, hi := corners(c.Shape, s.initial, s.final)
	w := window{c: c, size: s.initial}
	if found {
		w.corner = around3(voxel, c.Shape, s.initial, lo)
		return w
	}
	for d := range 3 {
		w.corner[d] = lo[d] + r.IntN(hi[d]-lo[d]+1)
	}
	return w
}

// around3 centres a window on a voxel. Like nnU-Net it clamps the corner from
// below only, so a window may reach far past the upper border.
func around3(voxel int, shape, size, lo [3]int) [3]int {
	at := [3]int{voxel / (shape[1] * shape[2]), voxel / shape[2] % shape[1], voxel % shape[2]}
	for d := range 3 {
		at[d] = max(lo[d], at[d]-size[d]/2)
	}
	return at
}

// foreground draws a label uniformly among those that the case has voxels of,
// then one of its sampled voxels.
func foreground(r *rand.Rand, c *dataset.Case) (voxel int, found bool) {
	present := 0
	for _, l := range c.Locations {
		if eligible(l) {
			present++
		}
	}
	if present == 0 {
		return 0, false
	}
	pick := r.IntN(present)
	for _, l := range c.Locations {
		if !eligible(l) {
			continue
		}
		if pick == 0 {
			return int(l.Voxels[r.IntN(len(l.Voxels))]), true
		}
		pick--
	}
	panic("augment: label drawn outside the eligible ones")
}

func eligible(l dataset.Location) bool { return l.Label > 0 && len(l.Voxels) > 0 }

// annotated draws a voxel whose label is known, uniformly. nnU-Net draws from a
// stored sample of such voxels, which has the same distribution.
func annotated(r *rand.Rand, c *dataset.Case, ignore int16) (voxel int, found bool) {
	if len(c.Seg) == 0 {
		return 0, false
	}
	for range 1000 { // unless next to nothing is annotated, a few draws do
		if v := r.IntN(len(c.Seg)); c.Seg[v] != ignore {
			return v, true
		}
	}
	known := 0
	for _, l := range c.Seg {
		if l != ignore {
			known++
		}
	}
	if known == 0 {
		return 0, false
	}
	nth := r.IntN(known)
	for v, l := range c.Seg {
		if l == ignore {
			continue
		}
		if nth == 0 {
			return v, true
		}
		nth--
	}
	panic("augment: voxel drawn outside the annotated ones")
}
