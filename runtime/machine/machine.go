// Package machine describes what a run runs on: host, processor, memory, disks,
// and the program itself. It measures nothing and changes nothing; what a system
// does not tell stays empty.
package machine

import (
	"os"
	"runtime"

	"runspec/runtime/engine/cpu/kernel"
)

// Machine is a host as a record of a run names it.
type Machine struct {
	Host         string `json:"host"`
	OS           string `json:"os"` // "linux", with the kernel's release where it tells
	Arch         string `json:"arch"`
	CPU          string `json:"cpu,omitempty"` // model
	Cores        int    `json:"cores"`         // that this process may use
	Instructions string `json:"instructions"`  // that the kernels use: portable, avx2, avx512
	Memory       uint64 `json:"memory"`        // bytes that this process may use; 0: unknown
	Available    uint64 `json:"-"`             // bytes of it that are free now; 0: unknown
}

// Here describes this host.
func Here() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Instructions: kernel.ISA()}
	m.Host, _ = os.Hostname()
	m.detect()
	return m
}

// Disk is the file system that a folder lies in.
type Disk struct {
	Path    string // the folder, or the nearest above it that exists
	Kind    string // "nfs", "ext4", …; "" where the system does not tell
	Network bool   // its files lie on another host
	Free    uint64 // bytes that this user may still write
	Total   uint64
}
