// Package durable writes files and folders that appear whole or not at all:
// under a temporary name beside the final one, synced, renamed, the folder
// synced. The temporary name says which process is writing, so that what a
// killed process left can be told from what a living one still needs.
//
// It knows nothing of what it writes.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Write puts data at path.
func Write(path string, data []byte) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// File is a file on its way to its name.
type File struct {
	file *os.File
	path string // its name once it is whole
	over bool
}

// Create begins a file that Commit will put at path.
func Create(path string) (*File, error) {
	if err := fault(OpCreate, path); err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(temporary(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, fs.ErrExist) {
			return &File{file: f, path: path}, err
		}
	}
}

func (f *File) Write(b []byte) (int, error) {
	if err := fault(OpWrite, f.path); err != nil {
		n, _ := f.file.Write(b[:len(b)/2]) // as much as there was room for
		return n, err
	}
	return f.file.Write(b)
}

// Commit puts the file on disk under its name, in the place of any other.
func (f *File) Commit() error {
	if err := errors.Join(fault(OpSync, f.path), f.file.Sync()); err != nil {
		return err
	}
	if err := errors.Join(fault(OpClose, f.path), f.file.Close()); err != nil {
		return err
	}
	if err := fault(OpRename, f.path); err != nil {
		return err
	}
	if err := os.Rename(f.file.Name(), f.path); err != nil {
		return err
	}
	f.over = true
	return SyncDir(filepath.Dir(f.path))
}

// Discard forgets a file that was not committed; else it does nothing.
func (f *File) Discard() {
	if !f.over {
		f.over = true
		f.file.Close()
		os.Remove(f.file.Name())
	}
}

// SyncDir puts a folder's entries on disk. Systems that cannot sync a folder
// order its entries themselves.
func SyncDir(dir string) error {
	if err := fault(OpSyncDir, dir); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, os.ErrInvalid) && !errors.Is(err, os.ErrPermission) {
		return err
	}
	return nil
}

// WriteNew puts data at path if nothing is there; else the error is
// fs.ErrExist. Of several processes that try one succeeds. Where the file
// system has no hard links the file is empty for a moment.
func WriteNew(path string, data []byte) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := errors.Join(fault(OpSync, path), f.file.Sync()); err != nil {
		return err
	}
	if err := fault(OpRename, path); err != nil {
		return err
	}
	err = os.Link(f.file.Name(), path)
	switch {
	case err == nil, errors.Is(err, fs.ErrExist) && linked(f.file): // a network file system may report on its second try
		return SyncDir(filepath.Dir(path))
	case errors.Is(err, fs.ErrExist):
		return fs.ErrExist
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, fs.ErrPermission):
		return writeExclusively(path, data)
	}
	return err
}

func writeExclusively(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// Clock is the time that the file system of a folder gives new files.
func Clock(dir string) (time.Time, error) {
	f, err := Create(filepath.Join(dir, "clock"))
	if err != nil {
		return time.Time{}, err
	}
	defer f.Discard()
	if _, err := f.file.Write([]byte{0}); err != nil {
		return time.Time{}, err
	}
	info, err := f.file.Stat()
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}
