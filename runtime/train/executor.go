package train

import (
	"errors"
	"fmt"

	"runspec/runtime/accelerator"
	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu"
)

// ErrMemory is a device that has too little memory for a training.
var ErrMemory = errors.New("the device has too little memory for it")

// Place is where a network is trained or predicts.
type Place struct {
	Threads     int                 // processors; 0: all there are
	Device      *accelerator.Device // nil: the processor
	Precision   engine.Precision    // of a device
	Executables string              // folder of a device's compiled programs; "": none are kept
}

// place is the job's.
func (j Job) place() Place {
	p := Place{Threads: j.Threads, Device: j.Device, Executables: j.Executables, Precision: engine.Precision(j.Training.Precision)}
	if p.Device != nil && p.Precision == "" {
		p.Precision = p.Device.Precision()
	}
	return p
}

// On is the job on the device of another: where it runs is no part of a plan.
func (j Job) On(other Job) Job {
	j.Device, j.Executables, j.Code.Device = other.Device, other.Executables, other.Code.Device
	if j.Device != nil && j.Training.Precision == "" {
		j.Training.Precision = other.Training.Precision
	}
	return j
}

// newExecutor makes the executor of a program.
func newExecutor(p *engine.Program, at Place) (engine.Executor, error) {
	if at.Device == nil {
		return cpu.New(p, cpu.Options{Threads: at.Threads})
	}
	e, err := at.Device.Executor(p, at.Precision, at.Executables)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at.Device, memory(err))
	}
	return e, nil
}

// memory makes a device's want of memory an ErrMemory.
func memory(err error) error {
	if accelerator.OutOfMemory(err) && !errors.Is(err, ErrMemory) {
		return fmt.Errorf("%w: %w", ErrMemory, err)
	}
	return err
}
