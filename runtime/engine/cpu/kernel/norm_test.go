package kernel

import (
	"math"
	"testing"
)

// naiveNorm is the definition in float64: z, y and the gradients.
func naiveNorm(n Norm, x, gamma, beta, dy []float32, slope float64) (y, dx, dgamma, dbeta []float64) {
	y, dx = make([]float64, len(x)), make([]float64, len(x))
	dgamma, dbeta = make([]float64, n.Channels), make([]float64, n.Channels)
	v := float64(n.Voxels)
	for g := range n.Groups {
		for c := range n.Channels {
			at := func(i int) int { return (g*n.Voxels+i)*n.Channels + c }
			var m, q float64
			for i := range n.Voxels {
				m += float64(x[at(i)]) / v
			}
			for i := range n.Voxels {
				q += (float64(x[at(i)]) - m) * (float64(x[at(i)]) - m) / v
			}
			r := 1 / math.Sqrt(q+n.Eps)
			var sum, moment float64
			dz := make([]float64, n.Voxels)
			for i := range dz {
				h := (float64(x[at(i)]) - m) * r
				z := h*float64(gamma[c]) + float64(beta[c])
				y[at(i)], dz[i] = z, float64(dy[at(i)])
				if z <= 0 {
					y[at(i)] *= slope
					dz[i] *= slope
				}
				sum += dz[i]
				moment += dz[i] * h
			}
			dbeta[c] += sum
			dgamma[c] += moment
			for i := range dz {
				h := (float64(x[at(i)]) - m) * r
				dx[at(i)] = float64(gamma[c]) * r * (dz[i] - sum/v - h*moment/v)
			}
		}
	}
	return y, dx, dgamma, dbeta
}

func TestNorm(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		for _, n := range []Norm{
			InstanceNorm(2, 700, 32, 1e-5), InstanceNorm(3, 35, 320, 1e-5), InstanceNorm(1, 1031, 13, 1e-5),
			InstanceNorm(2, 300, 8, 1e-5), InstanceNorm(1, 257, 40, 1e-5), BatchNorm(2, 300, 24, 1e-5), InstanceNorm(1, 600, 16, 1e-5),
		} {
			for _, slope := range []float32{0.01, 1, 0, 0.25} {
				x, dy := random(1, n.Len()), random(2, n.Len())
				for i := range x {
					x[i] = 3*x[i] + 20 // a mean that would swallow the variance of plain sums
				}
				gamma, beta := random(3, n.Channels), random(4, n.Channels)
				y, dx, dgamma, dbeta := naiveNorm(n, x, gamma, beta, dy, float64(slope))
				got := sameOnThreads(t, func(p *Pool) [][]float32 {
					mean, rstd := make([]float32, n.StatsLen()), make([]float32, n.StatsLen())
					r := [][]float32{make([]float32, len(x)), make([]float32, len(x)), make([]float32, n.Channels), make([]float32, n.Channels)}
					n.Stats(p, x, mean, rstd)
					n.Forward(p, x, mean, rstd, gamma, beta, slope, r[0])
					n.Backward(p, x, dy, mean, rstd, gamma, beta, slope, r[1], r[2], r[3])
					return r
				})
				near(t, "y", got[0], y, 2e-6)
				// An input whose z rounds to the other side of zero may differ; there is none at this seed.
				near(t, "dx", got[1], dx, 5e-6)
				near(t, "dgamma", got[2], dgamma, 2e-6)
				near(t, "dbeta", got[3], dbeta, 2e-6)
			}
		}
	})
}

func TestNormOfNotANumber(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		n := InstanceNorm(1, 20, 8, 1e-5)
		x := random(1, n.Len())
		x[11] = float32(math.NaN())
		one, y := []float32{1, 1, 1, 1, 1, 1, 1, 1}, make([]float32, len(x))
		mean, rstd := make([]float32, 8), make([]float32, 8)
		p := NewPool(1)
		n.Stats(p, x, mean, rstd)
		n.Forward(p, x, mean, rstd, one, one, 0.01, y)
		if y[3] == y[3] {
			t.Error("a NaN in the channel did not reach its output")
		}
		if y[4] != y[4] {
			t.Error("a NaN reached another channel")
		}
	})
}

// TestRstd compares with the statistics' own: batch norms keep variances.
func TestRstd(t *testing.T) {
	n := BatchNorm(2, 50, 3, 1e-5)
	x := random(9, n.Len())
	mean, rstd, again := make([]float32, 3), make([]float32, 3), make([]float32, 3)
	n.Stats(NewPool(2), x, mean, rstd)
	sum, square, variance := [3]float64{}, [3]float64{}, make([]float32, 3)
	for i, v := range x {
		sum[i%3] += float64(v)
		square[i%3] += float64(v) * float64(v)
	}
	for c := range variance {
		count := float64(len(x) / 3)
		variance[c] = float32(square[c]/count - sum[c]/count*sum[c]/count)
	}
	n.Rstd(variance, again)
	for i := range rstd {
		if math.Abs(float64(rstd[i]-again[i])) > 1e-6 {
			t.Errorf("rstd %v from the statistics, %v from the variance", rstd[i], again[i])
		}
	}
}
