package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// DiskOf tells of the file system that a folder lies in, or will lie in.
func DiskOf(folder string) (Disk, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return Disk{}, err
	}
	for {
		_, err := os.Stat(path)
		if above := filepath.Dir(path); errors.Is(err, fs.ErrNotExist) && above != path {
			path = above
			continue
		}
		if err != nil {
			return Disk{Path: path}, err
		}
		d := Disk{Path: path}
		return d, d.detect()
	}
}
