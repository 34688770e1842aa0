package volume

import (
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// margin is how many samples a cubic needs beyond either end of a line.
const margin = 2

// columns is how many lines are worked on together, so that the recursions
// along a line do not wait for one another and memory is read in rows.
const columns = 32

// lines is a set of parallel lines: sample i of line j of group g is
// data[g*group + i*along + j*across].
type lines struct {
	groups, count        int // lines per group
	group, along, across int
}

// resizeAxis resizes one axis of an array to length m.
func resizeAxis(data []float32, shape [3]int, axis, m, order int) []float32 {
	n := shape[axis]
	inner, outer := 1, 1
	for i, s := range shape {
		switch {
		case i < axis:
			outer *= s
		case i > axis:
			inner *= s
		}
	}
	out := make([]float32, outer*m*inner)
	in, to := lines{outer, inner, n * inner, inner, 1}, lines{outer, inner, m * inner, inner, 1}
	if inner == 1 { // lines lie behind one another: all are one group
		in, to = lines{1, outer, 0, 1, n}, lines{1, outer, 0, 1, m}
	}
	all, width := plan(n, m, order)
	per := (in.count + columns - 1) / columns
	parallel(in.groups*per, (n+m)*columns, func(lo, hi int) {
		b := &block{n: n, rows: make([]float64, (n+2*margin)*columns)}
		for item := lo; item < hi; item++ {
			first := item % per * columns
			b.width = min(columns, in.count-first)
			b.load(data[item/per*in.group+first*in.across:], in)
			if order == 3 {
				b.filter()
			}
			b.store(out[item/per*to.group+first*to.across:], to, all, width)
		}
	})
	return out
}

// parallel splits n items, each of about the given number of operations, into
// ranges. Every range must write its own part of the result only, so that the
// number of goroutines never shows.
func parallel(n, cost int, work func(lo, hi int)) {
	const worthwhile = 1 << 18 // operations per goroutine
	parts := min(runtime.GOMAXPROCS(0), n, n*cost/worthwhile)
	if parts <= 1 {
		work(0, n)
		return
	}
	var g errgroup.Group
	for p := range parts {
		g.Go(func() error {
			work(p*n/parts, (p+1)*n/parts)
			return nil
		})
	}
	g.Wait()
}

// block holds up to columns lines side by side: sample i of line j is
// rows[(i+margin)*columns + j].
type block struct {
	n, width int
	rows     []float64
}

func (b *block) row(i int) []float64 {
	return b.rows[(i+margin)*columns:][:b.width]
}

func (b *block) load(data []float32, l lines) {
	if l.across == 1 {
		for i := range b.n {
			row, from := b.row(i), data[i*l.along:]
			for j := range row {
				row[j] = float64(from[j])
			}
		}
		return
	}
	for j := range b.width {
		line := data[j*l.across:][:b.n]
		at := margin*columns + j
		for _, v := range line {
			b.rows[at] = float64(v)
			at += columns
		}
	}
}

// pole of the cubic B-spline's recursive filter (Unser 1999, box 2), whose gain
// is 6.
var pole = math.Sqrt(3) - 2

// filter turns samples into B-spline coefficients, with margin more at either
// end. The samples are taken to repeat the edge for ever, which the 12 repeated
// samples of scipy's zoom(mode="nearest") approach to 1e-12.
func (b *block) filter() {
	z := pole
	first, last := make([]float64, b.width), make([]float64, b.width)
	copy(first, b.row(0))
	copy(last, b.row(b.n-1))
	before := b.row(0)
	for j, v := range before { // the sum of 6 z^k v over k >= 0
		before[j] = 6 * v / (1 - z)
	}
	for i := 1; i < b.n; i++ {
		row := b.row(i)
		before = before[:len(row)]
		for j := range row {
			row[j] = 6*row[j] + z*before[j]
		}
		before = row
	}
	// Behind the last sample v the forward filter tends to s = 6v/(1-z), and
	// c[n-1] = -sum z^(k+1) (s + z^k (f[n-1]-s)) over k >= 0.
	after := b.row(b.n - 1)
	for j, v := range last {
		s := 6 * v / (1 - z)
		after[j] = -z * (s/(1-z) + (after[j]-s)/(1-z*z))
	}
	for i := b.n - 2; i >= 0; i-- {
		row := b.row(i)
		after = after[:len(row)]
		for j := range row {
			row[j] = z * (after[j] - row[j])
		}
		after = row
	}
	b.extend(first, 0, -1)
	b.extend(last, b.n-1, 1)
}

// extend continues the coefficients beyond an end, where the samples are
// constant: they decay to that constant like z^k.
func (b *block) extend(edge []float64, from, step int) {
	for k := 1; k <= margin; k++ {
		before, row := b.row(from+(k-1)*step), b.row(from+k*step)
		for j, v := range edge {
			row[j] = v + pole*(before[j]-v)
		}
	}
}

// store evaluates all output samples of the lines.
func (b *block) store(out []float32, l lines, all []taps, width int) {
	var sums [columns]float64
	for i := range all {
		row := sums[:b.width]
		b.evaluate(row, &all[i], width)
		if l.across == 1 {
			to := out[i*l.along:][:len(row)]
			for j, v := range row {
				to[j] = float32(v)
			}
			continue
		}
		at := i * l.along
		for _, v := range row {
			out[at] = float32(v)
			at += l.across
		}
	}
}

func (b *block) evaluate(sums []float64, t *taps, width int) {
	n := len(sums)
	row := func(k int) []float64 { return b.rows[(t.start+k)*columns:][:n] }
	switch width {
	case 1:
		copy(sums, row(0))
	case 2:
		p, q := row(0), row(1)
		u, v := t.weights[0], t.weights[1]
		for j := range sums {
			sums[j] = u*p[j] + v*q[j]
		}
	default:
		p, q, r, s := row(0), row(1), row(2), row(3)
		w := t.weights
		for j := range sums {
			sums[j] = w[0]*p[j] + w[1]*q[j] + w[2]*r[j] + w[3]*s[j]
		}
	}
}
