package kernel

import (
	"fmt"
	"math"
	"testing"
)

func TestActivations(t *testing.T) {
	definitions := map[Activation]func(x, slope float64) float64{
		Leaky: func(x, slope float64) float64 {
			if x > 0 {
				return x
			}
			return slope * x
		},
		ELU: func(x, _ float64) float64 {
			if x > 0 {
				return x
			}
			return math.Exp(x) - 1
		},
		GELU: func(x, _ float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) },
	}
	x, dy := random(1, 40001), random(2, 40001)
	for i := range x {
		x[i] *= 3
	}
	copy(x, []float32{0, 100, -100, 30, -30, 1e-4, -1e-4, 12, -12})
	const slope = 0.25
	onEachISA(t, func(t *testing.T) {
		for a, f := range definitions {
			got := sameOnThreads(t, func(p *Pool) [][]float32 {
				r := [][]float32{make([]float32, len(x)), make([]float32, len(x))}
				a.Forward(p, x, slope, r[0])
				a.Backward(p, x, dy, slope, r[1])
				return r
			})
			y, dx := make([]float64, len(x)), make([]float64, len(x))
			for i, v := range x {
				const h = 1e-6
				v := float64(v)
				y[i] = f(v, slope)
				dx[i] = float64(dy[i]) * (f(v+h, slope) - f(v-h, slope)) / (2 * h)
			}
			// The numerical derivative has a step at zero, where it is not asked for.
			dx[0] = float64(got[1][0])
			near(t, fmt.Sprint("y of ", a), got[0], y, 1e-7)
			near(t, fmt.Sprint("dx of ", a), got[1], dx, 1e-6)
			for _, v := range []float32{float32(math.NaN())} {
				in, out := []float32{v, v, v, v, v, v, v, v, v}, make([]float32, 9)
				a.Forward(NewPool(1), in, slope, out)
				if out[0] == out[0] || out[8] == out[8] {
					t.Errorf("activation %d of NaN is %v", a, out)
				}
			}
		}
	})
	want := 0.0
	for i, v := range x {
		want += min(0, float64(v)) * float64(dy[i])
	}
	for _, threads := range []int{1, 3} {
		if got := SlopeGrad(NewPool(threads), x, dy); math.Abs(got-want) > 1e-9*math.Abs(want) {
			t.Errorf("slope gradient %v, want %v", got, want)
		}
	}
}

func TestChannels(t *testing.T) {
	const n, v, ca, cb = 2, 700, 5, 8
	p := NewPool(3)
	a, b := random(1, n*v*ca), random(2, n*v*cb)
	both, a2, b2 := make([]float32, n*v*(ca+cb)), make([]float32, len(a)), make([]float32, len(b))
	Concat(p, a, b, ca, cb, both)
	if both[ca+cb+2] != a[ca+2] || both[ca+cb+ca+1] != b[cb+1] {
		t.Error("concatenation puts channels elsewhere")
	}
	SliceChannels(p, both, ca+cb, 0, ca, a2)
	SliceChannels(p, both, ca+cb, ca, ca+cb, b2)
	if maxDiff(a, a2) != 0 || maxDiff(b, b2) != 0 {
		t.Error("slices of a concatenation are not its parts")
	}
	scale := random(3, n*ca)
	ScaleChannels(p, a, scale, n, v, ca, a2)
	for i := range a {
		if a2[i] != a[i]*scale[i/(v*ca)*ca+i%ca] {
			t.Fatalf("element %d scaled wrongly", i)
		}
	}
}

func TestAdd(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		for _, n := range []int{1, 7, 8, 33, 50001} {
			a, b, y := random(1, n), random(2, n), make([]float32, n)
			Add(NewPool(2), a, b, y)
			for i := range y {
				if y[i] != a[i]+b[i] {
					t.Fatalf("element %d of %d: %v", i, n, y[i])
				}
			}
		}
	})
}

func TestAvgPool(t *testing.T) {
	a, err := NewAvgPool(2, 3, [3]int{4, 7, 6}, [3]int{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	x, dy := random(1, a.InputLen()), random(2, a.OutputLen())
	y, dx := make([]float64, len(dy)), make([]float64, len(x))
	for i := range y {
		c, w, h, d, n := i%3, i/3%2, i/6%3, i/18%4, i/72
		for k := range 6 {
			in := (((n*4+d)*7+h*2+k/3)*6+w*3+k%3)*3 + c
			y[i] += float64(x[in]) / 6
			dx[in] += float64(dy[i]) / 6
		}
	}
	got := sameOnThreads(t, func(p *Pool) [][]float32 {
		r := [][]float32{make([]float32, len(y)), random(0, len(dx))}
		a.Forward(p, x, r[0])
		a.Backward(p, dy, r[1])
		return r
	})
	near(t, "y", got[0], y, 1e-6)
	near(t, "dx", got[1], dx, 1e-6)
	if _, err := NewAvgPool(1, 1, [3]int{1, 4, 4}, [3]int{2, 2, 2}); err == nil {
		t.Error("a kernel larger than the input was accepted")
	}
}
