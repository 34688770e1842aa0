package xla

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"runspec/runtime/augment"
	"runspec/runtime/dataset"
	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// device is the plug-in that RUNSPEC_PJRT names.
func device(t testing.TB) *pjrt.Client {
	t.Helper()
	path := os.Getenv("RUNSPEC_PJRT")
	if path == "" {
		t.Skip("RUNSPEC_PJRT names no PJRT plug-in; .ci/xla fetches one for the CPU")
	}
	p, err := pjrt.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// cases are of several shapes, smooth enough that no vote hangs on the last bit:
// blobs of labels with a rim outside, and images that follow them.
func cases(channels int) (list []*dataset.Case) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, shape := range [][3]int{{9, 14, 12}, {20, 17, 23}, {6, 8, 30}} {
		c := &dataset.Case{ID: "c", Channels: channels, Shape: shape}
		n := shape[0] * shape[1] * shape[2]
		c.Data = make([]float32, channels*n)
		at := map[int16][]int32{}
		for v := range n {
			z, y, x := v/(shape[1]*shape[2]), v/shape[2]%shape[1], v%shape[2]
			l := int16(z/4+y/5+x/6) % 3
			if z == 0 || x == 0 {
				l = -1
			}
			c.Seg = append(c.Seg, l)
			at[l] = append(at[l], int32(v))
			for k := range channels {
				c.Data[k*n+v] = float32(l) + float32(k) + float32(0.3*r.NormFloat64())
			}
		}
		for l := int16(1); l < 3; l++ {
			c.Locations = append(c.Locations, dataset.Location{Label: l, Voxels: at[l]})
		}
		list = append(list, c)
	}
	return list
}

// patches is a program that takes a loader's batches.
func patches(o augment.Options, channels int) *engine.Program {
	p := &engine.Program{Batch: o.Batch, Patch: o.Patch, Channels: channels, Classes: 3, Optimizer: engine.Optimizer{Kind: engine.SGD}}
	for i, s := range o.TargetShapes {
		p.Train.Nodes = append(p.Train.Nodes, engine.Node{Shape: []int{o.Batch, s[0], s[1], s[2], 3}})
		p.Train.Logits = append(p.Train.Logits, i)
	}
	p.Evaluate = p.Train
	return p
}

var pipelines = map[string]augment.Options{
	"3-D":    {Patch: [3]int{8, 12, 10}, Dim: 3, TargetShapes: [][3]int{{8, 12, 10}, {4, 6, 5}, {4, 3, 5}}, Augmentation: augment.V2, Factor: 3, UseMask: []bool{false, true}},
	"planar": {Patch: [3]int{3, 12, 10}, Dim: 3, TargetShapes: [][3]int{{3, 12, 10}}, Augmentation: augment.V2, Factor: 3},
	"2-D":    {Patch: [3]int{1, 12, 14}, Dim: 2, TargetShapes: [][3]int{{1, 12, 14}, {1, 6, 7}}, Augmentation: augment.V2, Factor: 3},
	"plain":  {Patch: [3]int{8, 12, 10}, Dim: 3, TargetShapes: [][3]int{{8, 12, 10}, {4, 6, 5}}},
}

// TestDrawnBatches compares the device's batches with the processor's, voxel by
// voxel: labels in all but one of a thousand, images but for rounding, and where
// there is noise but for noise of its strength.
func TestDrawnBatches(t *testing.T) {
	c := device(t)
	for name, o := range pipelines {
		t.Run(name, func(t *testing.T) {
			o.Batch, o.Oversample, o.Seed, o.Workers = 3, 0.5, 11, 2
			l, err := augment.NewLoader(cases(2), o)
			if err != nil {
				t.Fatal(err)
			}
			x, err := New(patches(o, 2), Options{Client: c})
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			e := x.(*Executor)
			source, err := e.Reside(l)
			if err != nil {
				t.Fatal(err)
			}
			i, noisy := 5, 0
			for b := range source(context.Background(), 5, 25) {
				recipes := b.Made.(*made).recipes
				got, err := e.Draw(b)
				if err != nil {
					t.Fatal(err)
				}
				noisy += compare(t, i, recipes, got, l.Batch(i))
				i++
			}
			if i != 25 || noisy == 0 != (o.Augmentation == "") {
				t.Errorf("%d batches, %d noisy samples", i-5, noisy)
			}
		})
	}
}

// compare compares the samples of a batch, and counts those with noise.
func compare(t *testing.T, i int, recipes []augment.Recipe, got engine.Batch, want augment.Batch) (noisy int) {
	t.Helper()
	for k, target := range want.Targets {
		if n := differing(got.Labels[k], target.Labels); 1000*n > len(target.Labels) {
			t.Errorf("batch %d, output %d: %d of %d labels differ", i, k, n, len(target.Labels))
		}
	}
	voxels := want.Shape[0] * want.Shape[1] * want.Shape[2]
	for j, q := range recipes {
		for c := range want.Channels {
			theirs := want.Image[(j*want.Channels+c)*voxels:][:voxels]
			ours := make([]float32, voxels)
			for v := range ours {
				ours[v] = got.Image.Data[(j*voxels+v)*want.Channels+c]
			}
			if q.Noise > 0 {
				continue
			}
			if d := farthest(ours, theirs); !(d < 2e-4) {
				t.Errorf("batch %d, sample %d, channel %d: %v apart; %+v", i, j, c, d, q)
			}
		}
		if q.Noise > 0 {
			noisy++
		}
	}
	return noisy
}

func differing(a, b []int16) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

// farthest is the largest distance of two channels, relative to the range of one.
func farthest(a, b []float32) (d float64) {
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d / max(1, float64(slices.Max(b)-slices.Min(b)))
}
