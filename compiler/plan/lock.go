package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"runspec/compiler/nnunet"
	"runspec/runtime/durable"
)

// LockVersion is the format of a Lock.
const LockVersion = "runspec/lock/v1"

// ErrLock is a lock that is missing, or that says otherwise than spec and data.
var ErrLock = errors.New("the lock does not hold")

// Lock is what specs came to, in a file beside them that is kept with them: what
// their data were, how these are split, what was planned from them. A spec with
// tags describes several experiments.
type Lock struct {
	Version     string   `json:"version"`
	Schema      string   `json:"schema"` // format of the plans that are meant
	Tool        string   `json:"tool"`   // that wrote it last; not compared
	Experiments []Locked `json:"experiments"`
}

// Locked is what one experiment came to: a spec under some tags.
type Locked struct {
	Name     string            `json:"name"`
	Tags     map[string]string `json:"tags,omitempty"`
	Plan     string            `json:"plan"` // digest
	Seed     uint64            `json:"seed"`
	Studies  []LockedStudy     `json:"studies"`
	Datasets []LockedDataset   `json:"datasets"`
}

// of says whether two entries are about the same experiment.
func (l Locked) of(other Locked) bool {
	return l.Name == other.Name && maps.Equal(l.Tags, other.Tags)
}

// LockedStudy is a study's seed.
type LockedStudy struct {
	Name string `json:"name"`
	Seed uint64 `json:"seed"`
}

// LockedDataset is a data set as it was: digests, and what planning needs where
// the data are not at hand.
type LockedDataset struct {
	Name        string              `json:"name"`
	Source      Source              `json:"source"`
	Digest      string              `json:"digest"`   // of the cases' files
	Splits      string              `json:"splits"`   // digest of the folds
	Settings    []LockedSettings    `json:"settings"` // by planner
	Description nnunet.Dataset      `json:"description"`
	Fingerprint *nnunet.Fingerprint `json:"fingerprint"`
}

// LockedSettings names what a planner decided for a data set, with what the
// training settings put in its place.
type LockedSettings struct {
	Name   nnunet.Planner `json:"planner"`
	Digest string         `json:"digest"`
}

// NewLocked is what a plan comes to. Splits names a data set's folds by its
// number of cases. A plan that does not know all its data cannot be locked.
func NewLocked(p *Plan, tags map[string]string, splits func(cases int) (string, error)) (Locked, error) {
	l := Locked{Name: p.Name, Tags: tags, Seed: p.Seed, Studies: []LockedStudy{}, Datasets: []LockedDataset{}}
	q := *p
	q.Studies = slices.Clone(p.Studies)
	for i, s := range p.Studies {
		q.Studies[i].First = 0 // a run directory's history, not the spec's
		l.Studies = append(l.Studies, LockedStudy{s.Name, s.Seed})
	}
	var err error
	if l.Plan, err = q.Digest(); err != nil {
		return l, err
	}
	for _, d := range p.Datasets {
		one, err := lockDataset(p, d, splits)
		if err != nil {
			return l, fmt.Errorf("data set %s: %w", d.Name, err)
		}
		l.Datasets = append(l.Datasets, one)
	}
	return l, nil
}

func lockDataset(p *Plan, d Dataset, splits func(int) (string, error)) (LockedDataset, error) {
	out := LockedDataset{Name: d.Name, Source: d.Source, Digest: d.Digest, Description: d.Description, Fingerprint: d.Fingerprint, Settings: []LockedSettings{}}
	if d.Fingerprint == nil {
		return out, fmt.Errorf("%w: its data are not at hand, nor are they in the lock", ErrLock)
	}
	var err error
	if out.Splits, err = splits(len(d.Fingerprint.Spacings)); err != nil {
		return out, err
	}
	for _, planner := range p.Planners() {
		_, c, err := p.Training.Settings(d.Description, *d.Fingerprint, planner, d.Configuration)
		if err != nil {
			return out, err
		}
		digest, err := Digest(c)
		if err != nil {
			return out, err
		}
		out.Settings = append(out.Settings, LockedSettings{planner, digest})
	}
	return out, nil
}

// LockPath is where the lock of a spec lies.
func LockPath(spec string) string { return strings.TrimSuffix(spec, ".cue") + ".lock.json" }

// ReadLock reads a lock; one that is not there is empty.
func ReadLock(path string) (Lock, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Lock{}, nil
	} else if err != nil {
		return Lock{}, fmt.Errorf("read lock: %w", err)
	}
	var l Lock
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Lock{}, fmt.Errorf("read lock %s: %w: %v; delete it, and run or lock the spec again", path, ErrLock, err)
	}
	if l.Version != LockVersion {
		return Lock{}, fmt.Errorf("read lock %s: %w is %q, this runspec reads %q; delete it, and run or lock the spec again", path, ErrVersion, l.Version, LockVersion)
	}
	for _, e := range l.Experiments {
		for _, d := range e.Datasets {
			if d.Fingerprint == nil || d.Fingerprint.Check() != nil {
				return Lock{}, fmt.Errorf("read lock %s: %w: its fingerprint of %s is none; delete it, and run or lock the spec again", path, ErrLock, d.Name)
			}
		}
	}
	return l, nil
}

// Data is what the lock knows of a data set; nothing where it has another
// source, or none.
func (l Lock) Data(source Source, name string) Data {
	for _, e := range l.Experiments {
		for _, d := range e.Datasets {
			if d.Name == name && reflect.DeepEqual(d.Source, source) {
				return Data{d.Digest, d.Description, d.Fingerprint}
			}
		}
	}
	return Data{}
}

// Check lists how an experiment differs from its lock; an error where the lock
// has none of its name.
func (l Lock) Check(now Locked) ([]Change, error) {
	for _, was := range l.Experiments {
		if was.of(now) {
			c := &comparison{}
			c.walk(at{}, reflect.ValueOf(was), reflect.ValueOf(now))
			for i := range c.changes {
				c.changes[i].Class = "" // any of them is too much
			}
			return c.changes, nil
		}
	}
	return nil, fmt.Errorf("%w: it has no experiment %s%s", ErrLock, now.Name, now.with())
}

// Put takes an experiment in, in the place of the one of its name.
func (l *Lock) Put(now Locked, tool string) {
	l.Version, l.Schema, l.Tool = LockVersion, Version, tool
	l.Experiments = slices.DeleteFunc(l.Experiments, now.of)
	l.Experiments = append(l.Experiments, now)
	slices.SortFunc(l.Experiments, func(a, b Locked) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.with(), b.with()))
	})
}

// with prints the tags: " with -t profile=paper".
func (l Locked) with() string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(l.Tags)) {
		fmt.Fprintf(&b, " -t %s=%s", key, l.Tags[key])
	}
	if b.Len() == 0 {
		return ""
	}
	return " with" + b.String()
}

// flat are lists of numbers, which stand on one line each.
var flat = regexp.MustCompile(`\[[^][{}"]*\]`)

var gap = regexp.MustCompile(`\s+`)

// Write writes the lock: the same bytes for the same lock, a line for each fact.
func (l Lock) Write(path string) error {
	b, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	b = flat.ReplaceAllFunc(b, func(list []byte) []byte {
		return bytes.ReplaceAll(gap.ReplaceAll(list, nil), []byte(","), []byte(", "))
	})
	durable.Sweep(filepath.Dir(path), 0)
	if err := durable.Write(path, append(b, '\n')); err != nil {
		return fmt.Errorf("write lock: %w", err)
	}
	return nil
}

// LockError tells how spec and data differ from their lock. It is an ErrLock.
type LockError struct {
	Path    string
	Changes []Change
}

func (e *LockError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s says otherwise than spec and data; %s (locked → now):\n", ErrLock, e.Path, Summary(e.Changes))
	WriteChanges(&b, e.Changes) // into memory
	return b.String() + "If that is meant, run without --locked and --frozen, or `runspec lock` the spec, and keep the new lock with it."
}

func (e *LockError) Unwrap() error { return ErrLock }
