package durable

import "sync/atomic"

// Op is a file operation that can go wrong.
type Op string

// The operations.
const (
	OpCreate  Op = "create"
	OpWrite   Op = "write" // a fault lets half of the bytes through
	OpSync    Op = "sync"
	OpClose   Op = "close"
	OpRename  Op = "rename"
	OpSyncDir Op = "sync folder"
)

var faults atomic.Pointer[func(Op, string) error]

// InjectFaults is for tests: every operation asks f, which may fail it. It
// returns what ends that.
func InjectFaults(f func(op Op, path string) error) (end func()) {
	faults.Store(&f)
	return func() { faults.Store(nil) }
}

func fault(op Op, path string) error {
	if f := faults.Load(); f != nil {
		return (*f)(op, path)
	}
	return nil
}
