// Package doctor looks at a machine as an experiment will: what it would train
// with, where it would write, and what may go wrong there. It changes nothing.
package doctor

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"runspec/compiler/plan"
	"runspec/runtime/accelerator"
	"runspec/runtime/engine/cpu/kernel"
	"runspec/runtime/machine"
)

// Version is the format of a Report; fields are only added to it.
const Version = "runspec/doctor/v1"

// Verdict says what a finding means.
type Verdict string

// The verdicts.
const (
	Good Verdict = "ok"
	Note Verdict = "note"
	Warn Verdict = "warning" // it will work, but not well, or not for long
	Bad  Verdict = "error"   // it will not work
)

// Finding is one thing that was looked at.
type Finding struct {
	What    string  `json:"what"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
	Remedy  string  `json:"remedy,omitempty"`
}

// Report is all that was looked at.
type Report struct {
	Version  string          `json:"version"`
	Program  machine.Build   `json:"program"`
	Machine  machine.Machine `json:"machine"`
	Findings []Finding       `json:"findings"`
}

// Places are the folders that an experiment would use.
type Places struct {
	Runs, Cache string
	Data        string // "": not given, so that data sets are downloaded

	Engine plan.Engine // "": auto; under "xla" trainings must reach a device

	Probe func(path string) ([]accelerator.Device, error) // tells a plug-in's devices
}

// Examine looks at this machine.
func Examine(p Places) Report {
	r := Report{Version: Version, Program: machine.Program(), Machine: machine.Here()}
	r.Findings = append(r.Findings, program(r.Program), processor(r.Machine), memory(r.Machine),
		disk("runs", p.Runs, 5<<30), disk("cache", p.Cache, 10<<30), data(p.Data), files(), git(), gpu(p.Engine, p.Probe))
	return r
}

// Worst is the gravest verdict.
func (r Report) Worst() Verdict {
	worst := Good
	for _, f := range r.Findings {
		if f.Verdict == Bad || f.Verdict == Warn && worst != Bad {
			worst = f.Verdict
		}
	}
	return worst
}

// Write writes the report for a person.
func (r Report) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		text := f.Text
		if f.Remedy != "" {
			text += ". " + f.Remedy
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Verdict, f.What, text)
	}
	return t.Flush()
}

func program(b machine.Build) Finding {
	f := Finding{What: "runspec", Verdict: Good, Text: fmt.Sprintf("%s, %s, %s/%s", b.Version, b.Go, b.OS, b.Arch)}
	if b.Commit != "" {
		f.Text += fmt.Sprintf(", commit %.12s", b.Commit)
	}
	if b.Dirty {
		f.Text += " with changes"
	}
	return f
}

func processor(m machine.Machine) Finding {
	model := m.CPU
	if model == "" {
		model = m.Arch
	}
	f := Finding{What: "processor", Verdict: Good, Text: fmt.Sprintf("%s, %d cores, kernels use %s of %s", model, m.Cores, m.Instructions, strings.Join(kernel.ISAs(), ", "))}
	if err := kernel.Check(); err != nil {
		f.Verdict, f.Remedy = Bad, err.Error()
	} else if m.Instructions == "portable" {
		f.Verdict, f.Remedy = Warn, "Portable kernels are some ten times slower than those with AVX2"
	}
	return f
}

// least is the memory that a training of the Decathlon's smallest task takes,
// with its data.
const least = 2 << 30

func memory(m machine.Machine) Finding {
	f := Finding{What: "memory", Verdict: Good, Text: size(m.Memory)}
	switch {
	case m.Memory == 0:
		f.Verdict, f.Text = Note, "this system does not tell"
	case m.Available == 0:
	default:
		f.Text += ", of which " + size(m.Available) + " are free"
		if m.Available < least {
			f.Verdict, f.Remedy = Warn, "A training of the Decathlon's smallest task takes up to "+size(least)+"; use fewer --workers"
		}
	}
	return f
}

// disk looks at a folder that a run writes to, and at what it should have free.
func disk(what, folder string, want uint64) Finding {
	f := Finding{What: what, Verdict: Good, Text: folder}
	d, err := machine.DiskOf(folder)
	if err != nil {
		f.Verdict, f.Remedy = Note, err.Error()
		return f
	}
	f.Text += ", " + size(d.Free) + " free"
	if d.Kind != "" {
		f.Text += " on " + d.Kind
	}
	switch {
	case !writable(d.Path):
		f.Verdict, f.Remedy = Bad, d.Path+" is not writable; choose another folder"
	case d.Free < want:
		f.Verdict, f.Remedy = Warn, "Checkpoints, predictions and preprocessed cases want more: "+size(want)+" for a small task, far more for a large one"
	case d.Network:
		f.Verdict, f.Remedy = Warn, "It is a network's: slower, and a host that hangs looks alive for a minute; one run at a time is guarded, but copies made meanwhile may be torn"
	}
	return f
}

func data(folder string) Finding {
	f := Finding{What: "data", Verdict: Good}
	if folder == "" {
		f.Verdict, f.Text = Note, "no folder given (--data, RUNSPEC_DATA): data sets of the Decathlon are downloaded to the cache"
		return f
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		f.Verdict, f.Text, f.Remedy = Bad, err.Error(), "Give a folder with data sets by --data"
		return f
	}
	var found []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(folder, e.Name(), "dataset.json")); err == nil {
			found = append(found, e.Name())
		}
	}
	f.Text = fmt.Sprintf("%s has %s", folder, strings.Join(found, ", "))
	if len(found) == 0 {
		f.Verdict, f.Text = Warn, folder+" has no data set"
		f.Remedy = "Each is a folder with a dataset.json, such as Task04_Hippocampus"
	}
	return f
}

// enough files for a worker's pipes, cases and checkpoints.
const enough = 256

func files() Finding {
	n, ok := openFiles()
	f := Finding{What: "open files", Verdict: Good, Text: fmt.Sprintf("%d at once", n)}
	switch {
	case !ok:
		f.Verdict, f.Text = Note, "this system does not tell"
	case n < enough:
		f.Verdict, f.Remedy = Warn, "Raise the limit with ulimit -n"
	}
	return f
}

func git() Finding {
	if path, err := exec.LookPath("git"); err == nil {
		return Finding{What: "git", Verdict: Good, Text: path}
	}
	return Finding{What: "git", Verdict: Note, Text: "not found; a run's provenance will lack the commit of its spec"}
}

// size prints bytes.
func size(n uint64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
