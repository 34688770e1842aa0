package pjrt

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Event is something that a device has yet to do. It must be awaited, which also
// frees the host's memory that the device reads until then.
type Event struct {
	plugin *Plugin
	object uintptr
	pin    runtime.Pinner
}

// Await waits until it is done; a second time it returns at once.
func (e *Event) Await() error {
	if e == nil {
		return nil
	}
	err := e.plugin.await(e.object)
	e.object = 0
	e.pin.Unpin()
	return err
}

// Send starts to copy an array to a device. The host's memory must stay as it is
// until the event has been awaited; the buffer may be used at once. A uint16 is a
// bfloat16's bits.
func Send[T Number](c *Client, d Device, data []T, shape ...int) (*Buffer, *Event, error) {
	e := &Event{plugin: c.plugin}
	dims := make([]int64, len(shape))
	size := 1
	for i, n := range shape {
		dims[i] = int64(n)
		size *= n
	}
	if size != len(data) {
		return nil, nil, fmt.Errorf("%d values for an array of shape %v", len(data), shape)
	}
	if len(data) > 0 {
		e.pin.Pin(unsafe.SliceData(data))
	}
	a, err := call(c.plugin, clientBufferFromHost, fromHost{
		client: c.object, data: unsafe.Pointer(unsafe.SliceData(data)), kind: typeOf[T](),
		dims: unsafe.Pointer(unsafe.SliceData(dims)), rank: uintptr(len(dims)),
		semantics: immutableUntilDone, device: d.object,
	})
	if err != nil {
		e.pin.Unpin()
		return nil, nil, err
	}
	e.object = a.done
	return &Buffer{client: c, object: a.buffer}, e, nil
}

// Start is Run with an event for the program's end, where what went wrong in it
// is told.
func (e *Executable) Start(inputs []*Buffer) ([]*Buffer, *Event, error) {
	done := &Event{plugin: e.client.plugin}
	list := make([]uintptr, 1)
	outputs, err := e.run(inputs, &list[0])
	if err != nil {
		return nil, nil, err
	}
	done.object = list[0]
	return outputs, done, nil
}
