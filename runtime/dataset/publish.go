package dataset

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// publish gives a finished folder its name, so that it appears whole, and syncs
// its parent. Another process may have published the same content first; then
// that one stays, and the error is nil.
func publish(tmp, dir string) error {
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.Rename(tmp, dir); err != nil {
		if info, e := os.Stat(dir); e != nil || !info.IsDir() || !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
