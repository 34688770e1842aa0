package xla

import (
	"context"
	"iter"
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

// reside puts made-up cases of two channels on the device.
func reside(t *testing.T, c *pjrt.Client, o augment.Options) (*Executor, *augment.Loader, func(context.Context, int, int) iter.Seq[engine.Batch]) {
	t.Helper()
	l, err := augment.NewLoader(cases(2), o)
	if err != nil {
		t.Fatal(err)
	}
	x, err := New(patches(o, 2), Options{Client: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	e := x.(*Executor)
	e.step.lower = func() (string, error) { return doubled(2), nil } // it has nothing to learn
	source, err := e.Reside(l)
	if err != nil {
		t.Fatal(err)
	}
	return e, l, source
}

// TestDrawnBatches compares the device's batches with the processor's, voxel by
// voxel: labels in all but one of a thousand, images but for rounding, and where
// there is noise but for noise of its strength.
func TestDrawnBatches(t *testing.T) {
	c := device(t)
	for name, o := range pipelines {
		t.Run(name, func(t *testing.T) {
			o.Batch, o.Oversample, o.Seed, o.Workers = 3, 0.5, 11, 2
			e, l, source := reside(t, c, o)
			i, seen := 5, map[string]int{}
			for b := range source(context.Background(), 5, 25) {
				recipes := b.Made.(*made).recipes
				got, err := e.Draw(b)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, i, recipes, got, l.Batch(i), seen)
				i++
			}
			if i != 25 {
				t.Errorf("%d batches, want 20", i-5)
			}
			if o.Augmentation == "" {
				return
			}
			for _, what := range []string{"warp", "blur", "brightness", "contrast", "low resolution", "inverted gamma", "gamma", "mirror"} {
				if seen[what] < 3 {
					t.Errorf("%s was compared %d times only", what, seen[what])
				}
			}
		})
	}
}

// compare compares the samples of a batch without noise, and counts what they have
// undergone.
func compare(t *testing.T, i int, recipes []augment.Recipe, got engine.Batch, want augment.Batch, seen map[string]int) {
	t.Helper()
	for k, target := range want.Targets {
		if n := differing(got.Labels[k], target.Labels); 1000*n > len(target.Labels) {
			t.Errorf("batch %d, output %d: %d of %d labels differ", i, k, n, len(target.Labels))
		}
	}
	voxels := want.Shape[0] * want.Shape[1] * want.Shape[2]
	for j, q := range recipes {
		if q.Noise > 0 {
			continue
		}
		undergone(q, seen)
		for c := range want.Channels {
			theirs := want.Image[(j*want.Channels+c)*voxels:][:voxels]
			if d := farthest(channel(got.Image, j, c), theirs); !(d < 2e-5) {
				t.Errorf("batch %d, sample %d, channel %d: %v apart; %+v", i, j, c, d, q)
			}
		}
	}
}

func undergone(q augment.Recipe, seen map[string]int) {
	count := func(what string, is bool) {
		if is {
			seen[what]++
		}
	}
	count("warp", q.Matrix != [3][3]float32{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}})
	count("mirror", q.Mirror != [3]bool{})
	for _, h := range q.Channels {
		count("blur", h.Blur != [3]float64{})
		count("brightness", h.Brightness != 1)
		count("contrast", h.Contrast != 0)
		count("low resolution", h.Zoom != [3]float64{})
		count("inverted gamma", h.Inverted != 0)
		count("gamma", h.Gamma != 0)
	}
}

// channel is one channel of one sample of an image (N, D, H, W, C).
func channel(image engine.Tensor, sample, c int) []float32 {
	channels := image.Shape[4]
	out := make([]float32, engine.Size(image.Shape[1:4]))
	for v := range out {
		out[v] = image.Data[(sample*len(out)+v)*channels+c]
	}
	return out
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

// TestPrepare wants nothing left to compile for an epoch.
func TestPrepare(t *testing.T) {
	o := pipelines["3-D"]
	o.Batch, o.Seed = 3, 11
	e, _, source := reside(t, device(t), o)
	e.compiler.folder = t.TempDir()
	e.monitor.lower = func() (string, error) { return doubled(3), nil }
	if err := e.Prepare(); err != nil {
		t.Fatal(err)
	}
	kept := func() int {
		list, err := os.ReadDir(e.compiler.folder)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := kept()
	if want := 1 + 2 + len(transforms); before != want { // the step was compiled before
		t.Errorf("%d programs are ready, want %d", before, want)
	}
	for b := range source(context.Background(), 0, 20) {
		if _, err := e.Draw(b); err != nil {
			t.Fatal(err)
		}
	}
	if after := kept(); after != before || e.step.Executable == nil || e.monitor.Executable == nil {
		t.Errorf("%d programs, then %d", before, after)
	}
}

// TestNoise wants the noise alone to be normal with the deviation that was drawn,
// the same for the same key, and unlike that of other samples and channels.
func TestNoise(t *testing.T) {
	c := device(t)
	o := pipelines["3-D"]
	o.Batch, o.Seed, o.UseMask = 3, 11, nil
	e, _, source := reside(t, c, o)
	const sigma = 0.25
	draw := func(from int, noise float32) engine.Tensor {
		for b := range source(context.Background(), from, from+1) {
			m := b.Made.(*made)
			for j := range m.recipes {
				q := &m.recipes[j]
				*q = augment.Recipe{Case: q.Case, Window: q.Window, Matrix: q.Matrix, Centre: q.Centre, Key: q.Key, Noise: noise,
					Channels: []augment.Shade{{Brightness: 1}, {Brightness: 1}}}
			}
			out, err := e.Draw(b)
			if err != nil {
				t.Fatal(err)
			}
			return out.Image
		}
		return engine.Tensor{}
	}
	var all, last []float64
	for i := range 6 {
		plain, noisy, again := draw(i, 0), draw(i, sigma), draw(i, sigma)
		if !slices.Equal(noisy.Data, again.Data) {
			t.Fatal("the same keys give other noise")
		}
		for j := range o.Batch {
			for k := range 2 {
				var one []float64
				a, b := channel(plain, j, k), channel(noisy, j, k)
				for v := range a {
					one = append(one, float64(b[v]-a[v])/sigma)
				}
				if r := correlation(one, last); math.Abs(r) > 0.15 { // 4.6 deviations of 960 voxels
					t.Errorf("batch %d, sample %d, channel %d: correlation %v with the one before", i, j, k, r)
				}
				all, last = append(all, one...), one
			}
		}
	}
	if d, limit := kolmogorov(all), 1.95/math.Sqrt(float64(len(all))); d > limit { // p = 0.001
		t.Errorf("%d deviates are %v from the normal distribution, at most %v expected", len(all), d, limit)
	}
}

func correlation(a, b []float64) (r float64) {
	for i := range b {
		r += a[i] * b[i] / float64(len(b))
	}
	return r
}

// kolmogorov is the largest distance of a sample's distribution from the normal one.
func kolmogorov(xs []float64) (d float64) {
	slices.Sort(xs)
	n := float64(len(xs))
	for i, x := range xs {
		p := 0.5 * math.Erfc(-x/math.Sqrt2)
		d = max(d, math.Abs(p-float64(i)/n), math.Abs(p-float64(i+1)/n))
	}
	return d
}

// TestThreefry compares with the known answers of the authors' library, Random123.
func TestThreefry(t *testing.T) {
	c := device(t)
	known := [][6]uint32{ // key, counter, words
		{0, 0, 0, 0, 0x6b200159, 0x99ba4efe},
		{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x1cb996fc, 0xbb002be7},
		{0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3, 0xc4923a9c, 0x483df7a0},
	}
	l := &lowering{emitter: &emitter{}}
	var in [4]value
	var inputs []*pjrt.Buffer
	for i := range in {
		in[i] = l.bits(l.argument(i32, []int{len(known)}))
		var list []int32
		for _, k := range known {
			list = append(list, int32(k[i]))
		}
		b, err := pjrt.Upload(c, c.Devices[0], list, len(list))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		inputs = append(inputs, b)
	}
	words := l.threefry([2]value{in[0], in[1]}, [2]value{in[2], in[3]})
	x, err := c.Compile(l.module("threefry", words[:]...))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	out, err := x.Run(inputs)
	if err != nil {
		t.Fatal(err)
	}
	defer release(out)
	for w, b := range out {
		got := make([]uint32, len(known))
		if err := pjrt.Download(b, 1, got); err != nil {
			t.Fatal(err)
		}
		for i, k := range known {
			if got[i] != k[4+w] {
				t.Errorf("word %d of key %x, counter %x: %x, want %x", w, k[:2], k[2:4], got[i], k[4+w])
			}
		}
	}
}

// BenchmarkRecipes times what the host does for a batch of Task04's patches that
// the device makes, and tells how much goes up for it.
func BenchmarkRecipes(b *testing.B) {
	patch := [3]int{40, 56, 40}
	o := augment.Options{Patch: patch, Batch: 9, Dim: 3, Augmentation: augment.V2, Factor: 1, Oversample: 0.33, Workers: 1}
	l, err := augment.NewLoader(cases(1), o)
	if err != nil {
		b.Fatal(err)
	}
	r := &resident{loader: l, drawing: newDrawing(patches(l.Options(), 1), l), starts: make([]int, 3)}
	bytes, n := 0, 0
	for b.Loop() {
		for _, recipes := range l.Recipes(context.Background(), n, n+1) {
			whole, real := (&made{r, recipes}).numbers(nil, nil)
			bytes += 4 * (len(whole) + len(real))
		}
		n++
	}
	b.ReportMetric(float64(bytes)/float64(n), "B/step")
	b.ReportMetric(float64(4*9*product(patch[:])*2), "B/step-from-the-host")
}
