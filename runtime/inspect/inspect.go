// Package inspect looks at a run directory: what is done, running, failed and
// to do, what each trial was and came to, and what its workers wrote. It only
// reads, and so may be used while another process runs there; what that writes
// in the meantime is seen the next time.
//
// It decides nothing: the run itself goes by plan and journal alone.
package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/execute"
	"runspec/runtime/journal"
	"runspec/runtime/lease"
	"runspec/runtime/process"
	"runspec/runtime/search"
	"runspec/runtime/train"

	run "runspec/runtime"
)

// Run is a run directory at one moment.
type Run struct {
	Dir    string
	Plan   *plan.Plan
	Events []journal.Event // that count under the plan
	Owner  *lease.Owner    // the process that runs there now; nil if none does
}

// ErrNoRun is a directory that holds no run.
var ErrNoRun = errors.New("it holds no run")

// Open reads the run in a directory.
func Open(dir string) (*Run, error) {
	r := &Run{Dir: dir}
	var err error
	if r.Plan, err = plan.Read(filepath.Join(dir, "plan.json")); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w; `runspec ls` lists the runs, --run-dir names another directory", dir, ErrNoRun)
		}
		return nil, err
	}
	if r.Events, _, err = journal.Read(filepath.Join(dir, "journal.jsonl")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	r.Events = journal.Current(r.Plan, r.Events)
	owner, seen, held, err := lease.Holder(dir)
	if err != nil {
		return nil, err
	}
	if held && alive(owner, seen) {
		r.Owner = &owner
	}
	return r, nil
}

// silence is how many signs of life an owner elsewhere may miss.
const silence = 6

// alive judges the owner of a lease: one on this host by its process, any other
// by its last sign of life.
func alive(o lease.Owner, seen time.Duration) bool {
	switch o.State() {
	case process.Alive:
		return true
	case process.Gone:
		return false
	}
	return seen < silence*o.Interval
}

// State says how far something is.
type State string

// The states of a run, a trial or a fold.
const (
	ToDo    State = "to do"
	Running State = "running"
	Stopped State = "stopped" // begun, neither ended nor running; the run's command continues it
	Failed  State = "failed"
	Done    State = "done"
)

// fold is what the journal tells of one training.
type fold struct {
	state State
	event journal.Event // the last
}

// trial is what the journal tells of one trial.
type trial struct {
	event   journal.Event // the last
	state   State
	folds   map[plan.Fold]*fold
	summary *journal.TrialResult // of all folds that the trial is judged by
	cause   string
}

// name names a trial in its run: data set, approach and trial, as its folder does.
func (t *trial) name() string { return Name(t.event) }

// Name is a trial's in full, which means it alone in its run directory.
func Name(e journal.Event) string {
	return filepath.ToSlash(filepath.Dir(strings.TrimPrefix(run.Folder(e.Dataset, approach(e), e.Trial.ID, 0), "trials"+string(filepath.Separator))))
}

func approach(e journal.Event) string { return e.Baseline + e.Study }

// trials gathers the events by trial, in the order in which they began.
func (r *Run) trials() []*trial {
	var out []*trial
	index := map[string]*trial{}
	for _, e := range r.Events {
		if e.Kind == journal.Import {
			continue
		}
		probe := &trial{event: e}
		t := index[probe.name()]
		if t == nil {
			t = &trial{folds: map[plan.Fold]*fold{}}
			index[probe.name()] = t
			out = append(out, t)
		}
		t.add(e)
	}
	for _, t := range out {
		t.settle(r.Owner != nil)
	}
	return out
}

func (t *trial) add(e journal.Event) {
	t.event = e
	switch e.Kind {
	case journal.Start:
		t.cause = ""
		if e.Fold != nil && (t.folds[*e.Fold] == nil || t.folds[*e.Fold].state != Done) {
			t.folds[*e.Fold] = &fold{Running, e}
		}
	case journal.FoldDone:
		if e.Fold != nil {
			t.folds[*e.Fold] = &fold{Done, e}
		}
	case journal.Result:
		t.summary, t.cause = e.Result, ""
	case journal.Failure:
		t.cause = e.Cause
		for _, f := range t.folds {
			if f.state == Running {
				f.state = Failed
			}
		}
	}
}

// settle decides the states, once all events are known. What failed of the
// machine is tried again by the run's command, yet counts as failed until then.
func (t *trial) settle(live bool) {
	t.state = Stopped
	for _, f := range t.folds {
		if f.state == Running && !live {
			f.state = Stopped
		}
		if f.state == Running {
			t.state = Running
		}
	}
	switch {
	case t.state == Running:
	case t.cause != "":
		t.state = Failed
	case t.summary != nil:
		t.state = Done
	}
}

// numbers are the folds that have begun, ascending.
func (t *trial) numbers() []plan.Fold {
	var out []plan.Fold
	for k := range t.folds {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// folder is where a fold's files lie.
func (r *Run) folder(t *trial, k plan.Fold) string {
	return filepath.Join(r.Dir, run.Folder(t.event.Dataset, approach(t.event), t.event.Trial.ID, k))
}

// progress is what a fold's training has been through; nothing, where no epoch
// is complete.
func (r *Run) progress(t *trial, k plan.Fold) train.Progress {
	p, err := train.ReadProgress(r.folder(t, k))
	if err != nil {
		return train.Progress{}
	}
	return p
}

// failure is what a fold's worker said when it failed.
func (r *Run) failure(t *trial, k plan.Fold) string {
	f, err := execute.ReadFailure(r.folder(t, k))
	if err != nil {
		return ""
	}
	return f.Message
}

// below are the epochs of a trial on a fold that the rung below trained.
func (r *Run) below(x search.Trial, k plan.Fold) int {
	if x.Parent == "" || x.Rung < 1 {
		return 0
	}
	for _, s := range r.Plan.Studies {
		if s.Name == x.Study && x.Rung < len(s.Rungs) && slices.Contains(s.Folds, k) {
			return s.Rungs[x.Rung-1].Epochs
		}
	}
	return 0
}

// List opens every run below a folder; what can't be read is in errs.
func List(root string) (runs []*Run, errs []error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, nil
	}
	for _, e := range entries {
		r, err := Open(filepath.Join(root, e.Name()))
		switch {
		case err == nil:
			runs = append(runs, r)
		case !errors.Is(err, ErrNoRun) && e.IsDir():
			errs = append(errs, err)
		}
	}
	return runs, errs
}
