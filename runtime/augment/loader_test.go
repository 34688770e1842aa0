package augment

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"runspec/runtime/dataset"
)

// blobs makes a case of random texture with two box-shaped organs.
func blobs(id string, channels int, shape [3]int, seed uint64) *dataset.Case {
	r := rand.New(rand.NewPCG(seed, 1))
	n := shape[0] * shape[1] * shape[2]
	c := &dataset.Case{ID: id, Channels: channels, Shape: shape,
		Data: make([]float32, n*channels), Seg: make([]int16, n)}
	for i := range c.Data {
		c.Data[i] = float32(r.NormFloat64())
	}
	one, two := dataset.Location{Label: 1}, dataset.Location{Label: 2}
	for i := range n {
		z, y, x := i/(shape[1]*shape[2]), i/shape[2]%shape[1], i%shape[2]
		switch {
		case z < shape[0]/8:
			c.Seg[i] = -1
		case z >= shape[0]/2 && y >= shape[1]/2 && x >= shape[2]/2:
			c.Seg[i] = 2
			two.Voxels = append(two.Voxels, int32(i))
		case z >= shape[0]/3 && y >= shape[1]/3 && x >= shape[2]/3:
			c.Seg[i] = 1
			one.Voxels = append(one.Voxels, int32(i))
		}
	}
	c.Locations = []dataset.Location{one, two}
	return c
}

func threeCases(channels int) []*dataset.Case {
	return []*dataset.Case{
		blobs("a", channels, [3]int{20, 24, 22}, 1),
		blobs("b", channels, [3]int{12, 30, 18}, 2),
		blobs("c", channels, [3]int{31, 17, 25}, 3),
	}
}

func mustLoad(t testing.TB, cases []*dataset.Case, o Options) *Loader {
	t.Helper()
	l, err := NewLoader(cases, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func options() Options {
	return Options{Patch: [3]int{16, 20, 16}, Batch: 3, Oversample: 0.33, Augmentation: V2, Factor: 1.5,
		TargetShapes: [][3]int{{16, 20, 16}, {8, 10, 8}, {4, 5, 4}}, UseMask: []bool{true, false}, Seed: 7}
}

func equal(a, b Batch) bool {
	same := a.Size == b.Size && a.Channels == b.Channels && a.Shape == b.Shape &&
		slices.Equal(a.Image, b.Image) && len(a.Targets) == len(b.Targets)
	for i := range a.Targets {
		same = same && a.Targets[i].Shape == b.Targets[i].Shape &&
			slices.Equal(a.Targets[i].Labels, b.Targets[i].Labels)
	}
	return same
}

// A batch depends on the seed and its index, not on what was drawn before or by
// how many goroutines.
func TestBatchIsPure(t *testing.T) {
	for name := range generations {
		t.Run(string(name), func(t *testing.T) { batchIsPure(t, name) })
	}
}

func batchIsPure(t *testing.T, name Generation) {
	cases := threeCases(2)
	const from, to = 5, 30
	var want []Batch
	options := func() Options { o := options(); o.Augmentation = name; return o }
	l := mustLoad(t, cases, options())
	for i := from; i < to; i++ {
		want = append(want, l.Batch(i))
	}
	if equal(want[0], want[1]) {
		t.Error("two batches are equal")
	}
	for _, workers := range []int{1, 2, 5, 40} {
		o := options()
		o.Workers = workers
		l := mustLoad(t, cases, o)
		next := from
		for i, b := range l.Batches(context.Background(), from, to) {
			if i != next {
				t.Fatalf("%d workers: batch %d where %d was due", workers, i, next)
			}
			if !equal(b, want[i-from]) {
				t.Fatalf("%d workers: batch %d differs", workers, i)
			}
			next++
		}
		if next != to {
			t.Errorf("%d workers: the last batch is %d, want %d", workers, next-1, to-1)
		}
	}
	o := options()
	o.Seed = 8
	if equal(mustLoad(t, cases, o).Batch(from), want[0]) {
		t.Error("another seed gives the same batch")
	}
}

// Leaving the loop and cancelling both end every goroutine.
func TestBatchesLeavesNoGoroutine(t *testing.T) {
	o := options()
	o.Workers = 4
	l := mustLoad(t, threeCases(2), o)
	before := runtime.NumGoroutine()
	for i := range l.Batches(context.Background(), 0, 1000) {
		if i == 2 {
			break
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen := 0
	for range l.Batches(ctx, 0, 1000) {
		if seen++; seen == 3 {
			cancel()
		}
	}
	if seen != 3 {
		t.Errorf("%d batches came, want 3: none after the cancellation", seen)
	}
	for range l.Batches(context.Background(), 9, 9) {
		t.Error("a batch came out of an empty range")
	}
	for wait := 0; runtime.NumGoroutine() > before; wait++ {
		if wait == 100 {
			t.Fatalf("%d goroutines are left over", runtime.NumGoroutine()-before)
		}
		time.Sleep(time.Millisecond)
	}
}

// Whatever is drawn, a batch is finite and its labels are those of the cases;
// each lower target picks voxels of the first.
func TestBatchIsSound(t *testing.T) {
	for k := range 4 {
		o, dim := options(), 2+k%2
		o.Dim, o.Factor, o.Augmentation = dim, 3, []Generation{V1, V2}[k/2]
		if dim == 2 {
			o.Patch, o.TargetShapes = [3]int{1, 20, 12}, [][3]int{{1, 20, 12}, {1, 10, 6}}
		}
		l := mustLoad(t, threeCases(2), o)
		for i := range 20 {
			b := l.Batch(i)
			if len(b.Image) != 3*2*b.Shape[0]*b.Shape[1]*b.Shape[2] {
				t.Fatalf("dim %d: %d image voxels for %v", dim, len(b.Image), b.Shape)
			}
			for _, v := range b.Image {
				if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 50 {
					t.Fatalf("dim %d, batch %d: a voxel is %v", dim, i, v)
				}
			}
			for _, target := range b.Targets {
				for _, label := range target.Labels {
					if label < 0 || label > 2 {
						t.Fatalf("dim %d, batch %d: label %d", dim, i, label)
					}
				}
			}
			if dim == 3 && b.Targets[1].Labels[1] != b.Targets[0].Labels[(1*20+1)*16+3] {
				t.Fatalf("batch %d: the second target does not pick voxels of the first", i)
			}
		}
	}
}

// TestChannelsLast wants the same images, voxel by voxel.
func TestChannelsLast(t *testing.T) {
	c := &dataset.Case{ID: "a", Channels: 3, Shape: [3]int{4, 5, 6}, Data: make([]float32, 360), Seg: make([]int16, 120)}
	for i := range c.Data {
		c.Data[i] = float32(i)
	}
	o := Options{Patch: [3]int{4, 4, 4}, Batch: 2, Augmentation: V2, Factor: 1, Seed: 3}
	var list [2]Batch
	for i := range list {
		o.ChannelsLast = i == 1
		l, err := NewLoader([]*dataset.Case{c}, o)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = l.Batch(0)
	}
	for n := range 2 {
		for v := range 64 {
			for k := range 3 {
				if a, b := list[0].Image[(n*3+k)*64+v], list[1].Image[(n*64+v)*3+k]; a != b {
					t.Fatalf("sample %d, voxel %d, channel %d: %v and %v", n, v, k, a, b)
				}
			}
		}
	}
}
