package durable

import (
	"os"
	"path/filepath"
)

// Log is a file that grows at its end.
type Log struct {
	file *os.File
}

// OpenLog opens or creates a log, cuts it to a size, and puts file and
// directory entry on disk.
func OpenLog(path string, size int64) (*Log, error) {
	if err := fault(OpCreate, path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	l := &Log{f}
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, err
	}
	if err := l.Sync(); err != nil {
		f.Close()
		return nil, err
	}
	if err := SyncDir(filepath.Dir(path)); err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

func (l *Log) Write(b []byte) (int, error) {
	if err := fault(OpWrite, l.file.Name()); err != nil {
		n, _ := l.file.Write(b[:len(b)/2])
		return n, err
	}
	return l.file.Write(b)
}

// Sync puts what was written on disk.
func (l *Log) Sync() error {
	if err := fault(OpSync, l.file.Name()); err != nil {
		return err
	}
	return l.file.Sync()
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }
