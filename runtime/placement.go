package runtime

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/accelerator"
	"runspec/runtime/engine"
	"runspec/runtime/train"
)

// placement is what a run's trainings run on: the processor, or devices. One
// goroutine, the loop's, takes and gives places back.
type placement struct {
	devices   []accelerator.Device
	precision engine.Precision
	busy      []int // trainings on each device
}

// place chooses what trainings run on, tells of it where it is not plain, and
// settles how many run at once.
func place(ctx context.Context, p *plan.Plan, o *Options) (placement, error) {
	c, err := accelerator.Choose(o.wish(p), func(path string) ([]accelerator.Device, error) { return o.probe()(ctx, path) })
	if err != nil {
		return placement{}, err
	}
	if c.Why != "" {
		o.Progress.Note("trainings run on the processor: %s", c.Why)
	}
	on := placement{devices: c.Devices, precision: c.Precision, busy: make([]int, len(c.Devices))}
	if len(on.devices) == 0 {
		if o.Workers == 0 {
			o.Workers = o.Threads
		}
		return on, nil
	}
	if err := on.settle(p, o); err != nil {
		return placement{}, err
	}
	on.share(o.Workers)
	for _, d := range on.devices {
		o.Progress.Note("trainings run on %s, in %s", d, on.precision)
	}
	if o.Workers > len(on.devices) && p.Cost == plan.CostMeasured {
		o.Progress.Note("up to %d trainings share a device, so that measured cost is not what each would take alone", on.each(o.Workers))
	}
	return on, nil
}

// wish is what plan and options ask to train on.
func (o Options) wish(p *plan.Plan) accelerator.Wish {
	w := accelerator.Wish{Engine: p.Engine, Precision: p.Training.Precision, Devices: o.Devices}
	if o.Engine != "" {
		w.Engine = o.Engine
	}
	return w
}

// Placeable refuses what no machine need be asked for: devices, or a precision,
// that the processor has not.
func Placeable(p *plan.Plan, o Options) error {
	w := o.wish(p)
	if w.Engine != plan.CPU || p.Simulation != nil {
		return nil
	}
	_, err := accelerator.Choose(w, nil) // asks no plug-in
	return err
}

// probe is how a plug-in is asked for its devices.
func (o Options) probe() func(context.Context, string) ([]accelerator.Device, error) {
	if o.Probe != nil {
		return o.Probe
	}
	return Probe
}

// Probe asks a plug-in for its devices, in a process of this program's.
func Probe(ctx context.Context, path string) ([]accelerator.Device, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return accelerator.Ask(ctx, []string{self, "devices"}, path)
}

// Executables is the cache's folder of programs compiled for devices.
func (o Options) Executables() string {
	if o.CacheDir == "" {
		o.CacheDir = DefaultCache()
	}
	return filepath.Join(o.CacheDir, "executables")
}

// each is the number of trainings that share a device when all workers are busy.
func (on placement) each(workers int) int { return (workers + len(on.devices) - 1) / len(on.devices) }

// settle sets the number of trainings at once, as far as the devices' memory is
// expected to hold them; one for each is always tried.
func (on placement) settle(p *plan.Plan, o *Options) error {
	chosen := *p
	chosen.Training.Precision = string(on.precision)
	need, err := chosen.DeviceMemory()
	if err != nil {
		return err
	}
	asked := o.Workers
	if asked == 0 {
		o.Workers = len(on.devices) * together(p)
	}
	for _, d := range on.devices {
		if asked > 0 && (need == 0 || d.Memory == 0) { // not known
			continue
		}
		hold := 1
		if need > 0 {
			hold = max(1, int(accelerator.Usable*float64(d.Memory)/float64(need)))
		}
		if on.each(o.Workers) <= hold {
			continue
		}
		o.Workers = hold * len(on.devices)
		if asked > 0 {
			o.Progress.Note("only %d trainings at once: one may hold %.1f GB, and %s", o.Workers, float64(need)/1e9, d)
		}
	}
	return nil
}

// together is the number of trainings that a device gets where nobody says: one,
// since those that share it take longer, and hours are measured. Where cost is the
// model's, all folds of a trial, unless a study varies the network: then what one
// holds is not known before.
func together(p *plan.Plan) int {
	if p.Cost == plan.CostMeasured {
		return 1
	}
	folds := max(1, len(p.Folds))
	for _, s := range p.Studies {
		if slices.ContainsFunc(s.Space.Parameters, func(q space.Parameter) bool { return plan.ShapesNetwork(q.Name) }) {
			return 1
		}
		folds = max(folds, len(s.Folds))
	}
	return folds
}

// share divides each device's memory between the trainings that may meet there.
func (on placement) share(workers int) {
	n := on.each(workers)
	if n < 2 {
		return
	}
	for i := range on.devices {
		on.devices[i].Share = accelerator.Usable / float64(n)
	}
}

// take gives a job the device with the fewest trainings, and says what gives the
// place back.
func (on placement) take(j *train.Job, executables string) (release func()) {
	if len(on.devices) == 0 {
		return func() {}
	}
	least := 0
	for i, n := range on.busy {
		if n < on.busy[least] {
			least = i
		}
	}
	d := on.devices[least]
	on.busy[least]++
	j.Device, j.Executables = &d, executables
	j.Training.Precision = string(on.precision)
	j.Code = train.CodeOn(d, on.precision)
	return func() { on.busy[least]-- }
}

// Places are what trained a curve's epochs, from first to last: devices as a code
// names them, and "" for the processor.
func Places(curve []train.Epoch) (all []string) {
	for _, e := range curve {
		if !slices.Contains(all, e.Device) {
			all = append(all, e.Device)
		}
	}
	return all
}

// String names the devices, for records: "2 × NVIDIA H200, bf16"; "": the processor.
func (on placement) String() string {
	if len(on.devices) == 0 {
		return ""
	}
	return fmt.Sprintf("%d × %s, %s", len(on.devices), on.devices[0].Kind, on.precision)
}
