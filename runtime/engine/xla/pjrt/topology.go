package pjrt

import (
	"errors"
	"runtime"
	"unsafe"
)

// Topology describes devices that need not be there: what is compiled for them
// can be read, and loaded where they are.
type Topology struct {
	plugin *Plugin
	object uintptr
}

// NewTopology describes devices by the plug-in's own options; XLA's for CUDA
// takes target_config, a device's properties as text, and topology, "1x1x1" for
// a single device.
func (p *Plugin) NewTopology(name string, options ...Option) (*Topology, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	list, err := encode(options, &pin)
	if err != nil {
		return nil, err
	}
	title := []byte(name)
	a, err := call(p, topologyCreate, createTopology{
		name: unsafe.Pointer(unsafe.SliceData(title)), nameLength: uintptr(len(title)),
		options: unsafe.Pointer(unsafe.SliceData(list)), count: uintptr(len(list)),
	})
	if err != nil {
		return nil, err
	}
	return &Topology{plugin: p, object: a.topology}, nil
}

// Compile compiles a StableHLO module in MLIR's text form for the topology's
// devices.
func (t *Topology) Compile(module string, flags ...Flag) (*Compiled, error) {
	options := compileOptions(flags)
	a, err := call(t.plugin, compileAhead, compileFor{
		topology: t.object, program: source(module),
		options: unsafe.Pointer(unsafe.SliceData(options)), optionsLength: uintptr(len(options)),
	})
	if err != nil {
		return nil, err
	}
	return &Compiled{plugin: t.plugin, object: a.executable}, nil
}

// Close frees the description; what was compiled for it stays.
func (t *Topology) Close() error {
	_, err := call(t.plugin, topologyDestroy, handle{t.object})
	return err
}

// Compiled is a program compiled for devices that need not be there.
type Compiled struct {
	plugin *Plugin
	object uintptr // PJRT_Executable
}

// Optimized gives the program after XLA's passes, which is what runs: the bytes
// and their format, "hlo_with_config" (an HloModuleProtoWithConfig) or "hlo".
func (c *Compiled) Optimized() (code []byte, format string, err error) {
	p := &arguments[program]{}
	p.size = unsafe.Sizeof(*p)
	if _, err := call(c.plugin, executableOptimized, optimized{c.object, p}); err != nil { // the length
		return nil, "", err
	}
	if p.fields.codeLength == 0 {
		return nil, "", errors.New("the plug-in keeps no optimised program")
	}
	code = make([]byte, p.fields.codeLength)
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&code[0])
	p.fields.code = unsafe.Pointer(&code[0])
	if _, err := call(c.plugin, executableOptimized, optimized{c.object, p}); err != nil {
		return nil, "", err
	}
	return code, text(uintptr(p.fields.format), p.fields.formatLength), nil
}

// Footprint is what a program takes of a device's memory while it runs, in bytes.
type Footprint struct {
	Code, Arguments, Outputs int64
	Aliased                  int64 // of the outputs, in the arguments' place
	Temporary                int64
}

// Total is all of it.
func (f Footprint) Total() int64 {
	return f.Code + f.Arguments + f.Outputs - f.Aliased + f.Temporary
}

// Footprint tells it.
func (c *Compiled) Footprint() (Footprint, error) { return c.plugin.footprint(c.object) }

// Footprint tells it.
func (e *Executable) Footprint() (Footprint, error) { return e.client.plugin.footprint(e.object) }

func (p *Plugin) footprint(executable uintptr) (Footprint, error) {
	a, err := call(p, executableMemory, compiledMemory{executable: executable})
	return Footprint{a.code, a.arguments, a.outputs, a.aliased, a.temps}, err
}

// Close frees the program.
func (c *Compiled) Close() error {
	_, err := call(c.plugin, executableDestroy, handle{c.object})
	return err
}
