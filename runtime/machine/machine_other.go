//go:build !linux && !darwin

package machine

import "errors"

func (m *Machine) detect() {}

func (d *Disk) detect() error { return errors.New("this system does not tell of its disks") }
