package pjrt

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"unsafe"
)

// Client owns a plug-in's devices.
type Client struct {
	Devices  []Device
	Platform string // "cpu", "cuda", with the plug-in's version
	plugin   *Plugin
	object   uintptr
}

// Device is one device of a client.
type Device struct {
	Kind       string            // "NVIDIA H200", "cpu"
	Attributes map[string]string // what the plug-in tells of it in words: "compute_capability"
	plugin     *Plugin
	object     uintptr
}

// Option is a named setting of a client: a string, int64, float32, bool or
// []int64. A name that the plug-in does not know is an error.
type Option struct {
	Name  string
	Value any
}

// NewClient opens the plug-in's devices.
func (p *Plugin) NewClient(options ...Option) (*Client, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	list, err := encode(options, &pin)
	if err != nil {
		return nil, err
	}
	a, err := call(p, clientCreate, createClient{options: unsafe.Pointer(unsafe.SliceData(list)), count: uintptr(len(list))})
	if err != nil {
		return nil, err
	}
	c := &Client{plugin: p, object: a.client}
	if err := c.describe(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func encode(options []Option, pin *runtime.Pinner) ([]namedValue, error) {
	list := make([]namedValue, len(options))
	for i, o := range options {
		var err error
		if list[i], err = o.encode(pin); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// The kinds of a named value.
const (
	stringValue = iota
	intValue
	intListValue
	floatValue
	boolValue
)

func (o Option) encode(pin *runtime.Pinner) (namedValue, error) {
	address := func(b []byte) uintptr {
		pin.Pin(unsafe.SliceData(b))
		return uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	}
	v := namedValue{name: address([]byte(o.Name + "\x00")), nameLength: uintptr(len(o.Name)), length: 1}
	v.size = unsafe.Sizeof(v)
	switch x := o.Value.(type) {
	case string:
		v.kind, v.value, v.length = stringValue, address([]byte(x+"\x00")), uintptr(len(x))
	case int64:
		v.kind, v.value = intValue, uintptr(x)
	case []int64:
		pin.Pin(unsafe.SliceData(x))
		v.kind, v.value, v.length = intListValue, uintptr(unsafe.Pointer(unsafe.SliceData(x))), uintptr(len(x))
	case float32:
		v.kind, v.value = floatValue, uintptr(math.Float32bits(x))
	case bool:
		v.kind = boolValue
		if x {
			v.value = 1
		}
	default:
		return v, fmt.Errorf("client option %s: a value of type %T cannot be passed", o.Name, o.Value)
	}
	return v, nil
}

// describe fills in platform and devices.
func (c *Client) describe() error {
	name, err := c.plugin.get(clientPlatformName, c.object)
	if err != nil {
		return err
	}
	version, err := c.plugin.get(clientPlatformVersion, c.object)
	if err != nil {
		return err
	}
	c.Platform = name + ", " + version
	list, err := call(c.plugin, clientAddressableDevices, getBytes{object: c.object})
	if err != nil || list.length == 0 {
		return err
	}
	for _, object := range unsafe.Slice((*uintptr)(pointer(list.data)), list.length) {
		d, err := call(c.plugin, deviceGetDescription, getPointer{object: object})
		if err != nil {
			return err
		}
		kind, err := c.plugin.get(descriptionKind, d.out)
		if err != nil {
			return err
		}
		attributes, err := c.plugin.attributes(d.out)
		if err != nil {
			return err
		}
		c.Devices = append(c.Devices, Device{Kind: kind, Attributes: attributes, plugin: c.plugin, object: object})
	}
	return nil
}

// attributes are those of a device's description that are words.
func (p *Plugin) attributes(description uintptr) (map[string]string, error) {
	list, err := call(p, descriptionAttributes, getList{object: description})
	if err != nil || list.count == 0 {
		return nil, err
	}
	words := map[string]string{}
	for _, v := range unsafe.Slice((*namedValue)(pointer(list.data)), list.count) {
		if v.kind == stringValue {
			words[text(v.name, v.nameLength)] = text(v.value, v.length)
		}
	}
	return words, nil
}

// Plugin is the plug-in that the client is of.
func (c *Client) Plugin() *Plugin { return c.plugin }

// Close gives the devices back; buffers and executables must be closed before.
func (c *Client) Close() error {
	_, err := call(c.plugin, clientDestroy, handle{c.object})
	return err
}

// Memory is what a device's allocator tells, in bytes; -1: it does not.
type Memory struct{ InUse, Peak, Limit int64 }

// Memory asks the device's allocator.
func (d Device) Memory() (Memory, error) {
	a, err := call(d.plugin, deviceMemoryStats, memoryStats{device: d.object})
	if err != nil {
		return Memory{}, err
	}
	told := func(i int) int64 {
		if !a.more[i].known {
			return -1
		}
		return a.more[i].value
	}
	return Memory{InUse: a.inUse, Peak: told(0), Limit: told(3)}, nil
}
