//go:build unix

package durable

import (
	"os"
	"syscall"
)

// linked says whether a file has two names.
func linked(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Nlink == 2
}
