package augment

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"runspec/runtime/dataset"
)

// recorded is testdata/recorded.json, which testdata/record.py made.
type recorded struct {
	Cubic []struct {
		Name         string
		Shape, Patch [3]int
		Angles       []float64
		Scale        float64
		Pad          int
		Image        []float32
		Labels       []int16
	}
	Summaries []summary
}

// summary describes what one of nnU-Net's pipelines made of a case.
type summary struct {
	Name, Generation string
	Factor, Degrees  float64
	Draws            int
	Patch, Window    []int
	Planar           bool
	Mean, Deviation  []float64
}

func readRecorded(t *testing.T) (r recorded) {
	t.Helper()
	text, err := os.ReadFile("testdata/recorded.json")
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// waves is the case of testdata/record.py.
func waves(shape [3]int) *dataset.Case {
	c := &dataset.Case{ID: "waves", Channels: 2, Shape: shape}
	n := shape[0] * shape[1] * shape[2]
	for i := range 2 * n {
		c.Data = append(c.Data, wave(i/n, i%n/(shape[1]*shape[2]), i%n/shape[2]%shape[1], i%shape[2]))
	}
	for i := range n {
		z, y, x := i/(shape[1]*shape[2]), i/shape[2]%shape[1], i%shape[2]
		label := int16(0)
		switch {
		case x < shape[2]/4:
			label = -1
		case y >= shape[1]/2 && x >= shape[2]/2 && z >= shape[0]/3:
			label = 2
		case y >= shape[1]/3:
			label = 1
		}
		c.Seg = append(c.Seg, label)
	}
	return c
}

func wave(channel, z, y, x int) float32 {
	fc, fz, fy, fx := float64(channel), float64(z), float64(y), float64(x)
	texture := float64((7*z+13*y+29*x+17*channel)%11) / 11
	return float32(math.Sin(.5*fz+.3*fc)*math.Cos(.4*fy) + .5*math.Sin(.7*fx+.2*fy) + .3*texture)
}

// batchgenerators' spatial transform also where slices are rotated alone, where
// the window hangs over the case, and at labels of voxels on edges.
func TestCubicAgainstPython(t *testing.T) {
	for _, rec := range readRecorded(t).Cubic {
		t.Run(rec.Name, func(t *testing.T) {
			c := waves(rec.Shape)
			c.Channels, c.Data = 1, c.Data[:len(c.Seg)]
			w := window{c: c, size: c.Shape}
			if rec.Pad > 0 {
				w.corner = [3]int{0, -rec.Pad, -rec.Pad}
				w.size = [3]int{c.Shape[0] + rec.Pad, c.Shape[1] + 2*rec.Pad + 1, c.Shape[2] + rec.Pad}
			}
			s := empty(1, rec.Patch)
			if planar := len(rec.Angles) == 1; planar {
				s.warpCubic(w, planarMatrix(rec.Angles[0], rec.Scale), true)
			} else {
				s.warpCubic(w, matrix([3]float64(rec.Angles), rec.Scale), false)
			}
			worst, differ := 0.0, 0
			for i, v := range rec.Image {
				worst = max(worst, math.Abs(float64(s.image[i]-v)))
				if s.labels[i] != rec.Labels[i] {
					differ++
				}
			}
			if len(rec.Image) != len(s.image) || !(worst < 2e-6) || differ > 0 {
				t.Errorf("largest error %v, %d labels differ", worst, differ)
			}
		})
	}
}

// numbers that describe a sample, and their squares, as testdata/record.py
// reckons them.
func numbers(s *sample) (out []float64) {
	for c := range s.channels {
		x := s.channel(c)
		m := statistics(x)
		n := float64(len(x))
		out = append(out, m.mean, m.deviation*math.Sqrt((n-1)/n), float64(m.min), float64(m.max))
		out = append(out, roughness(x, s.shape, 2), roughness(x, s.shape, 1))
		if s.shape[0] > 1 {
			out = append(out, roughness(x, s.shape, 0))
		}
	}
	var share [3]float64
	for _, l := range s.labels {
		share[l] += 1 / float64(len(s.labels))
	}
	out = append(out, share[1], share[2])
	for _, v := range out[:len(out):len(out)] {
		out = append(out, v*v)
	}
	return out
}

// roughness is the mean difference between neighbours along an axis.
func roughness(x []float32, shape [3]int, axis int) float64 {
	step, sum, count := 1, 0.0, 0
	for d := axis + 1; d < 3; d++ {
		step *= shape[d]
	}
	for i := range x {
		if i/step%shape[axis] < shape[axis]-1 {
			sum += math.Abs(float64(x[i+step] - x[i]))
			count++
		}
	}
	return sum / float64(count)
}

// Over many draws both whole pipelines, sizes and chances included, make images
// of the same means as nnU-Net's: within five standard errors of the difference.
func TestPythonSummaries(t *testing.T) {
	const n = 1500
	for _, rec := range readRecorded(t).Summaries {
		t.Run(fmt.Sprint(rec.Generation, " ", rec.Name, " ", rec.Factor), func(t *testing.T) {
			patch := three(rec.Patch)
			c := waves(three(rec.Window))
			g := Geometry{Patch: patch, Initial: c.Shape, Angle: rec.Degrees / 180 * math.Pi, Planar: rec.Planar || len(rec.Patch) == 2}
			s := empty(2, patch)
			s.planar, s.flat = g.Planar, len(rec.Patch) == 2
			mirror := []int{0, 1, 2}[3-len(rec.Patch):]
			sums, squares := make([]float64, len(rec.Mean)), make([]float64, len(rec.Mean))
			for i := range n {
				p := generations[Generation(rec.Generation)]
				p.apply(s, window{c: c, size: c.Shape}, g, rec.Factor, mirror, stream(61, i, 0))
				s.mask([]bool{true, false})
				s.settle()
				got := numbers(s)
				if len(got) != len(sums) {
					t.Fatalf("%d numbers, %d are recorded", len(got), len(sums))
				}
				for k, v := range got {
					sums[k] += v / n
					squares[k] += v * v / n
				}
			}
			for k, want := range rec.Mean {
				variance := max(squares[k]-sums[k]*sums[k], 0)
				e := math.Sqrt(variance/n + rec.Deviation[k]*rec.Deviation[k]/float64(rec.Draws))
				if !(math.Abs(sums[k]-want) <= 5*e+1e-6) {
					t.Errorf("number %d is %v on average, nnU-Net's %v: %.1f standard errors", k, sums[k], want, math.Abs(sums[k]-want)/e)
				}
			}
		})
	}
}
