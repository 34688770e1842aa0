package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// random gives n standard normal numbers.
func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// onEachISA runs f with every instruction set this processor has.
func onEachISA(t *testing.T, f func(t *testing.T)) {
	before := ISA()
	defer Force(before)
	for _, name := range ISAs() {
		if err := Force(name); err != nil {
			t.Fatal(err)
		}
		t.Run(name, f)
	}
}

// near fails where got differs from want by more than tol of want's largest number.
func near(t *testing.T, what string, got []float32, want []float64, tol float64) {
	t.Helper()
	top := 1e-30
	for _, v := range want {
		top = max(top, math.Abs(v))
	}
	for i := range want {
		if d := math.Abs(float64(got[i]) - want[i]); !(d <= tol*top) {
			t.Errorf("%s[%d] = %g, want %g (off by %.2g of the largest)", what, i, got[i], want[i], d/top)
			return
		}
	}
}

// sameOnThreads runs f with several numbers of threads and wants equal bits.
func sameOnThreads(t *testing.T, f func(p *Pool) [][]float32) [][]float32 {
	t.Helper()
	first := f(NewPool(1))
	for _, threads := range []int{2, 3, 5} {
		for i, other := range f(NewPool(threads)) {
			for j, v := range other {
				if math.Float32bits(v) != math.Float32bits(first[i][j]) {
					t.Fatalf("result %d element %d: %v with %d threads, %v with one", i, j, v, threads, first[i][j])
				}
			}
		}
	}
	return first
}

func TestRunHandsAPanicToTheCaller(t *testing.T) {
	defer func() {
		if r := recover(); r != "seven" {
			t.Errorf("recovered %v", r)
		}
	}()
	NewPool(3).Run(20, func(_, i int) {
		if i == 7 {
			panic("seven")
		}
	})
}
