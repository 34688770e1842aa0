package accelerator

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"runspec/compiler/plan"
	"runspec/runtime/engine"
)

// Choice is what trainings run on.
type Choice struct {
	Devices   []Device // none: the processor
	Precision engine.Precision
	Why       string // why it is the processor where a GPU might be expected; else ""
}

// Wish is what was asked for.
type Wish struct {
	Engine    plan.Engine
	Precision string // "": the device's own
	Devices   []int  // indices; none: all
}

// Choose finds what trainings run on. Under "auto" that is a GPU where one can be
// had, else the processor; "xla" takes any plug-in's devices, and fails without
// one. List tells a plug-in's devices.
func Choose(w Wish, list func(path string) ([]Device, error)) (Choice, error) {
	if w.Engine == plan.CPU {
		return w.processor("")
	}
	p, err := Find()
	if errors.Is(err, ErrNoPlugin) && w.Engine != plan.XLA {
		return w.processor(missing())
	}
	if errors.Is(err, ErrNoPlugin) {
		return Choice{}, fmt.Errorf("engine xla: %w; %s", err, Install())
	}
	if err != nil {
		return Choice{}, err
	}
	found, err := list(p.Path)
	switch {
	case err != nil && w.Engine == plan.XLA:
		return Choice{}, fmt.Errorf("engine xla: %w; `runspec doctor` says more", err)
	case err != nil:
		return w.processor(err.Error())
	case w.Engine != plan.XLA && !slices.ContainsFunc(found, Device.GPU):
		return w.processor("")
	}
	return w.among(found)
}

// processor is the choice without a device.
func (w Wish) processor(why string) (Choice, error) {
	if len(w.Devices) > 0 {
		return Choice{}, fmt.Errorf("--devices names devices, and trainings would run on the processor%s; drop --devices, or say --engine xla", because(why))
	}
	if p := engine.Precision(w.Precision); p != "" && p != engine.FP32 {
		return Choice{}, fmt.Errorf("training.precision is %s, and trainings would run on the processor, which computes in fp32%s; run it where there is a GPU, or say --set training.precision=fp32", p, because(why))
	}
	return Choice{Precision: engine.FP32, Why: why}, nil
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// among takes the wished devices of those that there are.
func (w Wish) among(found []Device) (Choice, error) {
	c := Choice{Devices: found}
	if len(w.Devices) > 0 {
		c.Devices = nil
	}
	for n, i := range w.Devices {
		if slices.Contains(w.Devices[:n], i) {
			return Choice{}, fmt.Errorf("--devices names device %d twice; for several trainings on one device say --workers", i)
		}
		if i < 0 || i >= len(found) {
			return Choice{}, fmt.Errorf("--devices: there is no device %d; there are %s", i, names(found))
		}
		c.Devices = append(c.Devices, found[i])
	}
	if len(c.Devices) == 0 {
		return Choice{}, errors.New("engine xla: the plug-in has no device")
	}
	if c.Precision = engine.Precision(w.Precision); c.Precision == "" {
		c.Precision = c.Devices[0].Precision()
	}
	return c, nil
}

func names(list []Device) string {
	var out []string
	for _, d := range list {
		out = append(out, d.String())
	}
	return strings.Join(out, "; ")
}
