package pjrt

import (
	"runtime"
	"unsafe"
)

// Buffer is an array on a device, in C order.
type Buffer struct {
	client *Client
	object uintptr
}

// Number is what a Buffer's elements may be on the host's side.
type Number interface {
	~float32 | ~float64 | ~int16 | ~int32 | ~uint16
}

// The element types, PJRT_Buffer_Type's.
const (
	int16Type    = 3
	int32Type    = 4
	float32Type  = 11
	float64Type  = 12
	bfloat16Type = 13
)

func typeOf[T Number]() int32 {
	switch any(*new(T)).(type) {
	case int16:
		return int16Type
	case float64:
		return float64Type
	case int32:
		return int32Type
	case uint16:
		return bfloat16Type
	}
	return float32Type
}

// immutableUntilDone lets a plug-in read the host's memory until its event fires.
const immutableUntilDone = 1

// Upload copies an array to a device and waits until the host's memory is free
// again. A uint16 is a bfloat16's bits.
func Upload[T Number](c *Client, d Device, data []T, shape ...int) (*Buffer, error) {
	b, sent, err := Send(c, d, data, shape...)
	if err != nil {
		return nil, err
	}
	if err := sent.Await(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Download copies a buffer of the given rank into data and waits for it.
func Download[T Number](b *Buffer, rank int, data []T) error {
	if len(data) == 0 {
		return nil
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	order := make([]int64, max(1, rank))
	for i := range rank {
		order[i] = int64(rank - 1 - i)
	}
	layout := &memoryLayout{}
	layout.size = unsafe.Sizeof(*layout)
	layout.tiled.size = unsafe.Sizeof(layout.tiled)
	layout.tiled.minorToMajor, layout.tiled.rank = unsafe.Pointer(&order[0]), uintptr(rank)
	pin.Pin(layout)
	pin.Pin(&order[0])
	pin.Pin(unsafe.SliceData(data))
	a, err := call(b.client.plugin, bufferToHost, toHost{
		source: b.object, layout: unsafe.Pointer(layout),
		target: unsafe.Pointer(unsafe.SliceData(data)), length: uintptr(len(data)) * unsafe.Sizeof(data[0]),
	})
	if err != nil {
		return err
	}
	return b.client.plugin.await(a.event)
}

// Close frees the array; a donated one's handle too.
func (b *Buffer) Close() error {
	if b == nil || b.object == 0 {
		return nil
	}
	_, err := call(b.client.plugin, bufferDestroy, handle{b.object})
	b.object = 0
	return err
}
