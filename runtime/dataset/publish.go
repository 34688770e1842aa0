package dataset

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"runspec/runtime/durable"
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
	return durable.SyncDir(filepath.Dir(dir))
}
