package machine

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func (m *Machine) detect() {
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.OS += " " + unix.ByteSliceToString(u.Release[:])
	}
	m.CPU = field("/proc/cpuinfo", "model name")
	m.Memory, m.Available = kilobytes("MemTotal"), kilobytes("MemAvailable")
	limit, used := number("/sys/fs/cgroup/memory.max"), number("/sys/fs/cgroup/memory.current")
	if limit > 0 && limit < m.Memory {
		m.Memory = limit
		m.Available = min(m.Available, limit-min(used, limit))
	}
}

// field is the value of a line "name : value".
func field(path, name string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func kilobytes(name string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimSuffix(field("/proc/meminfo", name), " kB"), 10, 64)
	return n << 10
}

// number is the number in a file; 0 for "max", or where there is none.
func number(path string) uint64 {
	text, _ := os.ReadFile(path)
	n, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// kinds are the file systems that matter, by statfs(2)'s magic number.
var kinds = map[uint32]struct {
	name    string
	network bool
}{
	0x6969: {"nfs", true}, 0x517b: {"smb", true}, 0xff534d42: {"cifs", true}, 0xfe534d42: {"smb2", true},
	0x0bd00bd0: {"lustre", true}, 0x47504653: {"gpfs", true}, 0x00c36400: {"ceph", true}, 0x19830326: {"beegfs", true},
	0x5346414f: {"afs", true}, 0x01021997: {"9p", true}, 0x65735546: {"fuse", true}, // most of FUSE is another host's
	0xef53: {"ext4", false}, 0x58465342: {"xfs", false}, 0x9123683e: {"btrfs", false}, 0x01021994: {"tmpfs", false},
	0x794c7630: {"overlay", false}, 0x2fc12fc1: {"zfs", false}, 0xf2f52010: {"f2fs", false},
}

func (d *Disk) detect() error {
	var s unix.Statfs_t
	if err := unix.Statfs(d.Path, &s); err != nil {
		return err
	}
	d.Free, d.Total = s.Bavail*uint64(s.Bsize), s.Blocks*uint64(s.Bsize)
	d.Kind, d.Network = kinds[uint32(s.Type)].name, kinds[uint32(s.Type)].network
	return nil
}
