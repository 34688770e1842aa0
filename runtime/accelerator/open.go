package accelerator

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla"
	"runspec/runtime/engine/xla/pjrt"
)

// clients are those that this process has opened: a device's memory is taken
// once, and plug-ins are never unloaded.
var clients struct {
	sync.Mutex
	open map[Device]*pjrt.Client
}

// client opens the device's plug-in with this device alone, and its share of the
// memory taken at once, unless it Grows: addresses that stay let XLA replay its
// launches.
func (d Device) client() (c *pjrt.Client, index int, err error) {
	clients.Lock()
	defer clients.Unlock()
	if c := clients.open[d]; c != nil {
		return c, d.index(c), nil
	}
	p, err := pjrt.Load(d.Plugin)
	if err != nil {
		return nil, 0, err
	}
	start := p.NewClient
	if !d.GPU() { // their plug-ins differ in what they know
		start = func(o ...pjrt.Option) (*pjrt.Client, error) { return open(p, o...) }
	}
	if c, err = start(d.alone()...); err != nil {
		return nil, 0, err
	}
	if clients.open == nil {
		clients.open = map[Device]*pjrt.Client{}
	}
	clients.open[d] = c
	return c, d.index(c), nil
}

// alone are the options of a client of this device only. Programs are compiled
// for a client's first device, whichever it is.
func (d Device) alone() []pjrt.Option {
	if !d.GPU() {
		return []pjrt.Option{{Name: "cpu_device_count", Value: int64(1)}}
	}
	return []pjrt.Option{
		{Name: "visible_devices", Value: []int64{int64(d.Index)}},
		{Name: "memory_fraction", Value: float32(d.share())},
		{Name: "preallocate", Value: !d.Grows},
	}
}

// share of the device's memory.
func (d Device) share() float64 {
	if d.Share == 0 {
		return Usable
	}
	return d.Share
}

// Usable is the share of a device's memory that trainings take, all of a device's
// together: drivers and libraries want the rest.
const Usable = 0.9

// index is the device's place in a client that may show it alone.
func (d Device) index(c *pjrt.Client) int {
	if len(c.Devices) == 1 {
		return 0
	}
	return d.Index
}

// Executor compiles a program for the device. Compiled code is kept in a folder,
// unless its name is empty.
func (d Device) Executor(p *engine.Program, precision engine.Precision, executables string) (engine.Executor, error) {
	c, index, err := d.client()
	if err != nil {
		return nil, err
	}
	return xla.New(p, xla.Options{
		Client: c, Device: index, Precision: precision,
		Executables: executables, Libraries: libraries(d.Plugin), Flags: d.flags(executables),
	})
}

// flags are XLA's for the device. What its search for the fastest kernels has
// found is kept beside the compiled programs, since other programs have the same
// convolutions; by share of the memory, since a kernel may want much of it.
func (d Device) flags(executables string) (list []pjrt.Flag) {
	if !d.GPU() {
		return nil
	}
	if dir := toolkit(d.Plugin); dir != "" {
		list = append(list, pjrt.Flag{Name: "xla_gpu_cuda_data_dir", Value: dir})
	}
	if found := filepath.Join(executables, fmt.Sprintf("kernels-%02.0f", 100*d.share())); executables != "" && os.MkdirAll(found, 0o755) == nil {
		list = append(list, pjrt.Flag{Name: "xla_gpu_per_fusion_autotune_cache_dir", Value: found})
	}
	return list
}

// Used is what the device's allocator has given to programs of this process.
func (d Device) Used() (pjrt.Memory, error) {
	c, index, err := d.client()
	if err != nil {
		return pjrt.Memory{}, err
	}
	return c.Devices[index].Memory()
}

// OutOfMemory says whether an error is a device's want of memory.
func OutOfMemory(err error) bool { return pjrt.OutOfMemory(err) }
