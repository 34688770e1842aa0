package pjrt

import (
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Executable is a compiled program on a device.
type Executable struct {
	Outputs int
	client  *Client
	loaded  uintptr // PJRT_LoadedExecutable
	object  uintptr // PJRT_Executable
}

// Flag is a setting of XLA's for one compilation, by its name without dashes.
type Flag struct{ Name, Value string }

// compileOptions encodes a CompileOptionsProto: one replica, one partition, and
// the flags as env_option_overrides. Without the first two a plug-in aborts the
// process.
func compileOptions(flags []Flag) []byte {
	bytes := func(to []byte, tag byte, v []byte) []byte {
		return append(binary.AppendUvarint(append(to, tag), uint64(len(v))), v...)
	}
	out := []byte{0x1a, 4, 0x20, 1, 0x28, 1}
	for _, f := range flags {
		value := bytes(nil, 0x0a, []byte(f.Value))
		out = bytes(out, 0x3a, bytes(bytes(nil, 0x0a, []byte(f.Name)), 0x12, value))
	}
	return out
}

// source is a StableHLO module in MLIR's text form.
func source(module string) *arguments[program] {
	code, format := []byte(module), []byte("mlir")
	s := &arguments[program]{fields: program{
		code: unsafe.Pointer(unsafe.SliceData(code)), codeLength: uintptr(len(code)),
		format: unsafe.Pointer(unsafe.SliceData(format)), formatLength: uintptr(len(format)),
	}}
	s.size = unsafe.Sizeof(*s)
	return s
}

// Compile compiles a StableHLO module in MLIR's text form.
func (c *Client) Compile(module string, flags ...Flag) (*Executable, error) {
	options := compileOptions(flags)
	a, err := call(c.plugin, clientCompile, compile{
		client: c.object, program: source(module),
		options: unsafe.Pointer(unsafe.SliceData(options)), optionsLength: uintptr(len(options)),
	})
	if err != nil {
		return nil, err
	}
	return c.executable(a.executable)
}

// Load restores an executable from what Serialize gave of it.
func (c *Client) Load(serialized []byte) (*Executable, error) {
	if len(serialized) == 0 {
		return nil, errors.New("no bytes to load an executable from")
	}
	a, err := call(c.plugin, deserializeAndLoad, deserialize{
		client: c.object, data: unsafe.Pointer(unsafe.SliceData(serialized)), length: uintptr(len(serialized)),
	})
	if err != nil {
		return nil, err
	}
	return c.executable(a.executable)
}

func (c *Client) executable(loaded uintptr) (*Executable, error) {
	e, err := call(c.plugin, loadedGetExecutable, getPointer{object: loaded})
	if err != nil {
		call(c.plugin, loadedDestroy, handle{loaded})
		return nil, err
	}
	x := &Executable{client: c, loaded: loaded, object: e.out}
	n, err := call(c.plugin, executableNumOutputs, getPointer{object: e.out})
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	x.Outputs = int(n.out)
	return x, nil
}

// Serialize gives the compiled program's bytes, for Load with the same plug-in
// and kind of device.
func (e *Executable) Serialize() ([]byte, error) {
	a, err := call(e.client.plugin, executableSerialize, serialize{executable: e.object})
	if err != nil {
		return nil, err
	}
	out := []byte(text(a.data, a.length))
	purego.SyscallN(a.deleter, a.owner)
	return out, nil
}

// Run starts the program on the inputs and returns its outputs, which later
// calls may use at once: the device orders them. Inputs that the program aliases
// with outputs are donated, and are only good for closing afterwards.
func (e *Executable) Run(inputs []*Buffer) ([]*Buffer, error) { return e.run(inputs, nil) }

// run starts the program; done, unless nil, receives the event of its end.
func (e *Executable) run(inputs []*Buffer, done *uintptr) ([]*Buffer, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	in, out := make([]uintptr, max(1, len(inputs))), make([]uintptr, max(1, e.Outputs))
	for i, b := range inputs {
		in[i] = b.object
	}
	inList, outList := []*uintptr{&in[0]}, []*uintptr{&out[0]}
	pin.Pin(&in[0])
	pin.Pin(&out[0])
	if done != nil {
		pin.Pin(done)
	}
	options := &arguments[executeOptions]{}
	options.size = unsafe.Sizeof(*options)
	_, err := call(e.client.plugin, loadedExecute, execute{
		executable: e.loaded, options: options, devices: 1, inputCount: uintptr(len(inputs)),
		inputs: unsafe.Pointer(&inList[0]), outputs: unsafe.Pointer(&outList[0]), events: unsafe.Pointer(done),
	})
	if err != nil {
		return nil, err
	}
	buffers := make([]*Buffer, e.Outputs)
	for i := range buffers {
		buffers[i] = &Buffer{client: e.client, object: out[i]}
	}
	return slices.Clip(buffers), nil
}

// Close frees the program.
func (e *Executable) Close() error {
	_, first := call(e.client.plugin, executableDestroy, handle{e.object})
	_, second := call(e.client.plugin, loadedDestroy, handle{e.loaded})
	return errors.Join(first, second)
}
