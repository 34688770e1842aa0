package kernel

import (
	"math"
	"testing"
)

// TestSGD follows PyTorch's formulas in float64 over several steps.
func TestSGD(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		for _, nesterov := range []bool{true, false} {
			const n, scale = 20013, 0.5
			o := SGD{Rate: 0.01, Momentum: 0.99, Decay: 3e-5, Nesterov: nesterov}
			start := random(1, n)
			want, buf := make([]float64, n), make([]float64, n)
			for i := range want {
				want[i] = float64(start[i])
			}
			for step := range 4 {
				for i, g := range random(uint64(10+step), n) {
					d := float64(g)*scale + o.Decay*want[i]
					if step == 0 {
						buf[i] = d
					} else {
						buf[i] = o.Momentum*buf[i] + d
					}
					if nesterov {
						d += o.Momentum * buf[i]
					} else {
						d = buf[i]
					}
					want[i] -= o.Rate * d
				}
			}
			got := sameOnThreads(t, func(p *Pool) [][]float32 {
				w, b := append([]float32(nil), start...), make([]float32, n)
				for step := range 4 {
					o.Step(p, w, random(uint64(10+step), n), b, scale)
				}
				return [][]float32{w, b}
			})
			near(t, "parameters", got[0], want, 3e-7)
			near(t, "buffer", got[1], buf, 3e-7)
		}
	})
}

func TestAdam(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		for name, o := range map[string]Adam{
			"adam":    {Rate: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 1e-2},
			"adamw":   {Rate: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 1e-2, Decoupled: true},
			"amsgrad": {Rate: 1e-3, Beta1: 0.9, Beta2: 0.9, Eps: 1e-8, Decay: 1e-2, Decoupled: true, AMSGrad: true},
		} {
			t.Run(name, func(t *testing.T) {
				const n, scale = 5003, 0.5
				start := random(1, n)
				w, m, v, top := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
				grads := func(step int) []float32 {
					g := random(uint64(20+step), n)
					for i := range g {
						g[i] /= float32(step * step) // falling, so that AMSGrad's maximum matters
					}
					return g
				}
				for i := range w {
					w[i] = float64(start[i])
				}
				for step := 1; step <= 4; step++ {
					for i, g := range grads(step) {
						g := float64(g) * scale
						if o.Decoupled {
							w[i] *= 1 - o.Rate*o.Decay
						} else {
							g += o.Decay * w[i]
						}
						m[i] = o.Beta1*m[i] + (1-o.Beta1)*g
						v[i] = o.Beta2*v[i] + (1-o.Beta2)*g*g
						second := v[i]
						if o.AMSGrad {
							top[i] = max(top[i], v[i])
							second = top[i]
						}
						m1 := m[i] / (1 - math.Pow(o.Beta1, float64(step)))
						v1 := second / (1 - math.Pow(o.Beta2, float64(step)))
						w[i] -= o.Rate * m1 / (math.Sqrt(v1) + o.Eps)
					}
				}
				got := sameOnThreads(t, func(p *Pool) [][]float32 {
					x := append([]float32(nil), start...)
					m, v, top := make([]float32, n), make([]float32, n), make([]float32, n)
					for step := 1; step <= 4; step++ {
						o.Step(p, x, grads(step), m, v, top, step, scale)
					}
					return [][]float32{x, m, v}
				})
				near(t, "parameters", got[0], w, 3e-7)
				near(t, "first moments", got[1], m, 3e-7)
				near(t, "second moments", got[2], v, 3e-7)
			})
		}
	})
}

func TestSumSquares(t *testing.T) {
	x := random(1, 100003)
	want := 0.0
	for _, v := range x {
		want += float64(v) * float64(v)
	}
	first := SumSquares(NewPool(1), x)
	if math.Abs(first-want) > 1e-12*want {
		t.Errorf("%v, want %v", first, want)
	}
	if again := SumSquares(NewPool(3), x); again != first {
		t.Errorf("%v with three threads, %v with one", again, first)
	}
}
