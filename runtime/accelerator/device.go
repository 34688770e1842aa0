package accelerator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla"
	"runspec/runtime/engine/xla/pjrt"
)

// Device is one device of a plug-in, as a job names it.
type Device struct {
	Plugin     string  `json:"plugin"`               // path
	Index      int     `json:"index"`                // among the plug-in's devices
	Platform   string  `json:"platform"`             // "cuda", "cpu"
	Kind       string  `json:"kind"`                 // "NVIDIA H200"
	Capability string  `json:"capability,omitempty"` // CUDA's compute capability, "9.0"
	Memory     int64   `json:"memory,omitempty"`     // bytes that it has; 0: not told
	Share      float64 `json:"share,omitempty"`      // of the memory, for one training; 0: all that is Usable
	Grows      bool    `json:"grows,omitempty"`      // takes memory as it needs it, beside others; else its share at once
}

// GPU says whether the device is one that is faster than the processor.
func (d Device) GPU() bool { return d.Platform != "cpu" }

func (d Device) String() string {
	s := fmt.Sprintf("%s %d: %s", d.Platform, d.Index, d.Kind)
	if d.Memory > 0 {
		s += fmt.Sprintf(", %.0f GB", float64(d.Memory)/1e9)
	}
	return s
}

// Precision is what trainings compute in on the device unless they are told:
// bfloat16 where the hardware multiplies it (compute capability 8 and more),
// half precision where it has tensor cores for that alone (7), else float32.
func (d Device) Precision() engine.Precision {
	major, _, _ := strings.Cut(d.Capability, ".")
	switch n, err := strconv.Atoi(major); {
	case err != nil || n < 7:
		return engine.FP32
	case n == 7:
		return engine.FP16
	}
	return engine.BF16
}

// List opens a plug-in and lists its devices. It takes none of their memory for
// good, but the plug-in stays loaded, so long-lived processes Ask instead.
func List(path string) ([]Device, error) {
	p, err := pjrt.Load(path)
	if err != nil {
		return nil, err
	}
	c, err := open(p, whole()...)
	if err != nil {
		return nil, fmt.Errorf("PJRT plug-in %s: %w", path, err)
	}
	list, err := describe(c, path)
	if err == nil {
		err = try(c, list)
	}
	return list, errors.Join(err, c.Close())
}

// describe lists a client's devices.
func describe(c *pjrt.Client, path string) (list []Device, err error) {
	platform, _, _ := strings.Cut(c.Platform, ",")
	for i, d := range c.Devices {
		m, err := d.Memory()
		if err != nil { // a plug-in need not tell
			m = pjrt.Memory{}
		}
		list = append(list, Device{
			Plugin: path, Index: i, Platform: platform, Kind: d.Kind, Capability: d.Attributes["compute_capability"], Memory: max(0, m.Limit),
		})
	}
	return list, nil
}

// try has a GPU multiply: a plug-in lists GPUs also where the tools to compile for
// them, or the libraries that it calls, are missing or do not fit.
func try(c *pjrt.Client, list []Device) error {
	if len(list) == 0 || !list[0].GPU() {
		return nil
	}
	d := list[0]
	if err := xla.Try(c, d.Precision(), d.flags("")...); err != nil && !pjrt.OutOfMemory(err) { // others may fill it now
		return fmt.Errorf("%s computes nothing: %w%s", d, err, d.wants())
	}
	return nil
}

// wants says which of CUDA's tools are not found.
func (d Device) wants() string {
	if toolkit(d.Plugin) != "" {
		return ""
	}
	return fmt.Sprintf("; no %s with %s is found: the wheels nvidia-cuda-nvcc and nvidia-nvvm have them, or CUDA's toolkit, whose folder CUDA_HOME names", assembler, deviceLibrary)
}

// whole are the options of a client that shows all of each device's memory and
// takes none: by itself XLA keeps to three quarters of it, and tells of those.
func whole() []pjrt.Option {
	return []pjrt.Option{{Name: "preallocate", Value: false}, {Name: "memory_fraction", Value: float32(1)}}
}

// open makes a client with options that some plug-ins know; others refuse them,
// and get none.
func open(p *pjrt.Plugin, options ...pjrt.Option) (*pjrt.Client, error) {
	c, err := p.NewClient(options...)
	var e *pjrt.Error
	if errors.As(err, &e) && e.Code == invalidArgument {
		return p.NewClient()
	}
	return c, err
}

// invalidArgument is absl's code of a client's answer to an option that it does
// not know.
const invalidArgument = 3

// Write writes devices for Ask's other end.
func Write(w io.Writer, list []Device) error { return json.NewEncoder(w).Encode(list) }

// patience is what a plug-in may take to tell its devices: CUDA's start is slow
// on machines with many GPUs.
const patience = 2 * time.Minute

// Ask lists a plug-in's devices in a process of its own: a client takes memory on
// every device, and a driver that does not fit its plug-in may end the process.
// Command is that process's; the path is appended, and it Writes what it Lists.
func Ask(ctx context.Context, command []string, path string) ([]Device, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], path)...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("the plug-in %s tells no devices: %w%s", path, err, lastLine(strings.ReplaceAll(said.String(), path+": "+path+": ", path+": ")))
	}
	var list []Device
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		return nil, fmt.Errorf("the plug-in %s tells no devices: %w", path, err)
	}
	return list, nil
}

// lastLine is what a process said at last, in brackets.
func lastLine(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return " (" + last + ")"
	}
	return ""
}
