package lease

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"
)

// Holder tells who holds the lease of a folder and when it last showed that it
// lives. It is false where nobody does.
func Holder(dir string) (o Owner, seen time.Duration, held bool, err error) {
	o, seen, err = read(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return o, 0, false, nil
	}
	return o, seen, err == nil, err
}

// Unlock removes the lease of a folder and tells whose it was; false where there
// was none. A living owner's goes only by force, and is else a *HeldError: the
// owner notices, and stops before it writes again.
func Unlock(dir string, force bool) (o Owner, held bool, err error) {
	path := filepath.Join(dir, name)
	for {
		o, seen, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			return o, false, nil
		}
		if err != nil {
			return o, false, told(dir, err)
		}
		if !force && alive(o, seen) {
			return o, true, &HeldError{Dir: dir, Owner: o, Seen: seen}
		}
		done, err := replace(path, o, Owner{})
		if err != nil {
			return o, true, told(dir, err)
		}
		if done {
			return o, true, nil
		}
	}
}
