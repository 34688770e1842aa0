package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"runspec/compiler/plan"
	"runspec/runtime/accelerator"
)

// gpu looks for what trainings would use in the processor's place: a plug-in, and
// the devices that it gives. Engine xla has nothing else to train on.
func gpu(e plan.Engine, list func(path string) ([]accelerator.Device, error)) Finding {
	f := Finding{What: "accelerator"}
	if e == plan.CPU {
		f.Verdict, f.Text = Note, "under engine cpu trainings run on the processor"
		return f
	}
	p, err := accelerator.Find()
	switch {
	case errors.Is(err, accelerator.ErrNoPlugin):
		return f.missing(e, err)
	case err != nil:
		f.Verdict, f.Text = Bad, err.Error()
		return f
	}
	found, err := p.Devices(list)
	if err != nil {
		return f.broken(e, p, err)
	}
	f.Verdict, f.Text = Good, fmt.Sprintf("%s (%s): %s", p.Path, p.From, describe(found))
	if e != plan.XLA && !slices.ContainsFunc(found, accelerator.Device.GPU) {
		f.Verdict, f.Text = Note, f.Text+"; it is no GPU, so that trainings use it under engine xla alone"
	}
	return f
}

// missing is a machine without a plug-in.
func (f Finding) missing(e plan.Engine, err error) Finding {
	there := accelerator.GPUs()
	f.Remedy = capital(accelerator.Install())
	switch {
	case e == plan.XLA:
		f.Verdict, f.Text = Bad, fmt.Sprintf("engine xla: %v", err)
	case there == 0:
		f.Verdict, f.Text, f.Remedy = Note, "no GPU is seen; trainings run on the processor", ""
	default:
		f.Verdict, f.Text = Warn, fmt.Sprintf("%d GPUs%s lie idle: %v", there, driver(), err)
	}
	return f
}

// broken is a plug-in that gives no devices. Runs refuse one that was named by
// hand, and pass over one that is merely installed, unless the engine is xla.
func (f Finding) broken(e plan.Engine, p accelerator.Plugin, err error) Finding {
	f.Verdict, f.Text = Bad, fmt.Sprintf("%s: %v", p.From, err)
	if e != plan.XLA && p.From != accelerator.Variable {
		f.Verdict, f.Remedy = Warn, "Trainings run on the processor. "
	}
	if there := accelerator.GPUs(); there > 0 {
		f.Remedy += fmt.Sprintf("There are %d GPUs%s; does the plug-in fit the driver? %s", there, driver(), capital(accelerator.Install()))
	} else {
		f.Remedy += "Is the file an XLA plug-in, a shared library with GetPjrtApi?"
	}
	return f
}

func driver() string {
	if v := accelerator.Driver(); v != "" {
		return " (driver " + v + ")"
	}
	return ""
}

func describe(list []accelerator.Device) string {
	var out []string
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s, %s", d, d.Precision()))
	}
	return strings.Join(out, "; ")
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
