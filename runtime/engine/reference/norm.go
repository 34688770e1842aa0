package reference

import (
	"math"

	"runspec/runtime/engine"
)

// norm computes the operations of the norms.
func (c *call) norm() {
	switch op := c.op.(type) {
	case engine.Moments:
		c.moments()
	case engine.RunningMoments:
		channels := len(c.in[0])
		copy(c.out, c.in[0])
		for i, v := range c.in[1] {
			c.out[channels+i] = 1 / math.Sqrt(v+engine.NormEpsilon)
		}
	case engine.Normalise:
		c.normalised(func(i, _, ch int, hat float64) {
			c.out[i], _ = function(op.Function, hat*c.in[2][ch]+c.in[3][ch], 0)
		})
	case engine.NormaliseSums:
		rows := len(c.out) / 2
		c.normalised(func(i, row, ch int, hat float64) {
			g := c.before(op.Function, i, ch, hat)
			c.out[row] += g * hat
			c.out[rows+row] += g
		})
	case engine.NormaliseInput:
		sums := c.in[5]
		rows := len(sums) / 2
		count := float64(len(c.out) / rows)
		c.normalised(func(i, row, ch int, hat float64) {
			g := c.before(op.Function, i, ch, hat)
			inverse := c.in[1][rows+row]
			c.out[i] = c.in[2][ch] * inverse * (g - sums[rows+row]/count - hat*sums[row]/count)
		})
	case engine.NormaliseParameter:
		rows := len(c.in[0]) / 2
		for i, v := range c.in[0][op.Row*rows:][:rows] {
			c.out[i%len(c.out)] += v
		}
	}
}

// before is the gradient before the activation.
func (c *call) before(f engine.Function, i, ch int, hat float64) float64 {
	_, d := function(f, hat*c.in[2][ch]+c.in[3][ch], 0)
	return c.in[4][i] * d
}

// normalised calls f for every element of x with its row of moments, its
// channel and its normalised value.
func (c *call) normalised(f func(i, row, ch int, hat float64)) {
	x, m := c.in[0], c.in[1]
	rows, channels := len(m)/2, c.shapes[0][4]
	each := len(x) / (rows / channels)
	for i, v := range x {
		row := i/each*channels + i%channels
		f(i, row, i%channels, (v-m[row])*m[rows+row])
	}
}

func (c *call) moments() {
	x := c.in[0]
	rows, channels := len(c.out)/2, c.shapes[0][4]
	each := len(x) / (rows / channels)
	mean, inverse := c.out[:rows], c.out[rows:]
	count := float64(each / channels)
	for i, v := range x {
		mean[i/each*channels+i%channels] += v / count
	}
	for i, v := range x {
		row := i/each*channels + i%channels
		inverse[row] += (v - mean[row]) * (v - mean[row]) / count
	}
	for i, v := range inverse {
		inverse[i] = 1 / math.Sqrt(v+engine.NormEpsilon)
	}
}
