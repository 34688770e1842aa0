package train_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/train"
)

// randomNetwork is a network that proofs/networks/record.py described and PyTorch
// computed in float64.
type randomNetwork struct {
	info
	Seed       uint64
	Parameters []string
	Buffers    []string
	Regions    [][]int16
	BatchDice  bool `json:"batch_dice"`
	Logits     []struct {
		Size    int // of all numbers; Values are each (Size/60)-th, in PyTorch's order
		Largest float64
		Values  []float64
	}
	Loss      float64
	Gradients [][]float64 // norm, and product with uniform numbers; nil: there is none
}

// tolerance is how far logits, loss and gradients may lie from PyTorch's float64,
// relative to the largest logit, to the loss, and to a gradient's norm or a
// thousandth of the largest one, below which a gradient is what rounding leaves (a
// bias before a norm): what float32 takes, and what the reference engine's float64
// does, which rounds only what it hands over.
func (x contender) tolerance() [3]float64 {
	if x.name == "reference" {
		return [3]float64{5e-7, 5e-7, 1e-5}
	}
	return [3]float64{1e-5, 1e-6, 2e-3}
}

// TestRandomNetworks compares the executors with PyTorch on networks that nobody
// chose: kernels, strides, blocks, norms, activations, regions as they came. Those of
// a plug-in, which compile for long, see every fourth.
func TestRandomNetworks(t *testing.T) {
	text, err := os.ReadFile("../proofs/networks/networks.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []randomNetwork
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 12 {
		t.Fatalf("%d networks are recorded", len(all))
	}
	for _, x := range executors {
		t.Run(x.name, func(t *testing.T) {
			var worst [3]float64
			seen := 0
			for i, f := range all {
				if i%4 != 0 && x.name != "reference" && x.name != "cpu" {
					continue
				}
				seen++
				for j, d := range f.compare(t, x) {
					worst[j] = max(worst[j], d)
					if limit := x.tolerance()[j]; !(d <= limit) {
						t.Errorf("network %d of seed %d: its %s err by %.1e, more than %.0e", i, f.Seed, [3]string{"logits", "loss", "gradients"}[j], d, limit)
					}
				}
			}
			t.Logf("%d of %d networks; largest errors: logits %.1e, loss %.1e, gradients %.1e", seen, len(all), worst[0], worst[1], worst[2])
		})
	}
}

// compare gives the largest errors of logits, loss and gradients.
func (f randomNetwork) compare(t *testing.T, x contender) (worst [3]float64) {
	network, err := unet.Build(f.architecture(t))
	if err != nil {
		t.Fatal(err)
	}
	p, err := train.Build(network, train.GraphOptions{
		Batch: f.Batch, Patch: three(f.Patch), Optimizer: engine.Optimizer{Kind: engine.SGD, Momentum: 0.9},
		Loss: engine.Loss{Kind: engine.DiceCE, BatchDice: f.BatchDice, Regions: f.Regions},
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := x.new(p)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Restore(f.state(t, p)); err != nil {
		t.Fatal(err)
	}
	batch := f.batch(p)
	logits, err := e.(inspector).Logits(batch.Image, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range f.Logits {
		got := channelsFirst(logits[i])
		if len(got) != want.Size {
			t.Fatalf("output %d has %d logits, PyTorch's has %d", i, len(got), want.Size)
		}
		step := max(1, want.Size/60)
		for j, v := range want.Values {
			worst[0] = max(worst[0], math.Abs(float64(got[j*step])-v)/want.Largest)
		}
	}
	loss, err := e.Step(batch, 0)
	if err != nil {
		t.Fatal(err)
	}
	worst[1] = math.Abs(loss-f.Loss) / max(1, math.Abs(f.Loss))
	worst[2] = f.gradients(t, e.State().Slots["momentum"]) // those of the first step
	return worst
}

func (f randomNetwork) gradients(t *testing.T, got map[string]engine.Tensor) (worst float64) {
	largest := 0.0
	for _, g := range f.Gradients {
		if g != nil {
			largest = max(largest, g[0])
		}
	}
	for i, name := range f.Parameters {
		g, there := got[name]
		if want := f.Gradients[i]; there != (want != nil) {
			t.Errorf("seed %d: gradient of %s: ours %v, PyTorch's %v", f.Seed, name, there, want != nil)
		} else if there {
			norm, product := 0.0, 0.0
			for j, u := range uniform(f.Seed+500+uint64(i), len(g.Data)) {
				norm += float64(g.Data[j]) * float64(g.Data[j])
				product += float64(g.Data[j]) * u
			}
			size := max(want[0], largest/1000)
			worst = max(worst, math.Abs(math.Sqrt(norm)-want[0])/size, math.Abs(product-want[1])/size)
		}
	}
	return worst
}

// state computes parameters and buffers as record.py does.
func (f randomNetwork) state(t *testing.T, p *engine.Program) engine.State {
	s := engine.State{Parameters: map[string]engine.Tensor{}, Buffers: map[string]engine.Tensor{}}
	for i, q := range p.Parameters {
		if i >= len(f.Parameters) || q.Name != f.Parameters[i] {
			t.Fatalf("seed %d: parameter %d is %s, PyTorch's are %v", f.Seed, i, q.Name, f.Parameters)
		}
		s.Parameters[q.Name] = recordedValue(q.Name, q.Shape, f.Seed+1+uint64(i))
	}
	for _, norm := range p.Norms {
		for _, name := range norm.Buffers() {
			at := slices.Index(f.Buffers, name)
			if at < 0 {
				continue // PyTorch's instance norm has none
			}
			channels := s.Parameters[strings.TrimSuffix(strings.TrimSuffix(name, "running_mean"), "running_var")+"bias"].Shape
			s.Buffers[name] = recordedValue(name, channels, f.Seed+1+uint64(len(f.Parameters)+at))
		}
	}
	return s
}

// batch computes image and labels as record.py does.
func (f randomNetwork) batch(p *engine.Program) engine.Batch {
	voxels := p.Patch[0] * p.Patch[1] * p.Patch[2]
	b := engine.Batch{Image: engine.Tensor{Shape: []int{p.Batch, p.Patch[0], p.Patch[1], p.Patch[2], p.Channels}}}
	u := uniform(f.Seed, p.Batch*voxels*p.Channels)
	b.Image.Data = make([]float32, len(u))
	for i, v := range u {
		n, c, at := i/(voxels*p.Channels), i/voxels%p.Channels, i%voxels
		b.Image.Data[(n*voxels+at)*p.Channels+c] = float32(2 * v)
	}
	values := f.Out
	if f.Regions != nil {
		values++
	}
	for i, node := range p.Train.Logits {
		u := uniform(f.Seed+900+uint64(i), engine.Size(p.Train.Nodes[node].Shape[:4]))
		labels := make([]int16, len(u))
		for j, v := range u {
			labels[j] = int16(math.Floor((v + 1) / 2 * float64(values)))
		}
		b.Labels = append(b.Labels, labels)
	}
	return b
}

// uniform is SplitMix64's first n numbers behind a seed, of 24 bits, in [-1, 1).
func uniform(seed uint64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		z := uint64(i+1)*0x9E3779B97F4A7C15 + seed
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		z ^= z >> 31
		out[i] = float64(z>>40)/(1<<23) - 1
	}
	return out
}

// recordedValue is record.py's value.
func recordedValue(name string, shape []int, seed uint64) engine.Tensor {
	t := engine.Tensor{Shape: shape, Data: make([]float32, engine.Size(shape))}
	scale, offset := 0.25, 0.0
	switch n := len(t.Data); {
	case len(shape) > 1:
		scale = math.Sqrt(6 * float64(shape[0]) / float64(n))
	case strings.HasSuffix(name, "running_var"):
		scale, offset = 0.75, 1.25
	case strings.HasSuffix(name, "running_mean"), strings.HasSuffix(name, "bias"):
	case n == 1:
		scale, offset = 0.125, 0.25
	default:
		offset = 1
	}
	for i, u := range uniform(seed, len(t.Data)) {
		t.Data[i] = float32(offset + float64(scale*u)) // the conversion forbids a fused multiply-add
	}
	return t
}

// channelsFirst turns (N, D, H, W, C) into PyTorch's order.
func channelsFirst(t engine.Tensor) []float32 {
	n, c := t.Shape[0], t.Shape[4]
	voxels := t.Shape[1] * t.Shape[2] * t.Shape[3]
	out := make([]float32, len(t.Data))
	for i := range n {
		for ch := range c {
			for v := range voxels {
				out[(i*c+ch)*voxels+v] = t.Data[(i*voxels+v)*c+ch]
			}
		}
	}
	return out
}
