package xla

import (
	"slices"

	"runspec/runtime/augment"
)

// drawing lowers what makes a batch of the data set on the device: the transforms
// of package augment (v2), each a program for the whole batch, with the parameters
// of each sample as operands. What a sample does not undergo has parameters that
// change nothing; what none undergoes is not run.
type drawing struct {
	*lowering
	options  augment.Options
	taken    [][3][]int
	channels int
	shape    []int // of the batch: (N, D, H, W, C)

	whole  []value // per number of a sample's head: (N)
	real   []value
	shades shades
}

// shades are the channels' parameters: (N, C, …).
type shades struct {
	brightness, contrast, inverted, gamma value // (N, C)
	kernels                               value // (N, C, 3·MaxTaps)
	low, high, part                       value // (N, C, D+H+W)
}

// The head of a sample's whole numbers: where the window's origin lies in the data
// set, the case's strides along z and y, the part of the window that the case
// fills, axes to mirror, the noise's key; and of its real ones: matrix, centre,
// the noise's deviation.
const (
	originAt   = 0
	stridesAt  = 1
	fromAt     = 3
	toAt       = 6
	mirrorAt   = 9
	keyAt      = 12
	wholeHead  = 14
	matrixAt   = 0
	centreAt   = 9
	noiseAt    = 12
	realHead   = 13
	shadeReals = 4 // brightness, contrast, inverted gamma, gamma
)

// numbers are how many of each kind a sample has.
func (d *drawing) numbers() (whole, real int) {
	if d.options.Augmentation == "" {
		return wholeHead, realHead
	}
	long := d.shape[1] + d.shape[2] + d.shape[3]
	return wholeHead + d.channels*2*long, realHead + d.channels*(shadeReals+3*augment.MaxTaps+long)
}

// first gives the program that samples the patches: of images (V, C) and labels
// (V) of all cases and the samples' numbers it makes image and labels.
func (d *drawing) first(voxels int) string {
	d = d.anew()
	images, labels := d.argument(f32, []int{voxels, d.channels}), d.argument(i16, []int{voxels})
	d.read()
	image, label := d.spatial(images, labels)
	return d.module("sample", image, label)
}

// change gives the program of a transform, of the image and the samples' numbers.
// The result does not take the image's memory: most transforms could not work in
// place, and XLA would copy the image first.
func (d *drawing) change(transform func(*drawing, value) value) string {
	d = d.anew()
	image := d.argument(f32, d.shape)
	d.read()
	return d.module("transform", transform(d, image))
}

// last gives the program that mirrors, masks and settles a batch: of image, labels
// and the samples' numbers it makes the image and the labels of each output.
func (d *drawing) last() string {
	d = d.anew()
	image, label := d.argument(f32, d.shape), d.argument(i32, d.shape[:4])
	d.read()
	image, label = d.finish(image, label)
	return d.module("finish", append([]value{image, label}, d.targets(label)...)...)
}

// anew is the drawing with a program to begin.
func (d *drawing) anew() *drawing {
	fresh := *d
	fresh.lowering = newLowering(d.program, d.graph, f32)
	return &fresh
}

// read declares the samples' numbers and takes them apart.
func (d *drawing) read() {
	n := d.shape[0]
	wholes, reals := d.numbers()
	whole, real := d.argument(i32, []int{n, wholes}), d.argument(f32, []int{n, reals})
	for i := range wholeHead {
		d.whole = append(d.whole, d.at(whole, 1, i))
	}
	for i := range realHead {
		d.real = append(d.real, d.at(real, 1, i))
	}
	if d.options.Augmentation == "" {
		return
	}
	c, long := d.channels, d.shape[1]+d.shape[2]+d.shape[3]
	at := wholeHead
	table := func(from value, width int) value {
		part := d.reshape(d.slice(from, 1, at, at+c*width), n, c, width)
		at += c * width
		return part
	}
	s := &d.shades
	s.low, s.high = table(whole, long), table(whole, long)
	at = realHead
	four := table(real, shadeReals)
	s.brightness, s.contrast, s.inverted, s.gamma = d.at(four, 2, 0), d.at(four, 2, 1), d.at(four, 2, 2), d.at(four, 2, 3)
	s.kernels, s.part = table(real, 3*augment.MaxTaps), table(real, long)
}

// sampled lays a number per sample over the voxels (N, D, H, W).
func (d *drawing) sampled(a value) value { return d.broadcast(a, d.shape[:4], 0) }

// shaded lays a number per sample and channel over the batch.
func (d *drawing) shaded(a value) value { return d.broadcast(a, d.shape, 0, 4) }

// spatial samples the data set at the image of the patch's voxels: the image by
// trilinear interpolation with zeros outside, the labels by augment's vote.
func (d *drawing) spatial(images, labels value) (image, label value) {
	var offset, cell, part [3]value
	for i := range 3 {
		place := d.convert(d.iota(i32, i+1, d.shape[:4]), f32)
		offset[i] = d.add(place, d.like(float64(1-d.shape[i+1])/2, place))
	}
	for i := range 3 {
		row := func(j int) value { return d.mul(d.sampled(d.real[matrixAt+3*i+j]), offset[j]) }
		v := d.add(d.add(d.add(row(0), row(1)), row(2)), d.sampled(d.real[centreAt+i]))
		low := d.unary("floor", v)
		cell[i], part[i] = d.convert(low, i32), d.sub(v, low)
	}
	corners := d.corners(cell, part)
	for k, c := range corners {
		seen := d.choose(d.broadcast(c.inside, d.shape, 0, 1, 2, 3), d.take(images, c.index), d.constant(0, f32, d.shape))
		seen = d.mul(seen, d.broadcast(c.weight, d.shape, 0, 1, 2, 3))
		if k == 0 {
			image = seen
		} else {
			image = d.add(image, seen)
		}
		corners[k].label = d.choose(c.inside, d.convert(d.take(labels, c.index), i32), d.constant(-1, i32, d.shape[:4]))
	}
	return image, d.vote(corners, cell, part)
}

// corner is one of a point's eight neighbours, all (N, D, H, W).
type corner struct{ inside, index, weight, label value }

// corners lists the neighbours, z slowest.
func (d *drawing) corners(cell, part [3]value) (list [8]corner) {
	one := d.like(1, part[0])
	var at, weight, inside [3][2]value
	for i := range 3 {
		from, to := d.sampled(d.whole[fromAt+i]), d.sampled(d.whole[toAt+i])
		at[i] = [2]value{cell[i], d.add(cell[i], d.like(1, cell[i]))}
		weight[i] = [2]value{d.sub(one, part[i]), part[i]}
		for upper, v := range at[i] {
			inside[i][upper] = d.both(d.compare("GE", v, from), d.compare("LT", v, to))
		}
	}
	for k := range list {
		z, y, x := k>>2&1, k>>1&1, k&1
		c := &list[k]
		c.inside = d.both(d.both(inside[0][z], inside[1][y]), inside[2][x])
		c.weight = d.mul(d.mul(weight[0][z], weight[1][y]), weight[2][x])
		index := d.add(d.sampled(d.whole[originAt]), d.mul(at[0][z], d.sampled(d.whole[stridesAt])))
		index = d.add(d.add(index, d.mul(at[1][y], d.sampled(d.whole[stridesAt+1]))), at[2][x])
		c.index = d.choose(c.inside, index, d.like(0, index))
	}
	return list
}

// vote is augment's: the label with the largest sum of weights, compared in half
// precision; a tie goes to the nearest neighbour's.
func (d *drawing) vote(corners [8]corner, cell, part [3]value) value {
	var sums [8]value
	for k, c := range corners {
		for j, other := range corners {
			w := d.scaled(other.weight, 1000)
			if j != k {
				w = d.choose(d.compare("EQ", other.label, c.label), w, d.like(0, w))
			}
			if j == 0 {
				sums[k] = w
			} else {
				sums[k] = d.add(sums[k], w)
			}
		}
		sums[k] = d.rounded(sums[k])
	}
	best := sums[0]
	for _, s := range sums[1:] {
		best = d.binary("maximum", best, s)
	}
	winner := corners[7].label
	for k := 6; k >= 0; k-- {
		winner = d.choose(d.compare("EQ", sums[k], best), corners[k].label, winner)
	}
	tie := d.compare("NE", winner, winner)
	for k, c := range corners {
		tie = d.binary("or", tie, d.both(d.compare("EQ", sums[k], best), d.compare("NE", c.label, winner)))
	}
	return d.choose(tie, d.nearest(corners, cell, part), winner)
}

// nearest is the label of the closest neighbour; halves go to the even voxel.
func (d *drawing) nearest(corners [8]corner, cell, part [3]value) value {
	labels := make([]value, 8)
	for k, c := range corners {
		labels[k] = c.label
	}
	for i := 2; i >= 0; i-- {
		half := d.like(0.5, part[i])
		odd := d.compare("EQ", d.both(cell[i], d.like(1, cell[i])), d.like(1, cell[i]))
		upper := d.binary("or", d.compare("GT", part[i], half), d.both(d.compare("EQ", part[i], half), odd))
		for k := range len(labels) / 2 {
			labels[k] = d.choose(upper, labels[2*k+1], labels[2*k])
		}
		labels = labels[:len(labels)/2]
	}
	return labels[0]
}

// finish mirrors, masks and turns what is outside into background.
func (d *drawing) finish(image, label value) (value, value) {
	if d.options.Augmentation != "" {
		for i := range 3 {
			flag := d.compare("GT", d.whole[mirrorAt+i], d.like(0, d.whole[mirrorAt+i]))
			image = d.choose(d.broadcast(flag, d.shape, 0), d.reverse(image, i+1), image)
			label = d.choose(d.broadcast(flag, d.shape[:4], 0), d.reverse(label, i+1), label)
		}
		image = d.mask(image, label)
	}
	return image, d.binary("maximum", label, d.like(0, label))
}

// mask sets the channels that are normalised within the mask to 0 outside.
func (d *drawing) mask(image, label value) value {
	if !slices.Contains(d.options.UseMask, true) {
		return image
	}
	var use []int
	for _, u := range d.options.UseMask {
		use = append(use, map[bool]int{true: 1}[u])
	}
	flags := d.integers(use)
	masked := d.broadcast(d.compare("GT", flags, d.like(0, flags)), d.shape, 4)
	outside := d.broadcast(d.compare("LT", label, d.like(0, label)), d.shape, 0, 1, 2, 3)
	return d.choose(d.both(masked, outside), d.like(0, image), image)
}

// targets picks the voxels of each output but the first.
func (d *drawing) targets(label value) (out []value) {
	all := d.reshape(label, product(d.shape[:4]))
	for _, taken := range d.taken[1:] {
		shape := []int{d.shape[0], len(taken[0]), len(taken[1]), len(taken[2])}
		index := d.scaled(d.iota(i32, 0, shape), float64(product(d.shape[1:4])))
		step := d.shape[2] * d.shape[3]
		for axis, voxels := range taken {
			scaled := make([]int, len(voxels))
			for i, v := range voxels {
				scaled[i] = v * step
			}
			index = d.add(index, d.broadcast(d.integers(scaled), shape, axis+1))
			if axis < 2 {
				step /= d.shape[axis+2]
			}
		}
		out = append(out, d.take(all, index))
	}
	return out
}

func product(list []int) int {
	n := 1
	for _, x := range list {
		n *= x
	}
	return n
}
