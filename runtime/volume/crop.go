package volume

// Box is a half-open box of voxels: lower and upper bound along (z, y, x).
type Box [3][2]int

// Shape is the number of voxels along each axis.
func (b Box) Shape() [3]int {
	return [3]int{b[0][1] - b[0][0], b[1][1] - b[1][0], b[2][1] - b[2][0]}
}

// NonzeroMask marks the voxels that are nonzero in any channel, and the holes
// among them: zero voxels from which no path of face neighbours leads out of the
// image (nnunetv2.preprocessing.cropping, scipy's binary_fill_holes).
func NonzeroMask(im *Image) []bool {
	n := im.Voxels()
	mask := make([]bool, n)
	for c := range im.Channels {
		for i, v := range im.Data[c*n : (c+1)*n] {
			if v != 0 {
				mask[i] = true
			}
		}
	}
	fillHoles(mask, im.Shape)
	return mask
}

// fillHoles sets whatever a flood from the border cannot reach. Whole runs along
// x are flooded at once, so that the stack stays small.
func fillHoles(mask []bool, shape [3]int) {
	nz, ny, nx := shape[0], shape[1], shape[2]
	outside := make([]bool, len(mask))
	var stack []int // a voxel in each run still to be flooded
	seed := func(z, y, x int) {
		i := (z*ny+y)*nx + x
		if !mask[i] && !outside[i] {
			stack = append(stack, i)
		}
	}
	flood := func(start int) {
		row := start / nx * nx
		z, y := row/nx/ny, row/nx%ny
		lo, hi := start-row, start-row+1
		for lo > 0 && !mask[row+lo-1] {
			lo--
		}
		for hi < nx && !mask[row+hi] {
			hi++
		}
		for x := lo; x < hi; x++ {
			outside[row+x] = true
		}
		for _, step := range [4][2]int{{-1, 0}, {1, 0}, {0, -1}, {0, 1}} {
			z2, y2 := z+step[0], y+step[1]
			if z2 < 0 || z2 >= nz || y2 < 0 || y2 >= ny {
				continue
			}
			open := false // inside a run that is on the stack already
			next := (z2*ny + y2) * nx
			for x := lo; x < hi; x++ {
				free := !mask[next+x] && !outside[next+x]
				if free && !open {
					stack = append(stack, next+x)
				}
				open = free
			}
		}
	}
	for z := range nz {
		for y := range ny {
			step := 1
			if z > 0 && z < nz-1 && y > 0 && y < ny-1 {
				step = max(nx-1, 1) // only the ends of an inner row are border
			}
			for x := 0; x < nx; x += step {
				seed(z, y, x)
				for len(stack) > 0 {
					i := stack[len(stack)-1]
					stack = stack[:len(stack)-1]
					if !outside[i] {
						flood(i)
					}
				}
			}
		}
	}
	for i := range mask {
		mask[i] = !outside[i]
	}
}

// NonzeroBox is the smallest box around the mask, or the whole image where the
// mask is empty (nnU-Net's is undefined there).
func NonzeroBox(mask []bool, shape [3]int) Box {
	lo, hi := shape, [3]int{}
	i := 0
	for z := range shape[0] {
		for y := range shape[1] {
			row := mask[i : i+shape[2]]
			i += shape[2]
			first, last := span(row)
			if last < 0 {
				continue
			}
			lo = [3]int{min(lo[0], z), min(lo[1], y), min(lo[2], first)}
			hi = [3]int{max(hi[0], z+1), max(hi[1], y+1), max(hi[2], last+1)}
		}
	}
	if hi[0] == 0 {
		return Box{{0, shape[0]}, {0, shape[1]}, {0, shape[2]}}
	}
	return Box{{lo[0], hi[0]}, {lo[1], hi[1]}, {lo[2], hi[2]}}
}

// span gives the first and last set element, or -1, -1.
func span(row []bool) (first, last int) {
	first, last = -1, -1
	for x, v := range row {
		if v {
			if first < 0 {
				first = x
			}
			last = x
		}
	}
	return first, last
}

// CropToNonzero cuts image and labels to the box of the nonzero mask (nnU-Net's
// crop_to_nonzero). Background labels outside the mask become -1; without
// labels (nil) the result is 0 inside and -1 outside. Image and labels have one
// shape; the inputs stay as they are.
func CropToNonzero(im *Image, seg *Labels) (*Image, *Labels, Box) {
	mask := NonzeroMask(im)
	box := NonzeroBox(mask, im.Shape)
	inside := Crop(mask, 1, im.Shape, box)
	grid := im.Grid.Crop(box)
	out := &Labels{Grid: grid}
	if seg != nil {
		out.Data = Crop(seg.Data, 1, seg.Shape, box)
	} else {
		out.Data = make([]int16, len(inside))
	}
	for i, in := range inside {
		if !in && out.Data[i] == 0 {
			out.Data[i] = -1
		}
	}
	cropped := &Image{Grid: grid, Channels: im.Channels, Data: Crop(im.Data, im.Channels, im.Shape, box)}
	return cropped, out, box
}

// Crop copies a box out of channels arrays of the given shape (C, Z, Y, X).
func Crop[T any](data []T, channels int, shape [3]int, box Box) []T {
	s := box.Shape()
	out := make([]T, 0, channels*s[0]*s[1]*s[2])
	for c := range channels {
		for z := box[0][0]; z < box[0][1]; z++ {
			for y := box[1][0]; y < box[1][1]; y++ {
				row := ((c*shape[0]+z)*shape[1] + y) * shape[2]
				out = append(out, data[row+box[2][0]:row+box[2][1]]...)
			}
		}
	}
	return out
}

// Paste copies arrays of the box's shape (C, Z, Y, X) into arrays of the given
// shape; it undoes Crop.
func Paste[T any](into []T, channels int, shape [3]int, box Box, data []T) {
	s := box.Shape()
	for c := range channels {
		for z := range s[0] {
			for y := range s[1] {
				row := ((c*shape[0]+z+box[0][0])*shape[1]+y+box[1][0])*shape[2] + box[2][0]
				copy(into[row:row+s[2]], data[((c*s[0]+z)*s[1]+y)*s[2]:])
			}
		}
	}
}

// Crop is the grid of a box of g: the affine's origin moves along.
func (g Grid) Crop(box Box) Grid {
	out := g
	out.Shape = box.Shape()
	for i := range 3 {
		for axis := range 3 { // affine columns are (x, y, z)
			out.Affine[i][3] += g.Affine[i][2-axis] * float64(box[axis][0])
		}
	}
	return out
}

// Transpose permutes the axes of channels arrays: axis i of the result is axis
// order[i] of the input (numpy's transpose). It returns the new shape too; the
// order 0, 1, 2 gives data itself.
func Transpose[T any](data []T, channels int, shape, order [3]int) ([]T, [3]int) {
	if order == [3]int{0, 1, 2} {
		return data, shape
	}
	to := [3]int{shape[order[0]], shape[order[1]], shape[order[2]]}
	stride := [3]int{shape[1] * shape[2], shape[2], 1}
	step := [3]int{stride[order[0]], stride[order[1]], stride[order[2]]}
	n := shape[0] * shape[1] * shape[2]
	out := make([]T, 0, channels*n)
	for c := range channels {
		for z := range to[0] {
			for y := range to[1] {
				at := c*n + z*step[0] + y*step[1]
				for range to[2] {
					out = append(out, data[at])
					at += step[2]
				}
			}
		}
	}
	return out, to
}
