package xla

import (
	"errors"
	"fmt"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// State implements engine.Executor. What cannot be read back is an error that
// the interface has no place for: the device is gone then, and the panic says so.
func (e *Executor) State() engine.State {
	s, err := e.download()
	if err != nil {
		panic(fmt.Errorf("xla: read the state back: %w", err))
	}
	return s
}

// Restore implements engine.Executor.
func (e *Executor) Restore(s engine.State) error {
	if err := e.weights.Restore(s); err != nil {
		return err
	}
	e.free()
	if err := errors.Join(e.upload(), e.uploadScaling(s)); err != nil {
		return fmt.Errorf("xla: %w", err)
	}
	return nil
}

// upload puts the host's weights on the device.
func (e *Executor) upload() error {
	s, p := e.weights.State(), e.program
	e.steps = s.Steps
	e.parameters, e.norms = make([]*pjrt.Buffer, len(p.Parameters)), make([][2]*pjrt.Buffer, len(p.Norms))
	e.slots = map[string][]*pjrt.Buffer{}
	put := func(q engine.Parameter, t engine.Tensor) (*pjrt.Buffer, error) {
		return pjrt.Upload(e.client, e.device, toDevice(q, t.Data), deviceShape(q)...)
	}
	var err error
	for i, q := range p.Parameters {
		if e.parameters[i], err = put(q, s.Parameters[q.Name]); err != nil {
			return err
		}
	}
	for _, name := range p.Optimizer.SlotNames() {
		e.slots[name] = make([]*pjrt.Buffer, len(p.Parameters))
		for i, q := range p.Parameters {
			t, trained := s.Slots[name][q.Name]
			if !trained {
				continue
			}
			if e.slots[name][i], err = put(q, t); err != nil {
				return err
			}
		}
	}
	for i, n := range p.Norms {
		for row, name := range n.Buffers() {
			if e.norms[i][row], err = pjrt.Upload(e.client, e.device, s.Buffers[name].Data, n.Channels); err != nil {
				return err
			}
		}
	}
	return nil
}

// download copies the device's weights, in PyTorch's layout.
func (e *Executor) download() (engine.State, error) {
	p := e.program
	s := engine.State{Steps: e.steps, Parameters: map[string]engine.Tensor{}, Buffers: map[string]engine.Tensor{}, Slots: map[string]map[string]engine.Tensor{}}
	get := func(b *pjrt.Buffer, q engine.Parameter) (engine.Tensor, error) {
		t, err := download(b, deviceShape(q))
		return engine.Tensor{Shape: q.Shape, Data: fromDevice(q, t.Data)}, err
	}
	var err error
	for i, q := range p.Parameters {
		if s.Parameters[q.Name], err = get(e.parameters[i], q); err != nil {
			return s, err
		}
	}
	for _, name := range p.Optimizer.SlotNames() {
		s.Slots[name] = map[string]engine.Tensor{}
		for i, q := range p.Parameters {
			if e.slots[name][i] == nil {
				continue
			}
			if s.Slots[name][q.Name], err = get(e.slots[name][i], q); err != nil {
				return s, err
			}
		}
	}
	for i, n := range p.Norms {
		for row, name := range n.Buffers() {
			if s.Buffers[name], err = download(e.norms[i][row], []int{n.Channels}); err != nil {
				return s, err
			}
		}
	}
	return s, e.downloadScaling(s)
}

// free gives the state's memory back.
func (e *Executor) free() {
	release(e.parameters)
	for _, slot := range e.slots {
		release(slot)
	}
	for _, pair := range e.norms {
		release(pair[:])
	}
	release(e.scaling)
	e.parameters, e.slots, e.norms, e.scaling = nil, nil, nil, nil
}
