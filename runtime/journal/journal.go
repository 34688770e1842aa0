package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gofrs/flock"

	"runspec/runtime/durable"
)

// ErrLocked means that another process writes the journal.
var ErrLocked = errors.New("another process is writing this journal; wait for it, or stop it")

// file is what a Journal needs of its file; tests inject faults here.
type file interface {
	io.WriteCloser
	Sync() error
}

// Journal is a journal open for writing, by this process alone. It is not safe
// for concurrent use: one goroutine owns a study's state.
type Journal struct {
	Path   string
	Events []Event      // all events, those appended included
	Torn   int          // bytes of an unfinished last line that Open cut off; such a line never counted
	Lazy   bool         // sync when closed only: for events that cost nothing to make again
	Check  func() error // is asked before each write and may forbid it (lease); nil forbids nothing

	file   file
	lock   *flock.Flock
	broken error
}

// Open opens or creates the journal at path and replays it. A last line without
// its newline was being written when its process died: it is cut off and
// reported in Torn. Anything else that is wrong is an error naming the line.
// Where the file system has locks the file is locked too, and the error is
// ErrLocked where another process has it open.
func Open(path string) (*Journal, error) {
	j, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, nil
}

func open(path string) (*Journal, error) {
	if err := create(path); err != nil {
		return nil, err
	}
	lock := flock.New(path, flock.SetFlag(os.O_RDWR)) // not all systems lock a file that is open for reading
	if ok, err := lock.TryLock(); err == nil && !ok {
		return nil, ErrLocked
	}
	j, err := settle(path)
	if err != nil {
		lock.Close()
		return nil, err
	}
	j.lock = lock
	return j, nil
}

func create(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// settle replays the file and cuts it to the lines that count.
func settle(path string) (*Journal, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	events, torn, err := replay(text)
	if err != nil {
		return nil, err
	}
	f, err := durable.OpenLog(path, int64(len(text)-torn))
	if err != nil {
		return nil, err
	}
	return &Journal{Path: path, Events: events, Torn: torn, file: f}, nil
}

// Read replays the journal at path without locking or changing it, while
// another process may be writing. torn is the length of an unfinished last line.
func Read(path string) (events []Event, torn int, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, fmt.Errorf("journal: %w", err)
	}
	if events, torn, err = replay(text); err != nil {
		return nil, 0, fmt.Errorf("journal %s: %w", path, err)
	}
	return events, torn, nil
}

// Append numbers and stamps the event, writes it and syncs it to disk; only
// then does it count and stand in Events. After a fault nobody knows how much
// of the line is on disk, so the journal takes no more events: open it again.
func (j *Journal) Append(e Event) (Event, error) {
	if j.broken != nil {
		return Event{}, fmt.Errorf("journal %s takes no more events after: %w", j.Path, j.broken)
	}
	e.Version, e.Sequence = Version, len(j.Events)+1
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
	text, err := line(e)
	if err != nil {
		return Event{}, fmt.Errorf("journal %s: %s of trial %s: %w", j.Path, e.Kind, e.Trial.ID, err)
	}
	if err := j.write(text); err != nil {
		j.broken = err
		return Event{}, fmt.Errorf("journal %s: %s of trial %s: %w", j.Path, e.Kind, e.Trial.ID, err)
	}
	j.Events = append(j.Events, e)
	return e, nil
}

func (j *Journal) write(text []byte) error {
	if j.Check != nil {
		if err := j.Check(); err != nil {
			return err
		}
	}
	if n, err := j.file.Write(text); err != nil {
		return err
	} else if n < len(text) {
		return io.ErrShortWrite
	}
	if j.Lazy {
		return nil
	}
	return j.file.Sync()
}

// Close releases the journal for other processes.
func (j *Journal) Close() error {
	var unsynced error
	if j.Lazy && j.broken == nil {
		unsynced = j.file.Sync()
	}
	return errors.Join(unsynced, j.file.Close(), j.lock.Close())
}
