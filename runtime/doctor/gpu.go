package doctor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"runspec/runtime/accelerator"
)

// gpu looks for what trainings would use in the processor's place: a plug-in, and
// the devices that it gives.
func gpu(list func(path string) ([]accelerator.Device, error)) Finding {
	f := Finding{What: "accelerator"}
	there := accelerator.GPUs()
	p, err := accelerator.Find()
	switch {
	case errors.Is(err, accelerator.ErrNoPlugin) && there == 0:
		f.Verdict, f.Text = Note, "no GPU is seen; trainings run on the processor"
		return f
	case errors.Is(err, accelerator.ErrNoPlugin):
		f.Verdict, f.Text = Warn, fmt.Sprintf("%d GPUs%s lie idle: %v", there, driver(), err)
		f.Remedy = capital(accelerator.Install())
		return f
	case err != nil:
		f.Verdict, f.Text = Bad, err.Error()
		return f
	}
	found, err := list(p.Path)
	if err != nil {
		f.Verdict, f.Text = Warn, fmt.Sprintf("%s: %v", p.From, err)
		f.Remedy = "Trainings run on the processor. Is the file an XLA plug-in, a shared library with GetPjrtApi?"
		if there > 0 {
			f.Remedy = fmt.Sprintf("There are %d GPUs%s; does the plug-in fit the driver? %s", there, driver(), capital(accelerator.Install()))
		}
		return f
	}
	f.Verdict, f.Text = Good, fmt.Sprintf("%s (%s): %s", p.Path, p.From, describe(found))
	if !slices.ContainsFunc(found, accelerator.Device.GPU) {
		f.Verdict, f.Text = Note, f.Text+"; it is no GPU, so that trainings use it under engine xla alone"
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
