package kernel

import "fmt"

// AvgPool averages x [N,In,C] over blocks of Kernel voxels into y [N,Out,C],
// Out = In/Kernel rounded down, as PyTorch's AvgPool3d(kernel): what does not
// fill a block is left out.
type AvgPool struct {
	N, C            int
	In, Kernel, Out [3]int
}

// NewAvgPool computes Out; a kernel larger than the input is an error.
func NewAvgPool(n, c int, in, kernel [3]int) (AvgPool, error) {
	a := AvgPool{N: n, C: c, In: in, Kernel: kernel}
	for i := range 3 {
		if kernel[i] < 1 || in[i] < kernel[i] {
			return AvgPool{}, fmt.Errorf("average pooling of size %v by %v has no output along axis %d", in, kernel, i)
		}
		a.Out[i] = in[i] / kernel[i]
	}
	return a, nil
}

// InputLen and OutputLen are the lengths of x and y.
func (a *AvgPool) InputLen() int  { return a.N * volume(a.In) * a.C }
func (a *AvgPool) OutputLen() int { return a.N * volume(a.Out) * a.C }

// blocks runs f on each pair of an output voxel and one of its inputs, given
// as positions in y and x; the outputs of one plane belong to one task.
func (a *AvgPool) blocks(p *Pool, f func(out, in int)) {
	one := [3]int{1, 1, 1}
	from, unit, to := steps(a.In, a.Kernel, a.C), steps(a.In, one, a.C), steps(a.Out, one, a.C)
	p.Run(a.N*a.Out[0], func(_, i int) {
		n, d := i/a.Out[0], i%a.Out[0]
		for h := range a.Out[1] {
			for w := range a.Out[2] {
				out := n*to[0] + d*to[1] + h*to[2] + w*to[3]
				in := n*from[0] + d*from[1] + h*from[2] + w*from[3]
				for k := range volume(a.Kernel) {
					kd, kh, kw := k/(a.Kernel[1]*a.Kernel[2]), k/a.Kernel[2]%a.Kernel[1], k%a.Kernel[2]
					f(out, in+kd*unit[1]+kh*unit[2]+kw*unit[3])
				}
			}
		}
	})
}

// Forward computes y.
func (a *AvgPool) Forward(p *Pool, x, y []float32) {
	mustLen("input of a pooling", len(x), a.InputLen())
	mustLen("output of a pooling", len(y), a.OutputLen())
	part := 1 / float32(volume(a.Kernel))
	clear(y)
	a.blocks(p, func(out, in int) {
		to := y[out:][:a.C]
		for c, v := range x[in:][:a.C] {
			to[c] += v * part
		}
	})
}

// Backward computes dx from dy.
func (a *AvgPool) Backward(p *Pool, dy, dx []float32) {
	mustLen("output gradient of a pooling", len(dy), a.OutputLen())
	mustLen("input gradient of a pooling", len(dx), a.InputLen())
	part := 1 / float32(volume(a.Kernel))
	clear(dx)
	a.blocks(p, func(out, in int) {
		to := dx[in:][:a.C]
		for c, v := range dy[out:][:a.C] {
			to[c] = v * part
		}
	})
}
