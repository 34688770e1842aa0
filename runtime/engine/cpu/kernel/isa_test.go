package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// vectorSets are the instruction sets that must give equal bits.
var vectorSets = []string{"avx2", "avx512"}

// TestVectorSetsGiveEqualBits runs every kernel with each vector set: a seed
// must give one result on every processor that has one of them.
func TestVectorSetsGiveEqualBits(t *testing.T) {
	before := ISA()
	defer Force(before)
	for _, name := range vectorSets {
		if err := Force(name); err != nil {
			t.Skipf("needs a processor with AVX2 and AVX-512: %v", err)
		}
	}
	for _, k := range everyKernel(t) {
		t.Run(k.name, func(t *testing.T) {
			var first [][]float32
			for _, name := range vectorSets {
				if err := Force(name); err != nil {
					t.Fatal(err)
				}
				got := k.run(NewPool(2))
				if first == nil {
					first = got
					continue
				}
				for i := range got {
					if at, n := differing(first[i], got[i]); n > 0 {
						t.Errorf("result %d: %d of %d elements differ, the first at %d: %v with %s, %v with %s",
							i, n, len(got[i]), at, first[i][at], vectorSets[0], got[i][at], name)
					}
				}
			}
		})
	}
}

// differing counts the elements of other bits and gives the first one's index.
func differing(a, b []float32) (first, count int) {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			if count == 0 {
				first = i
			}
			count++
		}
	}
	return first, count
}

// kernelCase computes all of a kernel's results from inputs of its own.
type kernelCase struct {
	name string
	run  func(p *Pool) [][]float32
}

// everyKernel lists the kernels that have loops of an instruction set, and
// those that sum, on shapes with and without whole tiles.
func everyKernel(t *testing.T) []kernelCase {
	var all []kernelCase
	for _, s := range convShapes {
		c, err := NewConv(s.n, s.ci, s.co, s.in, s.kernel, s.stride, s.pad)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, convCase(c))
	}
	r := rand.New(rand.NewPCG(11, 7))
	for range 60 {
		all = append(all, convCase(randomConv(r)))
	}
	for i := range 30 {
		ci, co := 1+r.IntN(70), 1+r.IntN(70)
		stride := [3]int{1 + r.IntN(2), 1 + r.IntN(2), 1 + r.IntN(3)}
		if i%2 == 0 { // as in most networks
			ci, co = 8*(1+r.IntN(8)), 8*(1+r.IntN(8))
		}
		c, err := NewTransposedConv(1+r.IntN(2), ci, co, [3]int{1 + r.IntN(6), 1 + r.IntN(10), 1 + r.IntN(10)}, stride)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, transposedCase(c))
	}
	for _, n := range []Norm{
		InstanceNorm(2, 700, 32, 1e-5), InstanceNorm(3, 35, 320, 1e-5), InstanceNorm(1, 1031, 13, 1e-5),
		InstanceNorm(1, 600, 24, 1e-5), BatchNorm(2, 300, 40, 1e-5), BatchNorm(2, 300, 6, 1e-5),
	} {
		all = append(all, normCase(n))
	}
	for _, a := range []Activation{Leaky, ELU, GELU} {
		all = append(all, activationCase(a))
	}
	return append(all, lossCases()...)
}

// randomConv is a convolution of any kind: half of them of whole vectors of
// channels, a third of stride 1 and large enough for winograd.
func randomConv(r *rand.Rand) Conv {
	for {
		ci, co, most := 1+r.IntN(50), 1+r.IntN(80), 6
		if r.IntN(2) == 0 {
			ci, co = 8*(1+r.IntN(7)), 8*(1+r.IntN(10))
		}
		kernel := [3]int{1 + 2*r.IntN(2), 1 + 2*r.IntN(2), 1 + 2*r.IntN(2)}
		stride := [3]int{1 + r.IntN(2), 1 + r.IntN(2), 1 + r.IntN(2)}
		if r.IntN(3) == 0 {
			kernel[1], stride, most = 3, [3]int{1, 1, 1}, 12
		}
		in := [3]int{1 + r.IntN(most), most + r.IntN(most), most + r.IntN(most)}
		pad := [3]int{kernel[0] / 2, kernel[1] / 2, kernel[2] / 2}
		if c, err := NewConv(1+r.IntN(2), ci, co, in, kernel, stride, pad); err == nil {
			return c
		}
	}
}

func convCase(c Conv) kernelCase {
	name := fmt.Sprintf("conv %d·%v·%d-%d kernel %v stride %v", c.N, c.In, c.Ci, c.Co, c.Kernel, c.Stride)
	return kernelCase{name, func(p *Pool) [][]float32 {
		x, w, bias, dy := random(1, c.InputLen()), random(2, c.WeightLen()), random(3, c.Co), random(4, c.OutputLen())
		r := results(c.OutputLen(), c.OutputLen(), c.InputLen(), c.WeightLen(), c.Co)
		c.Forward(p, x, w, bias, r[0])
		c.Forward(p, x, w, nil, r[1])
		c.InputGrad(p, dy, w, r[2])
		c.WeightGrad(p, x, dy, r[3])
		BiasGrad(p, dy, r[4])
		return r
	}}
}

func transposedCase(c TransposedConv) kernelCase {
	name := fmt.Sprintf("transposed conv %d·%v·%d-%d stride %v", c.N, c.In, c.Ci, c.Co, c.Stride)
	return kernelCase{name, func(p *Pool) [][]float32 {
		x, w, bias, dy := random(1, c.InputLen()), random(2, c.WeightLen()), random(3, c.Co), random(4, c.OutputLen())
		r := results(c.OutputLen(), c.InputLen(), c.WeightLen())
		c.Forward(p, x, w, bias, r[0])
		c.InputGrad(p, dy, w, r[1])
		c.WeightGrad(p, x, dy, r[2])
		return r
	}}
}

func normCase(n Norm) kernelCase {
	return kernelCase{fmt.Sprintf("norm %d·%d·%d", n.Groups, n.Voxels, n.Channels), func(p *Pool) [][]float32 {
		x, dy, gamma, beta := random(1, n.Len()), random(2, n.Len()), random(3, n.Channels), random(4, n.Channels)
		c, s := n.Channels, n.StatsLen()
		r := results(s, s, n.Len(), n.Len(), c, c)
		n.Stats(p, x, r[0], r[1])
		n.Forward(p, x, r[0], r[1], gamma, beta, 0.01, r[2])
		n.Backward(p, x, dy, r[0], r[1], gamma, beta, 0.01, r[3], r[4], r[5])
		return r
	}}
}

func activationCase(a Activation) kernelCase {
	return kernelCase{fmt.Sprint("activation ", int(a)), func(p *Pool) [][]float32 {
		x, dy := random(1, 20013), random(2, 20013)
		r := results(len(x), len(x))
		a.Forward(p, x, 0.25, r[0])
		a.Backward(p, x, dy, 0.25, r[1])
		return append(r, split(SlopeGrad(p, x, dy)))
	}}
}

// lossCases are the loss, the optimisers and the rest of the elementwise kernels.
func lossCases() []kernelCase {
	const n = 20013
	loss := kernelCase{"losses", func(p *Pool) [][]float32 {
		var r [][]float32
		for _, l := range []Loss{{CrossEntropy: true, Dice: true}, {TopK: 0.1}, {Dice: true, BatchDice: true, Ignore: 2}} {
			l.Samples, l.Voxels, l.Classes = 2, 1500, 3
			labels, grad := make([]int16, l.LabelsLen()), make([]float32, l.LogitsLen())
			for i := range labels {
				labels[i] = int16(i * i % 3)
			}
			value, err := l.Compute(p, random(1, len(grad)), labels, 0.7, grad)
			if err != nil {
				panic(err)
			}
			r = append(r, grad, split(value))
		}
		return r
	}}
	optimisers := kernelCase{"optimisers", func(p *Pool) [][]float32 {
		r := [][]float32{random(1, n), random(2, n)}
		SGD{Rate: 0.01, Momentum: 0.99, Decay: 3e-5, Nesterov: true}.Step(p, r[0], random(3, n), r[1], 0.5)
		SGD{Rate: 0.01, Momentum: 0.9}.Step(p, r[0], random(4, n), r[1], 0.5)
		for i, o := range []Adam{
			{Rate: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 1e-2},
			{Rate: 1e-3, Beta1: 0.9, Beta2: 0.9, Eps: 1e-8, Decay: 1e-2, Decoupled: true, AMSGrad: true},
		} {
			w, state := random(uint64(i), n), results(n, n, n)
			for step := 1; step <= 3; step++ {
				o.Step(p, w, random(uint64(10+step), n), state[0], state[1], state[2], step, 0.5)
			}
			r = append(append(r, w), state...)
		}
		return append(r, split(SumSquares(p, r[0])))
	}}
	elementwise := kernelCase{"elementwise", func(p *Pool) [][]float32 {
		x, y := random(1, n), random(2, n)
		r := results(n, n)
		Add(p, x, y, r[0])
		ScaleChannels(p, x[:n/9*9], y[:9], 3, n/9, 3, r[1][:n/9*9])
		a, err := NewAvgPool(1, 3, [3]int{4, 7, 6}, [3]int{1, 2, 3})
		if err != nil {
			panic(err)
		}
		pooled, dx := make([]float32, a.OutputLen()), make([]float32, a.InputLen())
		a.Forward(p, x[:a.InputLen()], pooled)
		a.Backward(p, y[:a.OutputLen()], dx)
		return append(r, pooled, dx)
	}}
	return []kernelCase{loss, optimisers, elementwise}
}

func results(lengths ...int) [][]float32 {
	r := make([][]float32, len(lengths))
	for i, n := range lengths {
		r[i] = make([]float32, n)
	}
	return r
}

// split is a float64 as two float32 that hold all of its bits.
func split(v float64) []float32 {
	b := math.Float64bits(v)
	return []float32{math.Float32frombits(uint32(b >> 32)), math.Float32frombits(uint32(b))}
}

func TestForceRefusesUnknownSets(t *testing.T) {
	if err := Force("abacus"); err == nil {
		t.Error("accepted")
	}
}

// TestEnvironmentNamesASet also keeps a misspelt RUNSPEC_CPU from passing for
// a run of these tests with that set.
func TestEnvironmentNamesASet(t *testing.T) {
	if err := Check(); err != nil {
		t.Error(err)
	}
	if want := os.Getenv("RUNSPEC_CPU"); want != "" && ISA() != want {
		t.Errorf("%s is in use, RUNSPEC_CPU is %s", ISA(), want)
	}
	best := ISAs()[len(ISAs())-1]
	for name, want := range map[string]string{"": best, "portable": "portable", best: best} {
		if s, err := choose(name); err != nil || s.name != want {
			t.Errorf("choose(%q) takes %s, error %v", name, s.name, err)
		}
	}
	for _, name := range []string{"abacus", "AVX2", "avx2 "} {
		s, err := choose(name)
		if err == nil || !strings.Contains(err.Error(), "RUNSPEC_CPU") || !strings.Contains(err.Error(), "portable") {
			t.Errorf("choose(%q): error %v, want one that names the variable and the choices", name, err)
		}
		if s == nil {
			t.Errorf("choose(%q) leaves no set", name)
		}
	}
}
