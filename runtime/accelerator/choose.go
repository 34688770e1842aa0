package accelerator

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
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
// one. A plug-in that Variable names must work under both: who names one means it,
// while a wheel may be installed for something else. List tells a plug-in's devices.
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
	found, err := p.Devices(list)
	switch {
	case err != nil && w.Engine == plan.XLA:
		return Choice{}, fmt.Errorf("engine xla: %w; `runspec doctor` says more", err)
	case err != nil && p.From == Variable:
		return Choice{}, fmt.Errorf("%s is set, and %w; have it name an XLA plug-in that works here, unset it, or say --engine cpu; `runspec doctor` says more", Variable, err)
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
func (w Wish) among(found []Device) (c Choice, err error) {
	if err := once(w.Devices); err != nil {
		return c, err
	}
	if c.Devices = found; len(w.Devices) > 0 {
		c.Devices = nil
	}
	for _, i := range w.Devices {
		if i < 0 || i >= len(found) {
			return Choice{}, fmt.Errorf("--devices: there is no device %d; there are %s", i, names(found))
		}
		c.Devices = append(c.Devices, found[i])
	}
	if c.Precision, err = w.precision(c.Devices); err != nil {
		return Choice{}, err
	}
	return c, nil
}

// Numbers reads what --devices takes, "0,1".
func Numbers(text string) ([]int, error) {
	var list []int
	for _, one := range strings.Split(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(one))
		if err != nil || n < 0 {
			return nil, fmt.Errorf("--devices takes numbers of devices, such as 0,1, and %q is none; `runspec doctor` lists them", one)
		}
		list = append(list, n)
	}
	return list, once(list)
}

// once refuses a device that is named twice.
func once(list []int) error {
	for n, i := range list {
		if slices.Contains(list[:n], i) {
			return fmt.Errorf("--devices names device %d twice; for several trainings on one device say --workers", i)
		}
	}
	return nil
}

// precisions are all there are; a GPU that has one has those before it too.
var precisions = []engine.Precision{engine.FP32, engine.FP16, engine.BF16}

func rank(p engine.Precision) int { return slices.Index(precisions, p) }

// Has says whether the device computes in a precision. One that tells no
// capability, such as a host's, is believed to.
func (d Device) Has(p engine.Precision) bool {
	return d.Capability == "" || rank(p) <= rank(d.Precision())
}

// precision is the wished one, which all devices must have, or else the best that
// all have: trainings of one run compute alike, whichever device they meet.
func (w Wish) precision(on []Device) (engine.Precision, error) {
	least := slices.MinFunc(on, func(a, b Device) int { return rank(a.Precision()) - rank(b.Precision()) })
	p := engine.Precision(w.Precision)
	if p == "" {
		return least.Precision(), nil
	}
	for _, d := range on {
		if !d.Has(p) {
			return "", fmt.Errorf("training.precision is %s, which %s lacks: it computes in %s; choose others by --devices, or say --set training.precision=%s", p, d, d.Precision(), least.Precision())
		}
	}
	return p, nil
}

func names(list []Device) string {
	var out []string
	for _, d := range list {
		out = append(out, d.String())
	}
	return strings.Join(out, "; ")
}
