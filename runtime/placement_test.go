package runtime

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/accelerator"
	"runspec/runtime/train"
)

// gpus makes a machine that seems to have some.
func gpus(t *testing.T, n int, o Options) Options {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugin.so")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(accelerator.Variable, path)
	o.Probe = func(context.Context, string) ([]accelerator.Device, error) {
		var list []accelerator.Device
		for i := range n {
			list = append(list, accelerator.Device{Plugin: path, Index: i, Platform: "cuda", Kind: "NVIDIA H200", Capability: "9.0"})
		}
		return list, nil
	}
	return o
}

// TestDevices gives each training a device of its own, and no device two.
func TestDevices(t *testing.T) {
	var mu sync.Mutex
	held, seen := map[int]bool{}, map[int]int{}
	both := make(chan bool)
	meet := sync.OnceFunc(func() { close(both) })
	o := gpus(t, 2, options(t, t.TempDir(), Options{}))
	o.Train = func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		mu.Lock()
		d := j.Device
		if d == nil || held[d.Index] || d.Share != 0 || j.Training.Precision != "bf16" || j.Code.Device != "cuda NVIDIA H200 bf16" {
			t.Errorf("%s: device %v, held %v, code %+v", j.Name, d, held, j.Code)
		}
		held[d.Index] = true
		seen[d.Index]++
		first := len(seen) == 1
		mu.Unlock()
		if first { // it waits until the other device has a training too
			select {
			case <-both:
			case <-time.After(20 * time.Second):
				t.Error("while one device had a training the other got none")
			}
		} else {
			meet()
		}
		r, err := pretend(ctx, j, tell)
		mu.Lock()
		held[d.Index] = false
		mu.Unlock()
		return r, err
	}
	if _, err := Run(context.Background(), smallPlan(), o); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 {
		t.Errorf("trainings by device: %v", seen)
	}
}

// TestSharedDevices runs two trainings on each of two devices, in parts of the memory.
func TestSharedDevices(t *testing.T) {
	o := gpus(t, 2, options(t, t.TempDir(), Options{Workers: 4, Devices: []int{1, 0}}))
	var mu sync.Mutex
	seen := map[int]int{}
	o.Train = func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		mu.Lock()
		seen[j.Device.Index]++
		mu.Unlock()
		if j.Device.Share != 0.45 {
			t.Errorf("%s has %g of its device's memory", j.Name, j.Device.Share)
		}
		return pretend(ctx, j, tell)
	}
	if _, err := Run(context.Background(), smallPlan(), o); err != nil {
		t.Fatal(err)
	}
	if seen[0] == 0 || seen[1] == 0 {
		t.Errorf("trainings by device: %v", seen)
	}
}

func TestEngineOfOptionsWins(t *testing.T) {
	o := gpus(t, 1, options(t, t.TempDir(), Options{Engine: plan.CPU}))
	o.Train = func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		if j.Device != nil {
			t.Errorf("%s is on %s", j.Name, j.Device)
		}
		return pretend(ctx, j, tell)
	}
	p := smallPlan()
	p.Engine = plan.XLA
	if _, err := Run(context.Background(), p, o); err != nil {
		t.Fatal(err)
	}
	o = gpus(t, 1, options(t, t.TempDir(), Options{}))
	o.Probe = func(context.Context, string) ([]accelerator.Device, error) { return nil, errors.New("no driver") }
	if _, err := Run(context.Background(), p, o); err == nil || !strings.Contains(err.Error(), "engine xla: no driver") {
		t.Errorf("an engine that is not to be had: %v", err)
	}
}

// fingerprinted is a plan whose data set has been read.
func fingerprinted(p *plan.Plan) *plan.Plan {
	p.Datasets[0].Fingerprint = &nnunet.Fingerprint{
		Spacings: [][3]float64{{2, 1, 1}}, ShapesAfterCrop: [][3]int{{8, 16, 16}}, MedianRelativeSize: 1,
		Foreground: map[string]nnunet.Intensity{"0": {Mean: 1, Std: 1}},
	}
	p.Datasets[0].Description = nnunet.Dataset{Channels: []string{"MRI"}, Labels: []nnunet.Label{{Name: "background", Values: []int{0}}, {Name: "organ", Values: []int{1}}}, NumTraining: 5}
	return p
}

// TestCrowdedDevices starts no more trainings than the devices' memory is expected
// to hold.
func TestCrowdedDevices(t *testing.T) {
	p := fingerprinted(smallPlan())
	need, err := p.DeviceMemory()
	if err != nil || need <= 0 {
		t.Fatalf("%d, %v", need, err)
	}
	for _, c := range []struct {
		memory  int64
		workers int
	}{{need / 2, 2}, {need * 5 / 2, 4}, {0, 6}, {need * 100, 6}} {
		o := gpus(t, 2, options(t, t.TempDir(), Options{Workers: 6}))
		list := o.Probe
		o.Probe = func(ctx context.Context, path string) ([]accelerator.Device, error) {
			devices, err := list(ctx, path)
			for i := range devices {
				devices[i].Memory = c.memory
			}
			return devices, err
		}
		o = o.withDefaults(p)
		if _, err := place(context.Background(), p, &o); err != nil || o.Workers != c.workers {
			t.Errorf("%d bytes of a device, %d of a training: %d workers, want %d; %v", c.memory, need, o.Workers, c.workers, err)
		}
	}
}

// TestFoldsTogether trains the folds of a trial on one device at once where that
// changes no figure and memory is known to hold them.
func TestFoldsTogether(t *testing.T) {
	small := func() *plan.Plan {
		p := fingerprinted(smallPlan())
		p.Cost, p.Folds = plan.CostModel, []plan.Fold{0, 1, 2}
		return p
	}
	need, err := small().DeviceMemory()
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		change  func(*plan.Plan)
		memory  int64
		workers int
		old     bool // it has no short precision
	}{
		"three folds":           {func(*plan.Plan) {}, 100 * need, 3, false},
		"room for two":          {func(*plan.Plan) {}, need * 5 / 2, 2, false},
		"room for two, in fp32": {func(*plan.Plan) {}, need * 3, 1, true},
		"memory not told":       {func(*plan.Plan) {}, 0, 1, false},
		"measured":              {func(p *plan.Plan) { p.Cost = plan.CostMeasured }, 100 * need, 1, false},
		"varied networks": {func(p *plan.Plan) {
			p.Studies[0].Space.Parameters = append(p.Studies[0].Space.Parameters, space.Parameter{Name: "base_num_features"})
		}, 100 * need, 1, false},
		"no data read yet": {func(p *plan.Plan) { p.Datasets[0].Fingerprint = nil }, 100 * need, 1, false},
	} {
		p := small()
		c.change(p)
		o := gpus(t, 1, options(t, t.TempDir(), Options{}))
		o.Workers = 0
		list := o.Probe
		o.Probe = func(ctx context.Context, path string) ([]accelerator.Device, error) {
			devices, err := list(ctx, path)
			devices[0].Memory = c.memory
			if c.old {
				devices[0].Capability = "6.0"
			}
			return devices, err
		}
		o = o.withDefaults(p)
		if _, err := place(context.Background(), p, &o); err != nil || o.Workers != c.workers {
			t.Errorf("%s: %d workers, want %d; %v", what, o.Workers, c.workers, err)
		}
	}
}
