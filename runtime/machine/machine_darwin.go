package machine

import (
	"strings"

	"golang.org/x/sys/unix"
)

func (m *Machine) detect() {
	if release, err := unix.Sysctl("kern.osrelease"); err == nil {
		m.OS += " " + release
	}
	m.CPU, _ = unix.Sysctl("machdep.cpu.brand_string")
	m.Memory, _ = unix.SysctlUint64("hw.memsize")
}

func (d *Disk) detect() error {
	var s unix.Statfs_t
	if err := unix.Statfs(d.Path, &s); err != nil {
		return err
	}
	d.Free, d.Total = s.Bavail*uint64(s.Bsize), s.Blocks*uint64(s.Bsize)
	d.Kind = unix.ByteSliceToString(s.Fstypename[:])
	d.Network = strings.HasPrefix(d.Kind, "nfs") || strings.HasPrefix(d.Kind, "smb") || strings.Contains(d.Kind, "fuse")
	return nil
}
