//go:build unix

package doctor

import "golang.org/x/sys/unix"

// writable says whether this user may write in a folder.
func writable(folder string) bool { return unix.Access(folder, unix.W_OK) == nil }

// openFiles is how many files this process may have open.
func openFiles() (uint64, bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true
}
