// Package runtime executes a plan: it prepares the data, asks each study's
// method for trials, has them trained by workers, journals what comes back, and
// goes on until the budget is spent. What is next follows from plan and journal
// alone, so a run that was interrupted anywhere continues when started again.
//
// It decides neither what a trial is (search) nor how one is trained (train).
package runtime

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"runspec/compiler/plan"
	"runspec/runtime/execute"
	"runspec/runtime/journal"
	"runspec/runtime/progress"
	"runspec/runtime/report"
	"runspec/runtime/train"
)

// Options says where and with what a plan is executed. The zero value runs in
// ./runs/NAME with one worker.
type Options struct {
	RunDir   string // default runs/NAME of the plan
	SpecDir  string // what a folder source's path is relative to; default: the working directory
	DataDir  string // where data sets lie already; default: downloaded to the cache
	CacheDir string // downloads, phantoms, preprocessed cases; default: the user's cache folder
	Workers  int    // trainings at once; default 1
	Threads  int    // processors in all, shared by the workers; default 1. Changes no result.
	Progress *progress.Progress
	Train    Trainer // default: a process per job
}

// Trainer runs one job to its end.
type Trainer func(ctx context.Context, job train.Job, tell func(train.Epoch)) (train.Result, error)

// ErrOtherPlan is a run directory that holds a run of another plan.
var ErrOtherPlan = errors.New("the run directory holds a run of another plan")

// Outcome is what a run has come to.
type Outcome struct {
	Report   report.Report
	RunDir   string
	Failures []journal.Event // trials that ended without a result
}

// Run executes what is missing of a plan, and writes its report.
func Run(ctx context.Context, p *plan.Plan, o Options) (Outcome, error) {
	o = o.withDefaults(p)
	out := Outcome{RunDir: relative(o.RunDir)}
	if err := os.MkdirAll(o.RunDir, 0o755); err != nil {
		return out, fmt.Errorf("the run directory cannot be made: %w; choose another with --run-dir", err)
	}
	j, err := journal.Open(filepath.Join(o.RunDir, "journal.jsonl"))
	if err != nil {
		return out, unwritable(err)
	}
	defer j.Close()
	if err := claim(p, o.RunDir, len(j.Events) == 0); err != nil {
		return out, err
	}
	if j.Torn > 0 {
		o.Progress.Note("the journal's last line was cut off in the middle (%d bytes); the training it was about is repeated", j.Torn)
	}
	data, err := prepareAll(ctx, p, o)
	if err != nil {
		return out, err
	}
	s, err := newStudies(p, data, j.Events)
	if err != nil {
		return out, err
	}
	if err := s.execute(ctx, j, o); err != nil {
		return out, err
	}
	out.Failures = s.failures()
	if out.Report, err = report.New(p, s.events); err != nil {
		return out, err
	}
	_, err = out.Report.WriteAll(filepath.Join(o.RunDir, "report"))
	return out, err
}

func (o Options) withDefaults(p *plan.Plan) Options {
	if o.RunDir == "" {
		o.RunDir = filepath.Join("runs", p.Name)
	}
	if o.CacheDir == "" {
		o.CacheDir = DefaultCache()
	}
	if dir, err := filepath.Abs(o.CacheDir); err == nil {
		o.CacheDir = dir
	}
	for _, dir := range []*string{&o.CacheDir, &o.RunDir} { // workers need not share the working directory
		if abs, err := filepath.Abs(*dir); err == nil {
			*dir = abs
		}
	}
	o.Workers, o.Threads = max(1, o.Workers), max(1, o.Threads)
	if o.Progress == nil {
		o.Progress = progress.New(progress.None, os.Stderr)
	}
	if o.Train == nil {
		o.Train = execute.Local{}.Run
	}
	return o
}

// relative shortens a path for people where it lies below the working directory.
func relative(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	if short, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}

// DefaultCache is where downloads and preprocessed cases are kept unless the
// user says otherwise.
func DefaultCache() string {
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "runspec")
	}
	return filepath.Join(os.TempDir(), "runspec-cache")
}

// unwritable adds a remedy where a file of the run cannot be made.
func unwritable(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("the run directory cannot be written: %w; choose another with --run-dir", err)
	}
	return err
}

// claim makes the run directory this plan's, or says whose it is. One in which
// nothing has begun is free.
func claim(p *plan.Plan, dir string, free bool) error {
	path := filepath.Join(dir, "plan.json")
	digest, err := p.Digest()
	if err != nil {
		return err
	}
	old, err := plan.Read(path)
	switch {
	case free: // whatever plan.json is there led to nothing
	case err == nil:
		was, err := old.Digest()
		if err == nil && was != digest {
			err = fmt.Errorf("%w: %s has plan %.12s, the spec compiles to %.12s; choose another directory with --run-dir, or delete this one", ErrOtherPlan, dir, was, digest)
		}
		return err
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if err := plan.Write(path, p); err != nil {
		return unwritable(err)
	}
	return renameio.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o644)
}
