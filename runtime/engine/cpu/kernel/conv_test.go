package kernel

import (
	"fmt"
	"testing"
)

// naiveConv is the definition, in float64: y, dx, dw, db.
func naiveConv(c Conv, x, w, bias, dy []float32) (y, dx, dw, db []float64) {
	y, dx = make([]float64, c.OutputLen()), make([]float64, c.InputLen())
	dw, db = make([]float64, c.WeightLen()), make([]float64, c.Co)
	for n := range c.N {
		for o := range volume(c.Out) {
			od, oh, ow := o/(c.Out[1]*c.Out[2]), o/c.Out[2]%c.Out[1], o%c.Out[2]
			out := (n*volume(c.Out) + o) * c.Co
			for co := range c.Co {
				y[out+co] = float64(bias[co])
				db[co] += float64(dy[out+co])
			}
			for k := range volume(c.Kernel) {
				d := od*c.Stride[0] - c.Pad[0] + k/(c.Kernel[1]*c.Kernel[2])
				h := oh*c.Stride[1] - c.Pad[1] + k/c.Kernel[2]%c.Kernel[1]
				v := ow*c.Stride[2] - c.Pad[2] + k%c.Kernel[2]
				if d < 0 || d >= c.In[0] || h < 0 || h >= c.In[1] || v < 0 || v >= c.In[2] {
					continue
				}
				in := (((n*c.In[0]+d)*c.In[1]+h)*c.In[2] + v) * c.Ci
				for ci := range c.Ci {
					for co := range c.Co {
						wi := (k*c.Ci+ci)*c.Co + co
						y[out+co] += float64(x[in+ci]) * float64(w[wi])
						dx[in+ci] += float64(dy[out+co]) * float64(w[wi])
						dw[wi] += float64(dy[out+co]) * float64(x[in+ci])
					}
				}
			}
		}
	}
	return y, dx, dw, db
}

var convShapes = []struct {
	n, ci, co               int
	in, kernel, stride, pad [3]int
}{
	{2, 32, 32, [3]int{5, 7, 6}, [3]int{3, 3, 3}, [3]int{1, 1, 1}, [3]int{1, 1, 1}},
	{1, 1, 8, [3]int{6, 5, 9}, [3]int{3, 3, 3}, [3]int{1, 1, 1}, [3]int{1, 1, 1}},
	{1, 1, 33, [3]int{4, 9, 5}, [3]int{1, 3, 3}, [3]int{1, 1, 1}, [3]int{0, 1, 1}},
	{2, 8, 16, [3]int{5, 8, 7}, [3]int{3, 3, 3}, [3]int{2, 2, 2}, [3]int{1, 1, 1}},
	{1, 16, 8, [3]int{5, 7, 9}, [3]int{3, 3, 3}, [3]int{1, 2, 2}, [3]int{1, 1, 1}},
	{1, 24, 40, [3]int{3, 6, 5}, [3]int{1, 3, 3}, [3]int{1, 2, 2}, [3]int{0, 1, 1}},
	{2, 8, 3, [3]int{4, 5, 6}, [3]int{1, 1, 1}, [3]int{1, 1, 1}, [3]int{}},
	{1, 13, 19, [3]int{5, 4, 3}, [3]int{3, 1, 3}, [3]int{1, 1, 1}, [3]int{1, 0, 1}},
	{1, 7, 70, [3]int{5, 6, 7}, [3]int{2, 2, 2}, [3]int{2, 2, 2}, [3]int{}},
	{2, 5, 12, [3]int{7, 7, 7}, [3]int{1, 1, 1}, [3]int{2, 2, 2}, [3]int{}},
	{1, 64, 96, [3]int{1, 3, 5}, [3]int{3, 3, 3}, [3]int{1, 1, 1}, [3]int{1, 1, 1}},
	{1, 2, 5, [3]int{9, 9, 9}, [3]int{5, 5, 5}, [3]int{2, 1, 3}, [3]int{2, 2, 2}},
	// Those below have outputs enough for winograd.
	{1, 8, 24, [3]int{13, 11, 9}, [3]int{3, 3, 3}, [3]int{1, 1, 1}, [3]int{1, 1, 1}},
	{2, 32, 16, [3]int{9, 8, 8}, [3]int{3, 3, 3}, [3]int{1, 1, 1}, [3]int{1, 1, 1}},
	{1, 16, 48, [3]int{5, 17, 13}, [3]int{1, 3, 3}, [3]int{1, 1, 1}, [3]int{0, 1, 1}},
	{1, 40, 32, [3]int{1, 35, 33}, [3]int{1, 3, 3}, [3]int{1, 1, 1}, [3]int{0, 1, 1}},
	{1, 8, 8, [3]int{12, 15, 14}, [3]int{3, 3, 1}, [3]int{1, 1, 1}, [3]int{0, 2, 0}},
	{1, 48, 64, [3]int{7, 13, 12}, [3]int{3, 3, 3}, [3]int{1, 1, 1}, [3]int{1, 1, 1}},
	{1, 4, 4, [3]int{3, 40, 200}, [3]int{3, 3, 3}, [3]int{1, 1, 1}, [3]int{1, 1, 1}},
}

func TestConv(t *testing.T) {
	for i, s := range convShapes {
		c, err := NewConv(s.n, s.ci, s.co, s.in, s.kernel, s.stride, s.pad)
		if err != nil {
			t.Fatal(err)
		}
		seed := uint64(10 * i)
		x, w, bias := random(seed, c.InputLen()), random(seed+1, c.WeightLen()), random(seed+2, c.Co)
		dy := random(seed+3, c.OutputLen())
		y, dx, dw, db := naiveConv(c, x, w, bias, dy)
		t.Run(fmt.Sprintf("%d-%d-%v-%v", s.ci, s.co, s.kernel, s.stride), func(t *testing.T) {
			onEachISA(t, func(t *testing.T) {
				got := sameOnThreads(t, func(p *Pool) [][]float32 {
					r := [][]float32{random(0, len(y)), random(0, len(dx)), random(0, len(dw)), random(0, len(db))}
					c.InputGrad(p, dy, w, r[1]) // leaves other scratch behind for the rest
					c.Forward(p, x, w, bias, r[0])
					c.WeightGrad(p, x, dy, r[2])
					BiasGrad(p, dy, r[3])
					c.InputGrad(p, dy, w, r[1])
					return r
				})
				near(t, "y", got[0], y, 3e-6)
				near(t, "dx", got[1], dx, 3e-6)
				near(t, "dw", got[2], dw, 1e-5)
				near(t, "db", got[3], db, 1e-5)
			})
		})
	}
}

// TestConvInChunks takes a shape large enough for several chunks of the weight gradient.
func TestConvInChunks(t *testing.T) {
	for _, co := range []int{5, 8} { // direct and winograd
		c, _ := NewConv(1, 8, co, [3]int{23, 28, 23}, [3]int{3, 3, 3}, [3]int{1, 1, 1}, [3]int{1, 1, 1})
		x, w, bias, dy := random(1, c.InputLen()), random(2, c.WeightLen()), random(3, c.Co), random(4, c.OutputLen())
		_, _, dw, _ := naiveConv(c, x, w, bias, dy)
		onEachISA(t, func(t *testing.T) {
			got := sameOnThreads(t, func(p *Pool) [][]float32 {
				out := make([]float32, len(dw))
				c.WeightGrad(p, x, dy, out)
				return [][]float32{out}
			})
			near(t, "dw", got[0], dw, 1e-5)
		})
	}
}

func TestConvRefusesShapesWithoutOutput(t *testing.T) {
	if _, err := NewConv(1, 1, 1, [3]int{2, 5, 5}, [3]int{3, 3, 3}, [3]int{1, 1, 1}, [3]int{0, 1, 1}); err == nil {
		t.Error("accepted")
	}
	if _, err := NewConv(1, 0, 1, [3]int{5, 5, 5}, [3]int{3, 3, 3}, [3]int{1, 1, 1}, [3]int{1, 1, 1}); err == nil {
		t.Error("accepted no channels")
	}
}

func TestTransposedConv(t *testing.T) {
	onEachISA(t, func(t *testing.T) {
		for i, s := range []struct {
			n, ci, co  int
			in, stride [3]int
		}{
			{2, 64, 32, [3]int{3, 4, 5}, [3]int{2, 2, 2}},
			{1, 16, 8, [3]int{4, 3, 5}, [3]int{1, 2, 2}},
			{1, 13, 7, [3]int{2, 3, 3}, [3]int{2, 1, 2}},
			{1, 5, 20, [3]int{3, 2, 4}, [3]int{3, 2, 1}},
		} {
			c, err := NewTransposedConv(s.n, s.ci, s.co, s.in, s.stride)
			if err != nil {
				t.Fatal(err)
			}
			a := c.adjoint()
			x, w, bias, dy := random(uint64(i), c.InputLen()), random(5, c.WeightLen()), random(6, c.Co), random(7, c.OutputLen())
			// Forward is the adjoint's input gradient, and so on; weights are turned.
			turned := make([]float32, len(w))
			turn(turned, w, volume(s.stride), s.ci, s.co)
			dx, y, dwt, _ := naiveConv(a, dy, turned, make([]float32, c.Ci), x)
			for v := range y {
				y[v] += float64(bias[v%c.Co])
			}
			dw := make([]float64, len(dwt))
			for k := range dwt {
				tap, co, ci := k/(s.ci*s.co), k/s.ci%s.co, k%s.ci
				dw[(tap*s.ci+ci)*s.co+co] = dwt[k]
			}
			got := sameOnThreads(t, func(p *Pool) [][]float32 {
				r := [][]float32{make([]float32, len(y)), make([]float32, len(dx)), make([]float32, len(dw))}
				c.Forward(p, x, w, bias, r[0])
				c.InputGrad(p, dy, w, r[1])
				c.WeightGrad(p, x, dy, r[2])
				return r
			})
			near(t, "y", got[0], y, 3e-6)
			near(t, "dx", got[1], dx, 3e-6)
			near(t, "dw", got[2], dw, 1e-5)
		}
	})
}
