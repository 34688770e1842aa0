package predict

import (
	"fmt"
	"math"
	"slices"

	"runspec/runtime/engine"
)

// pass is one case under prediction. Its tasks are the windows, each with all
// its flips one after the other.
type pass struct {
	Options
	data     []float32 // (C, Z, Y, X)
	channels int
	shape    [3]int // of the image
	below    [3]int // padding before the image
	padded   [3]int // image and padding: at least the patch

	windows [][3]int
	flips   []flip
	weight  []float32 // importance (Z, Y, X) of the patch

	input  []float32 // (N, D, H, W, C)
	window []float32 // sum over the current window's flips (D, H, W, K)
	logits []float32 // sum of weighted windows (Z, Y, X, K) of the padded image
	total  []float32 // sum of weights (Z, Y, X)
}

func newPass(data []float32, channels int, shape [3]int, o Options) *pass {
	p := &pass{Options: o, data: data, channels: channels, shape: shape, flips: flips(o.Mirror)}
	for i := range 3 {
		p.padded[i] = max(shape[i], o.Patch[i])
		p.below[i] = (p.padded[i] - shape[i]) / 2
	}
	p.windows = windows(p.padded, o.Patch, o.Step)
	if o.Uniform {
		p.weight = ones(o.Patch)
	} else {
		p.weight = importance(o.Patch)
	}
	return p
}

// allocate makes room for windows that come one by one.
func (p *pass) allocate() {
	voxels, patch := product(p.padded), product(p.Patch)
	p.input = make([]float32, p.Batch*patch*p.channels)
	p.window = make([]float32, patch*p.Classes)
	p.logits = make([]float32, voxels*p.Classes)
	p.total = make([]float32, voxels)
}

// whole is the padded image (Z, Y, X, C), for a network that cuts windows itself.
func (p *pass) whole() engine.Tensor {
	out := make([]float32, product(p.padded)*p.channels)
	voxels, i := product(p.shape), 0
	for z := range p.shape[0] {
		for y := range p.shape[1] {
			row := ((z+p.below[0])*p.padded[1]+y+p.below[1])*p.padded[2] + p.below[2]
			for x := range p.shape[2] {
				for c := range p.channels {
					out[(row+x)*p.channels+c] = p.data[c*voxels+i]
				}
				i++
			}
		}
	}
	return engine.Tensor{Shape: []int{p.padded[0], p.padded[1], p.padded[2], p.channels}, Data: out}
}

// take takes the answer for the whole padded image.
func (p *pass) take(logits engine.Tensor) error {
	want := []int{p.padded[0], p.padded[1], p.padded[2], p.Classes}
	if !slices.Equal(logits.Shape, want) {
		return fmt.Errorf("the network answers with shape %v, want %v (Z, Y, X, K)", logits.Shape, want)
	}
	p.logits, p.total = logits.Data, ones(p.padded)
	return nil
}

// finish is the result, unless there was an error.
func (p *pass) finish(err error) (out Logits, _ error) {
	if err == nil {
		out, err = p.result()
	}
	if err != nil {
		return Logits{}, fmt.Errorf("predict: %w", err)
	}
	return out, nil
}

func product(s [3]int) int { return s[0] * s[1] * s[2] }

func (p *pass) tasks() int { return len(p.windows) * len(p.flips) }

func (p *pass) task(i int) ([3]int, flip) {
	return p.windows[i/len(p.flips)], p.flips[i%len(p.flips)]
}

// image gathers count tasks from at on as the network's input.
func (p *pass) image(at, count int) engine.Tensor {
	patch := product(p.Patch) * p.channels
	for i := range count {
		start, f := p.task(at + i)
		p.gather(p.input[i*patch:(i+1)*patch], start, f)
	}
	return engine.Tensor{
		Shape: []int{count, p.Patch[0], p.Patch[1], p.Patch[2], p.channels},
		Data:  p.input[:count*patch],
	}
}

// gather copies one window (D, H, W, C), mirrored; padding is zero.
func (p *pass) gather(out []float32, start [3]int, f flip) {
	clear(out)
	voxels := product(p.shape)
	each(p.Patch, f, func(i int, at [3]int) {
		var v [3]int
		for axis := range 3 {
			v[axis] = start[axis] + at[axis] - p.below[axis]
			if v[axis] < 0 || v[axis] >= p.shape[axis] {
				return
			}
		}
		from := (v[0]*p.shape[1]+v[1])*p.shape[2] + v[2]
		for c := range p.channels {
			out[i*p.channels+c] = p.data[c*voxels+from]
		}
	})
}

// each calls visit for every voxel of a mirrored patch in C order, with the
// place in the unmirrored patch that it shows.
func each(patch [3]int, f flip, visit func(i int, at [3]int)) {
	i := 0
	for z := range patch[0] {
		for y := range patch[1] {
			for x := range patch[2] {
				at := [3]int{z, y, x}
				for axis, mirrored := range f {
					if mirrored {
						at[axis] = patch[axis] - 1 - at[axis]
					}
				}
				visit(i, at)
				i++
			}
		}
	}
}

// add takes the network's answer to the tasks that image gathered.
func (p *pass) add(at, count int, logits engine.Tensor) error {
	want := []int{count, p.Patch[0], p.Patch[1], p.Patch[2], p.Classes}
	if !slices.Equal(logits.Shape, want) {
		return fmt.Errorf("the network answers with shape %v, want %v (N, D, H, W, K)", logits.Shape, want)
	}
	size := len(p.window)
	for i := range count {
		start, f := p.task(at + i)
		if f == (flip{}) {
			clear(p.window)
		}
		p.sum(logits.Data[i*size:(i+1)*size], f)
		if (at+i+1)%len(p.flips) == 0 {
			p.blend(start)
		}
	}
	return nil
}

// sum adds one flip's logits to the window, mirrored back.
func (p *pass) sum(logits []float32, f flip) {
	k := p.Classes
	each(p.Patch, f, func(i int, at [3]int) {
		to := p.window[((at[0]*p.Patch[1]+at[1])*p.Patch[2]+at[2])*k:][:k]
		for c, v := range logits[i*k : (i+1)*k] {
			to[c] += v
		}
	})
}

// blend adds the window's mean over flips to the image, by importance.
func (p *pass) blend(start [3]int) {
	k, n := p.Classes, float32(len(p.flips))
	i := 0
	for z := range p.Patch[0] {
		for y := range p.Patch[1] {
			row := ((start[0]+z)*p.padded[1]+start[1]+y)*p.padded[2] + start[2]
			for x := range p.Patch[2] {
				w := p.weight[i]
				p.total[row+x] += w
				to := p.logits[(row+x)*k:][:k]
				for c, v := range p.window[i*k : (i+1)*k] {
					to[c] += float32(v / n * w) // the conversion forbids a fused multiply-add: equal on every processor
				}
				i++
			}
		}
	}
}

// result divides by the weights and cuts off the padding.
func (p *pass) result() (Logits, error) {
	out := Logits{Shape: p.shape, K: p.Classes, Data: make([]float32, p.Classes*product(p.shape))}
	voxels, i := product(p.shape), 0
	for z := range p.shape[0] {
		for y := range p.shape[1] {
			row := ((z+p.below[0])*p.padded[1]+y+p.below[1])*p.padded[2] + p.below[2]
			for x := range p.shape[2] {
				for c, v := range p.logits[(row+x)*p.Classes:][:p.Classes] {
					v /= p.total[row+x]
					if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
						return Logits{}, ErrNotFinite
					}
					out.Data[c*voxels+i] = v
				}
				i++
			}
		}
	}
	return out, nil
}
