// Package lease lets one process at a time own a folder, on local disks and on
// shared ones: a file names the owner, which shows that it lives by touching
// the file. The lease of a dead owner is taken over.
//
// It relies on two things that file systems do at once or not at all, network
// ones included: making a hard link, and renaming. It does not rely on locks.
// A process that is paused just before a write, so long that its lease is taken
// over, and then goes on, is stopped only at the next Check.
package lease

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"runspec/runtime/durable"
	"runspec/runtime/process"
)

// name of the lease in the folder that it is for.
const name = "lease.json"

// Options of Acquire. The zero value works.
type Options struct {
	Interval time.Duration // between signs of life; default 10 s
}

// patience is how many intervals without a sign of life make an owner count as
// dead that cannot be seen from here.
const patience = 6

// Owner is who holds a lease.
type Owner struct {
	process.Process
	Token    string        `json:"token"` // of this one lease
	Since    time.Time     `json:"since"`
	Interval time.Duration `json:"interval"` // ns
}

// Lease is the right to write in a folder. It holds until Release, or until
// another process takes it over.
type Lease struct {
	Owner  Owner
	Former *Owner // whose lease was taken over; nil if there was none

	path string
	file *os.File // the very file: who takes the lease over puts another in its place
	end  chan struct{}
	beat sync.WaitGroup
	lost chan struct{}
}

// HeldError is a lease that a living process holds.
type HeldError struct {
	Dir   string
	Owner Owner
	Seen  time.Duration // since its last sign of life
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is in use by %s since %s, last seen %s ago; wait for it, stop it, or choose another folder with --run-dir. `runspec unlock %s` tells more",
		e.Dir, e.Owner.Process, e.Owner.Since.Local().Format("2006-01-02 15:04:05"), e.Seen.Round(time.Second), e.Dir)
}

// ErrLost is a lease that another process has taken over.
var ErrLost = errors.New("another process has taken over the run directory, since this one gave no sign of life for too long or was unlocked by force; this one stops")

// Acquire takes the lease of a folder, which must exist. Where a living process
// holds it the error is a *HeldError.
func Acquire(dir string, o Options) (*Lease, error) {
	l := &Lease{Owner: newOwner(o.Interval), path: filepath.Join(dir, name), end: make(chan struct{}), lost: make(chan struct{})}
	var err error
	if l.Former, err = take(l.path, l.Owner); err != nil {
		return nil, told(dir, err)
	}
	if l.file, err = os.OpenFile(l.path, os.O_RDWR, 0); err != nil {
		return nil, told(dir, err)
	}
	if now, _, err := read(l.path); err != nil || now.Token != l.Owner.Token {
		l.file.Close()
		return nil, fmt.Errorf("lease of %s: %w", dir, ErrLost)
	}
	l.sweep()
	l.beat.Add(1)
	go l.live()
	return l, nil
}

// newOwner is this process, with a lease of its own.
func newOwner(interval time.Duration) Owner {
	if interval <= 0 {
		interval = 10 * time.Second
	}
	return Owner{Process: process.Self(), Token: rand.Text()[:16], Since: time.Now().UTC(), Interval: interval}
}

func told(dir string, err error) error {
	var held *HeldError
	if errors.As(err, &held) {
		held.Dir = dir
		return held
	}
	return fmt.Errorf("lease of %s: %w", dir, err)
}

// take puts the owner's lease at path, unless another's is there that is alive.
//
// A dead one is replaced under a second lease, at a path that bears the dead
// one's token: so one taker alone replaces it, and a slow one, which still
// thinks of the dead one when it has been replaced, finds another token there.
// The second lease is taken as the first is, so a taker that died holding it is
// no obstacle.
func take(path string, o Owner) (former *Owner, err error) {
	defer func() {
		if now, _, e := read(path); err != nil && e == nil && now.Token == o.Token {
			os.Remove(path) // it is there, but not surely on disk
		}
	}()
	for {
		err := create(path, o)
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		held, seen, err := read(path)
		if errors.Is(err, fs.ErrNotExist) { // just released
			continue
		}
		if err != nil {
			return nil, err
		}
		if alive(held, seen) {
			return nil, &HeldError{Owner: held, Seen: seen}
		}
		done, err := replace(path, held, o)
		if err != nil {
			return nil, err
		}
		if done {
			return &held, nil
		}
	}
}

// replace puts the owner's lease in the place of a dead one, if that is still
// there; with no owner it removes the dead one.
func replace(path string, dead Owner, o Owner) (done bool, err error) {
	claim := path + "." + dead.Token
	if _, err := take(claim, newOwner(0)); err != nil {
		return false, err
	}
	defer os.Remove(claim)
	now, _, err := read(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && now.Token != dead.Token {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if o.Token == "" {
		return true, os.Remove(path)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return false, err
	}
	return true, durable.Write(path, text)
}

// create puts the owner's lease at path, whole, if nothing is there.
func create(path string, o Owner) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return durable.WriteNew(path, text)
}

// unreadable stands for the token of a lease that cannot be read: it was being
// written where links are not to be had.
const unreadable = "unreadable"

var token = regexp.MustCompile(`^[A-Z2-7]{16}$`)

// read tells the owner of the lease at path, and how long ago it showed that it
// lives. That is measured by the file system's own clock, which may be another
// host's.
func read(path string) (o Owner, seen time.Duration, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return o, 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return o, 0, err
	}
	now, err := durable.Clock(filepath.Dir(path))
	if err != nil { // who may not write here may still ask
		now = time.Now()
	}
	if json.Unmarshal(text, &o) != nil || !token.MatchString(o.Token) {
		o = Owner{Token: unreadable, Process: process.Process{Host: "another host"}, Since: info.ModTime(), Interval: 10 * time.Second}
	}
	return o, max(0, now.Sub(info.ModTime())), nil
}

// alive judges an owner: one on this host by its process, any other by its last
// sign of life.
func alive(o Owner, seen time.Duration) bool {
	switch o.State() {
	case process.Alive:
		return true
	case process.Gone:
		return false
	}
	return seen < patience*max(o.Interval, time.Second/100)
}

// live touches the lease until it is released or lost.
func (l *Lease) live() {
	defer l.beat.Done()
	for tick := time.NewTicker(l.Owner.Interval); ; {
		select {
		case <-l.end:
			tick.Stop()
			return
		case <-tick.C:
		}
		if errors.Is(l.Check(), ErrLost) {
			close(l.lost)
			return
		}
		l.touch()
	}
}

// touch writes the lease's first byte again: that changes its time, by the file
// system's clock, and nothing else. A failure shows in what others see.
func (l *Lease) touch() { l.file.WriteAt([]byte("{"), 0) }

// Check is ErrLost when the lease is not this process's any more.
func (l *Lease) Check() error {
	f, err := os.Open(l.path) // opening asks a network file system anew
	if errors.Is(err, fs.ErrNotExist) {
		return ErrLost
	} else if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	defer f.Close()
	there, err := f.Stat()
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	own, err := l.file.Stat()
	if err != nil || !os.SameFile(there, own) {
		return ErrLost
	}
	return nil
}

// Context ends with the parent, or with cause ErrLost when the lease is lost.
func (l *Lease) Context(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		select {
		case <-l.lost:
			cancel(ErrLost)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// Release gives the lease back, and leaves no file.
func (l *Lease) Release() error {
	close(l.end)
	l.beat.Wait()
	defer l.file.Close()
	if l.Check() != nil {
		return nil
	}
	_, err := replace(l.path, l.Owner, Owner{})
	var held *HeldError
	if errors.As(err, &held) { // somebody is taking it over
		return nil
	}
	if err != nil { // such as a full disk
		err = os.Remove(l.path)
	}
	l.sweep()
	return err
}

// sweep removes what takers that were killed have left.
func (l *Lease) sweep() {
	durable.Sweep(filepath.Dir(l.path), 0)
	claims, _ := filepath.Glob(l.path + ".*")
	for _, path := range claims {
		if strings.HasPrefix(path, l.path+"."+l.Owner.Token) {
			continue
		}
		if o, seen, err := read(path); err == nil && !alive(o, seen) {
			os.Remove(path)
		}
	}
}
