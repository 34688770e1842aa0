// Package pjrt drives an XLA plug-in through the PJRT C API, without cgo: a
// shared library loaded when it is asked for, and one function call per C
// function, each with one struct of arguments (layout.go). It knows neither
// networks nor StableHLO.
//
// Memory that C reads or writes until an event fires is pinned until that event
// has been awaited. Objects are closed by hand; plug-ins are never unloaded.
package pjrt

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Error is what a plug-in objects to.
type Error struct {
	Function string // of the C API
	Code     int    // absl's: 3 invalid argument, 8 resource exhausted, 12 unimplemented, …
	Message  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("PJRT_%s: %s (code %d)", e.Function, e.Message, e.Code)
}

// resourceExhausted is absl's code for memory that is not to be had.
const resourceExhausted = 8

// OutOfMemory says whether a device's lack of memory is an error or one of those
// that it joins. Where it is not an allocator of XLA's that fails, but CUDA or one
// of its libraries, the code is another, and only the message tells.
func OutOfMemory(err error) bool {
	switch e := err.(type) {
	case *Error:
		return e.Code == resourceExhausted || strings.Contains(e.Message, "out of memory") || strings.Contains(e.Message, "ALLOC_FAILED")
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), OutOfMemory)
	}
	cause := errors.Unwrap(err)
	return cause != nil && OutOfMemory(cause)
}

// Plugin is a loaded plug-in.
type Plugin struct {
	Path         string
	Major, Minor int // of the C API it was built with
	table        []uintptr
}

var loaded struct {
	sync.Mutex
	plugins map[string]*Plugin
}

// Load opens the shared library and initialises it, once for each path.
func Load(path string) (*Plugin, error) {
	loaded.Lock()
	defer loaded.Unlock()
	if p := loaded.plugins[path]; p != nil {
		return p, nil
	}
	p, err := load(path)
	if err != nil {
		return nil, fmt.Errorf("PJRT plug-in %s: %w", path, err)
	}
	if loaded.plugins == nil {
		loaded.plugins = map[string]*Plugin{}
	}
	loaded.plugins[path] = p
	return p, nil
}

// Build names the plug-in's file as it is now: another build of it has another
// size or another time.
func (p *Plugin) Build() (string, error) {
	info, err := os.Stat(p.Path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %d %d %d.%d", info.Name(), info.Size(), info.ModTime().UnixNano(), p.Major, p.Minor), nil
}

func load(path string) (*Plugin, error) {
	library, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	get, err := purego.Dlsym(library, "GetPjrtApi")
	if err != nil {
		return nil, fmt.Errorf("it is no PJRT plug-in: %w", err)
	}
	api, _, _ := purego.SyscallN(get)
	if api == 0 {
		return nil, errors.New("GetPjrtApi gave nothing")
	}
	size := *(*uintptr)(pointer(api))
	version := *(*[2]int32)(pointer(api + 32))
	if version[0] != 0 || size < tableOffset+8*uintptr(last+1) {
		return nil, fmt.Errorf("it speaks version %d.%d of the PJRT C API, this program 0.x with %d functions at least", version[0], version[1], last+1)
	}
	p := &Plugin{Path: path, Major: int(version[0]), Minor: int(version[1])}
	p.table = append(p.table, unsafe.Slice((*uintptr)(pointer(api+tableOffset)), (size-tableOffset)/8)...)
	_, err = call(p, pluginInitialize, struct{}{})
	return p, err
}

// pointer is an address of C's memory.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// text copies a string out of C's memory.
func text(address, length uintptr) string {
	if length == 0 {
		return ""
	}
	return string(unsafe.Slice((*byte)(pointer(address)), length))
}

// call calls a function and returns its arguments, in which it has left its
// results.
func call[T any](p *Plugin, f function, fields T) (*T, error) {
	a := &arguments[T]{fields: fields}
	failure := p.invoke(f, unsafe.Pointer(a), &a.head, unsafe.Sizeof(*a))
	runtime.KeepAlive(a)
	if failure == 0 {
		return &a.fields, nil
	}
	return &a.fields, p.failure(f, failure)
}

func (p *Plugin) invoke(f function, a unsafe.Pointer, h *head, size uintptr) uintptr {
	h.size = size
	result, _, _ := purego.SyscallN(p.table[f], uintptr(a))
	return result
}

// failure turns a PJRT_Error into ours and frees it.
func (p *Plugin) failure(f function, object uintptr) error {
	message, code := &arguments[getBytes]{}, &arguments[getInt]{}
	message.fields.object, code.fields.object = object, object
	p.invoke(errorMessage, unsafe.Pointer(message), &message.head, unsafe.Sizeof(*message))
	p.invoke(errorGetCode, unsafe.Pointer(code), &code.head, unsafe.Sizeof(*code))
	err := &Error{Function: names[f], Code: int(code.fields.out), Message: text(message.fields.data, message.fields.length)}
	destroy := &arguments[handle]{fields: handle{object}}
	p.invoke(errorDestroy, unsafe.Pointer(destroy), &destroy.head, unsafe.Sizeof(*destroy))
	return err
}

// await waits for an event and frees it.
func (p *Plugin) await(event uintptr) error {
	if event == 0 {
		return nil
	}
	_, err := call(p, eventAwait, handle{event})
	_, last := call(p, eventDestroy, handle{event})
	return errors.Join(err, last)
}

// get asks an object for a string.
func (p *Plugin) get(f function, object uintptr) (string, error) {
	a, err := call(p, f, getBytes{object: object})
	return text(a.data, a.length), err
}
