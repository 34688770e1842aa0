//go:build linux

package kernel

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
)

// The layers of nnU-Net's 3d_fullres plan for Task04_Hippocampus: patch
// 40×56×40, four stages, batch 2. Threads are taken from the environment
// variable KERNEL_THREADS (1), the instruction set from RUNSPEC_CPU.
//
//	go test -bench 'Step' -benchtime 3x ./runtime/engine/cpu/kernel
//
// Times are CPU seconds of the process, since wall time on a shared machine
// says little; "peak" is the share of the fused multiply-adds that a loop
// without memory achieves just before.

type layer struct {
	name string
	conv Conv
	up   *TransposedConv
	norm *Norm
}

func task04(features int) []layer {
	var all []layer
	const batch = 2
	one, three := [3]int{1, 1, 1}, [3]int{3, 3, 3}
	add := func(name string, size [3]int, ci, co, stride int) [3]int {
		c, err := NewConv(batch, ci, co, size, three, [3]int{stride, stride, stride}, one)
		if err != nil {
			panic(err)
		}
		n := InstanceNorm(batch, volume(c.Out), co, 1e-5)
		all = append(all, layer{name: name, conv: c, norm: &n})
		return c.Out
	}
	size := [3]int{40, 56, 40}
	sizes := [][3]int{size}
	ci := 1
	for s := range 4 {
		f, stride := features<<s, 1
		if s > 0 {
			stride = 2
		}
		size = add(fmt.Sprintf("enc%d.0", s), size, ci, f, stride)
		add(fmt.Sprintf("enc%d.1", s), size, f, f, 1)
		sizes = append(sizes, size)
		ci = f
	}
	for s := 2; s >= 0; s-- {
		f := features << s
		up, err := NewTransposedConv(batch, 2*f, f, sizes[s+2], [3]int{2, 2, 2})
		if err != nil {
			panic(err)
		}
		all = append(all, layer{name: fmt.Sprintf("up%d", s), up: &up})
		add(fmt.Sprintf("dec%d.0", s), sizes[s+1], 2*f, f, 1)
		add(fmt.Sprintf("dec%d.1", s), sizes[s+1], f, f, 1)
		head, _ := NewConv(batch, f, 3, sizes[s+1], one, one, [3]int{})
		all = append(all, layer{name: fmt.Sprintf("head%d", s), conv: head})
	}
	return all
}

// pass is one of a layer's three computations.
type pass struct {
	name  string
	flops int64
	run   func(p *Pool)
}

// buffers serve every layer in turn, so that the machine need not hold all.
type buffers struct{ x, y, w, b []float32 }

func newBuffers(layers []layer) *buffers {
	var nx, ny, nw, nb int
	for _, l := range layers {
		if l.up != nil {
			nx, ny, nw, nb = max(nx, l.up.InputLen()), max(ny, l.up.OutputLen()), max(nw, l.up.WeightLen()), max(nb, l.up.Co)
			continue
		}
		nx, ny, nw, nb = max(nx, l.conv.InputLen()), max(ny, l.conv.OutputLen()), max(nw, l.conv.WeightLen()), max(nb, l.conv.Co)
	}
	return &buffers{random(1, nx), random(2, ny), random(3, nw), random(4, nb)}
}

func (l layer) passes(b *buffers) []pass {
	if l.up != nil {
		c := l.up
		x, y, w, bias := b.x[:c.InputLen()], b.y[:c.OutputLen()], b.w[:c.WeightLen()], b.b[:c.Co]
		return []pass{
			{"forward", c.Flops(), func(p *Pool) { c.Forward(p, x, w, bias, y) }},
			{"input", c.Flops(), func(p *Pool) { c.InputGrad(p, y, w, x) }},
			{"weight", c.Flops(), func(p *Pool) { c.WeightGrad(p, x, y, w) }},
		}
	}
	c := l.conv
	x, y, w, bias := b.x[:c.InputLen()], b.y[:c.OutputLen()], b.w[:c.WeightLen()], b.b[:c.Co]
	all := []pass{{"forward", c.Flops(), func(p *Pool) { c.Forward(p, x, w, bias, y) }}}
	if c.Ci > 1 { // nobody asks for the gradient of the image
		all = append(all, pass{"input", c.Flops(), func(p *Pool) { c.InputGrad(p, y, w, x) }})
	}
	return append(all, pass{"weight", c.Flops(), func(p *Pool) { c.WeightGrad(p, x, y, w) }})
}

func benchPool() *Pool {
	n, _ := strconv.Atoi(os.Getenv("KERNEL_THREADS"))
	return NewPool(max(1, n))
}

// cpuSeconds is the processor time this process has used, user and system.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)*1e-6
}

// timed gives the CPU seconds of f.
func timed(f func()) float64 {
	t := cpuSeconds()
	f()
	return cpuSeconds() - t
}

// peakFlops is what one core does at most with the instruction set in use, in
// operations per CPU second; 0 where that is not known.
func peakFlops() float64 {
	best := 0.0
	for range 3 {
		var n int64
		if s := timed(func() { n = Peak(20_000_000) }); n > 0 {
			best = max(best, float64(n)/s)
		}
	}
	return best
}

// BenchmarkLayer measures each pass of each layer.
func BenchmarkLayer(b *testing.B) {
	for _, features := range []int{32, 8} {
		layers := task04(features)
		buf := newBuffers(layers)
		for _, l := range layers {
			for _, q := range l.passes(buf) {
				b.Run(fmt.Sprintf("%d/%s/%s", features, l.name, q.name), func(b *testing.B) {
					p := benchPool()
					q.run(p)
					peak := peakFlops()
					b.ResetTimer()
					s := timed(func() {
						for b.Loop() {
							q.run(p)
						}
					})
					rate := float64(q.flops) * float64(b.N) / s
					b.ReportMetric(rate*1e-9, "GFLOP/cpu-s")
					if peak > 0 {
						b.ReportMetric(100*rate/peak, "%peak")
					}
				})
			}
		}
	}
}

// BenchmarkStep runs every layer of a training step once and reports the CPU
// seconds of each kind of pass, and the scratch memory the step needed.
func BenchmarkStep(b *testing.B) {
	for _, features := range []int{32, 8} {
		b.Run(strconv.Itoa(features), func(b *testing.B) {
			layers := task04(features)
			buf := newBuffers(layers)
			p := benchPool()
			seconds, flops := map[string]float64{}, map[string]int64{}
			peak := peakFlops()
			for b.Loop() {
				for _, l := range layers {
					for _, q := range l.passes(buf) {
						seconds[q.name] += timed(func() { q.run(p) })
						flops[q.name] += q.flops
					}
					if l.norm != nil {
						seconds["norm"] += timed(func() { normPass(p, l.norm, buf) })
						seconds["bias"] += timed(func() { BiasGrad(p, buf.y[:l.conv.OutputLen()], buf.b[:l.conv.Co]) })
					}
				}
			}
			for name, s := range seconds {
				b.ReportMetric(s/float64(b.N), name+"-s")
				if n := flops[name]; n > 0 {
					b.ReportMetric(float64(n)/s*1e-9, name+"-GFLOP/s")
				}
			}
			b.ReportMetric(peak*1e-9, "peak-GFLOP/s")
			b.ReportMetric(float64(p.ScratchBytes())/(1<<20), "scratch-MiB")
		})
	}
}

// normPass is a norm's share of a step, in place of a second large buffer.
func normPass(p *Pool, n *Norm, b *buffers) {
	x := b.y[:n.Len()]
	s := b.w[:6*n.StatsLen()]
	mean, rstd := s[:n.StatsLen()], s[n.StatsLen():][:n.StatsLen()]
	gamma, beta := s[2*n.StatsLen():][:n.Channels], s[3*n.StatsLen():][:n.Channels]
	n.Stats(p, x, mean, rstd)
	n.Forward(p, x, mean, rstd, gamma, beta, 0.01, x)
	n.Backward(p, x, x, mean, rstd, gamma, beta, 0.01, x, s[4*n.StatsLen():][:n.Channels], s[5*n.StatsLen():][:n.Channels])
}

// BenchmarkPointwise measures what is not a convolution on the largest
// activation of the plan (2×40×56×40 voxels, 32 channels), and the loss on its
// logits, in CPU nanoseconds an element.
func BenchmarkPointwise(b *testing.B) {
	const voxels, channels = 40 * 56 * 40, 32
	norm := InstanceNorm(2, voxels, channels, 1e-5)
	x, y := random(1, norm.Len()), random(2, norm.Len())
	mean, rstd, gamma, beta := random(3, 2*channels), random(4, 2*channels), random(5, channels), random(6, channels)
	dgamma, dbeta := make([]float32, channels), make([]float32, channels)
	loss := Loss{Samples: 2, Voxels: voxels, Classes: 3, CrossEntropy: true, Dice: true}
	labels := make([]int16, loss.LabelsLen())
	worst := loss
	worst.TopK = 0.1
	params := 5_603_177
	for _, c := range []struct {
		name string
		n    int
		run  func(p *Pool)
	}{
		{"norm/stats", len(x), func(p *Pool) { norm.Stats(p, x, mean, rstd) }},
		{"norm/forward", len(x), func(p *Pool) { norm.Forward(p, x, mean, rstd, gamma, beta, 0.01, y) }},
		{"norm/backward", len(x), func(p *Pool) { norm.Backward(p, x, y, mean, rstd, gamma, beta, 0.01, y, dgamma, dbeta) }},
		{"leaky/forward", len(x), func(p *Pool) { Leaky.Forward(p, x, 0.01, y) }},
		{"leaky/backward", len(x), func(p *Pool) { Leaky.Backward(p, x, y, 0.01, y) }},
		{"elu/forward", len(x), func(p *Pool) { ELU.Forward(p, x, 0, y) }},
		{"elu/backward", len(x), func(p *Pool) { ELU.Backward(p, x, y, 0, y) }},
		{"gelu/forward", len(x), func(p *Pool) { GELU.Forward(p, x, 0, y) }},
		{"gelu/backward", len(x), func(p *Pool) { GELU.Backward(p, x, y, 0, y) }},
		{"add", len(x), func(p *Pool) { Add(p, x, y, y) }},
		{"concat", len(x), func(p *Pool) { Concat(p, x[:len(x)/2], x[len(x)/2:], 32, 32, y) }},
		{"bias", len(x), func(p *Pool) { BiasGrad(p, x, dbeta) }},
		{"loss", loss.LogitsLen(), func(p *Pool) { loss.Compute(p, x[:loss.LogitsLen()], labels, 1, y[:loss.LogitsLen()]) }},
		{"topk", loss.LogitsLen(), func(p *Pool) { worst.Compute(p, x[:loss.LogitsLen()], labels, 1, y[:loss.LogitsLen()]) }},
		{"sgd", params, func(p *Pool) { SGD{1e-2, 0.99, 3e-5, true}.Step(p, x[:params], y[:params], y[:params], 1e-6) }},
		{"squares", params, func(p *Pool) { SumSquares(p, x[:params]) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := benchPool()
			c.run(p)
			b.ReportAllocs()
			b.ResetTimer()
			s := timed(func() {
				for b.Loop() {
					c.run(p)
				}
			})
			b.ReportMetric(s*1e9/float64(b.N)/float64(c.n), "cpu-ns/element")
			b.ReportMetric(s*1e3/float64(b.N), "cpu-ms")
		})
	}
}
