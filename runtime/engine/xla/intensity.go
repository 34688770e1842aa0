package xla

import (
	"slices"

	"runspec/runtime/augment"
)

// transform is one of augment's transforms of grey values: its program, and
// whether a sample undergoes it.
type transform struct {
	name   string
	apply  func(*drawing, value) value
	needed func(augment.Recipe) bool
}

// transforms are in augment's order. Brightness goes with contrast: both are cheap.
var transforms = []transform{
	{"noise", (*drawing).noise, func(q augment.Recipe) bool { return q.Noise > 0 }},
	{"blur", (*drawing).blur, some(func(h augment.Shade) bool { return h.Blur != [3]float64{} })},
	{"brightness and contrast", (*drawing).levels, some(func(h augment.Shade) bool { return h.Brightness != 1 || h.Contrast > 0 })},
	{"low resolution", (*drawing).lowResolution, some(func(h augment.Shade) bool { return h.Zoom != [3]float64{} })},
	{"inverted gamma", (*drawing).gammaInverted, some(func(h augment.Shade) bool { return h.Inverted > 0 })},
	{"gamma", (*drawing).gamma, some(func(h augment.Shade) bool { return h.Gamma > 0 })},
}

// some tells of a recipe whether a channel's shade is so.
func some(is func(augment.Shade) bool) func(augment.Recipe) bool {
	return func(q augment.Recipe) bool { return slices.ContainsFunc(q.Channels, is) }
}

func (d *drawing) levels(x value) value {
	return d.contrast(d.mul(x, d.shaded(d.shades.brightness)))
}

func (d *drawing) gamma(x value) value { return d.bend(x, d.shades.gamma) }

func (d *drawing) gammaInverted(x value) value {
	return d.unary("negate", d.bend(d.unary("negate", x), d.shades.inverted))
}

// noise adds normal deviates, whose counter is the value's place in its sample.
func (d *drawing) noise(x value) value {
	place := d.iota(i32, 4, d.shape)
	for axis, step := 3, d.channels; axis >= 1; axis-- {
		place = d.add(place, d.scaled(d.iota(i32, axis, d.shape), float64(step)))
		step *= d.shape[axis]
	}
	counter := d.bits(place)
	key := func(i int) value { return d.broadcast(d.bits(d.whole[keyAt+i]), d.shape, 0) }
	words := d.threefry([2]value{key(0), key(1)}, [2]value{counter, d.like(0, counter)})
	return d.add(x, d.mul(d.normal(words), d.broadcast(d.real[noiseAt], d.shape, 0)))
}

// blur convolves along each axis that exists.
func (d *drawing) blur(x value) value {
	first := 0
	if d.options.Dim == 2 {
		first = 1
	}
	const reach = augment.MaxTaps / 2
	for i := first; i < 3; i++ {
		n, axis := d.shape[i+1], i+1
		var pieces []value
		for k := -reach; k < 0; k++ {
			at := augment.Reflect(k, n)
			pieces = append(pieces, d.slice(x, axis, at, at+1))
		}
		pieces = append(pieces, x)
		for k := range reach {
			at := augment.Reflect(n+k, n)
			pieces = append(pieces, d.slice(x, axis, at, at+1))
		}
		padded := d.join(axis, pieces...)
		tap := func(k int) value { return d.shaded(d.at(d.shades.kernels, 2, i*augment.MaxTaps+reach+k)) }
		sum := d.mul(x, tap(0))
		for k := 1; k <= reach; k++ {
			pair := d.add(d.slice(padded, axis, reach-k, reach-k+n), d.slice(padded, axis, reach+k, reach+k+n))
			sum = d.add(sum, d.mul(pair, tap(k)))
		}
		x = sum
	}
	return x
}

// moments are a channel's, (N, C); mean and deviation are float64.
type moments struct{ mean, deviation, least, most value }

func (d *drawing) moments(x value) moments {
	n := float64(product(d.shape[1:4]))
	origin := d.at(d.at(d.at(x, 1, 0), 1, 0), 1, 0)
	from := d.convert(d.sub(x, d.shaded(origin)), f64)
	sum, squares := d.sum(from, 1, 2, 3), d.sum(d.mul(from, from), 1, 2, 3)
	spread := d.sub(squares, d.scaled(d.mul(sum, sum), 1/n))
	spread = d.scaled(d.binary("maximum", spread, d.like(0, spread)), 1/max(n-1, 1))
	return moments{
		mean:      d.add(d.convert(origin, f64), d.scaled(sum, 1/n)),
		deviation: d.unary("sqrt", spread),
		least:     d.reduce("minimum", x, -lowest, 1, 2, 3),
		most:      d.reduce("maximum", x, lowest, 1, 2, 3),
	}
}

// applied takes new for the channels whose parameter is above 0.
func (d *drawing) applied(parameter, new, old value) value {
	return d.choose(d.shaded(d.compare("GT", parameter, d.like(0, parameter))), new, old)
}

// contrast scales the distance to the mean, within the old range.
func (d *drawing) contrast(x value) value {
	m, f := d.moments(x), d.shades.contrast
	mean := d.shaded(d.convert(m.mean, f32))
	y := d.add(d.mul(d.sub(x, mean), d.shaded(f)), mean)
	y = d.binary("minimum", d.binary("maximum", y, d.shaded(m.least)), d.shaded(m.most))
	return d.applied(f, y, x)
}

// lowResolution shows each axis by a coarser one.
func (d *drawing) lowResolution(x value) value {
	flat := d.reshape(x, product(d.shape))
	base := d.add(d.iota(i32, 4, d.shape), d.scaled(d.iota(i32, 0, d.shape), float64(product(d.shape[1:]))))
	var near [3][2]value // contributions to the index
	var part [3]value
	from, step := 0, product(d.shape[2:])
	for i := range 3 {
		n := d.shape[i+1]
		lay := func(table value) value {
			return d.broadcast(d.slice(table, 2, from, from+n), d.shape, 0, 4, i+1)
		}
		near[i] = [2]value{d.scaled(lay(d.shades.low), float64(step)), d.scaled(lay(d.shades.high), float64(step))}
		part[i] = lay(d.shades.part)
		from += n
		step /= d.shape[min(i+2, 4)]
	}
	blend := func(a, b, w value) value { return d.add(a, d.mul(w, d.sub(b, a))) }
	var column [2]value
	for x := range 2 {
		var row [2]value
		for z := range 2 {
			at := func(y int) value {
				return d.take(flat, d.add(d.add(d.add(base, near[0][z]), near[1][y]), near[2][x]))
			}
			row[z] = blend(at(0), at(1), part[1])
		}
		column[x] = blend(row[0], row[1], part[0])
	}
	return blend(column[0], column[1], part[2])
}

// tiny keeps divisions by a range or deviation of zero harmless, as in augment.
const tiny = 1e-7

// bend raises a channel's range to a power, then restores mean and deviation.
func (d *drawing) bend(x, exponent value) value {
	before := d.moments(x)
	width := d.sub(before.most, before.least)
	inverse := d.div(d.like(1, width), d.binary("maximum", width, d.like(tiny, width)))
	y := d.mul(d.sub(x, d.shaded(before.least)), d.shaded(inverse))
	y = d.binary("power", y, d.shaded(exponent))
	y = d.add(d.mul(y, d.shaded(width)), d.shaded(before.least))
	after := d.moments(y)
	scale := d.convert(d.div(before.deviation, d.binary("maximum", after.deviation, d.like(tiny, after.deviation))), f32)
	shift := d.convert(d.sub(before.mean, d.mul(after.mean, d.convert(scale, f64))), f32)
	y = d.add(d.mul(y, d.shaded(scale)), d.shaded(shift))
	return d.applied(exponent, y, x)
}
