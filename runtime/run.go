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

	"runspec/compiler/plan"
	"runspec/runtime/accelerator"
	"runspec/runtime/engine/cpu/kernel"
	"runspec/runtime/execute"
	"runspec/runtime/journal"
	"runspec/runtime/progress"
	"runspec/runtime/provenance"
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
	Workers  int    // trainings at once; default one for each processor, or one for each device
	Threads  int    // processors in all, shared by the workers; default 1. Changes no result.
	Progress *progress.Progress
	Train    Trainer // default: a process per job

	Engine  plan.Engine                                                 // in the place of the plan's where it is not empty
	Devices []int                                                       // indices of those to train on; none: all
	Probe   func(context.Context, string) ([]accelerator.Device, error) // tells a plug-in's devices; default: this program's "devices" as a process

	Limits plan.Limits // of one training, in the place of the plan's where they are not zero

	Invocation provenance.Invocation // recorded in the run directory
	Reuse      bool                  // take finished trainings of other runs from the cache, and keep this one's there

	// What may happen to a run directory that another plan was run in.
	ExtendBudget bool // go on with more epochs, trials, rungs or folds
	WarmStart    bool // go on with a larger space, or with more studies, baselines or data sets
	Fresh        bool // move the directory aside and begin anew

	RetryFailed bool // try failed trials of studies again, though the searches have gone on without them
}

// Trainer runs one job to its end.
type Trainer func(ctx context.Context, job train.Job, tell func(train.Epoch)) (train.Result, error)

// Outcome is what a run has come to.
type Outcome struct {
	Report   report.Report
	RunDir   string
	Failures []journal.Event // trials that ended without a result
	Missing  []string        // approaches without any result: "DATASET BASELINE or STUDY"
}

// Run executes what is missing of a plan, and writes its report.
func Run(ctx context.Context, p *plan.Plan, o Options) (Outcome, error) {
	if err := kernel.Check(); err != nil { // before the workers all fail of it
		return Outcome{}, err
	}
	o = o.withDefaults(p)
	out := Outcome{RunDir: relative(o.RunDir)}
	if o.Fresh {
		if err := setAside(o); err != nil {
			return out, err
		}
	}
	if err := os.MkdirAll(o.RunDir, 0o755); err != nil {
		return out, fmt.Errorf("the run directory cannot be made: %w; choose another with --run-dir", err)
	}
	held, run, release, err := own(ctx, o)
	if err != nil {
		return out, err
	}
	out, err = proceed(run, p, o, held.Check)
	return out, lost(run, errors.Join(err, release()))
}

// proceed is Run in a directory that is ours as long as check gives no error.
func proceed(ctx context.Context, p *plan.Plan, o Options, check func() error) (out Outcome, err error) {
	out = Outcome{RunDir: relative(o.RunDir)}
	j, err := journal.Open(filepath.Join(o.RunDir, "journal.jsonl"))
	if err != nil {
		return out, unwritable(err)
	}
	defer j.Close()
	j.Check = check
	if p, err = claim(p, o, len(j.Events) == 0); err != nil {
		return out, err
	}
	var on placement
	if p.Simulation == nil {
		if on, err = place(ctx, p, &o); err != nil {
			return out, err
		}
	}
	end := record(ctx, p, o, on, check)
	defer func() { end(out, err) }()
	if j.Torn > 0 {
		o.Progress.Note("the journal's last line was cut off in the middle (%d bytes); the training it was about is repeated", j.Torn)
	}
	var data []*prepared
	if p.Simulation == nil {
		data, err = prepareAll(ctx, p, o)
	}
	if err != nil {
		return out, err
	}
	s, err := newStudies(p, data, journal.Current(p, j.Events), o.RetryFailed)
	if err != nil {
		return out, err
	}
	s.told = func(e journal.Event) { tell(o, e) }
	s.workers, s.on = max(1, o.Workers), on
	execute := s.execute
	if p.Simulation != nil {
		execute = s.simulate
	}
	if err := execute(ctx, j, o); err != nil {
		return out, err
	}
	out.Failures, out.Missing = s.failures(), s.missing()
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
	for _, dir := range []*string{&o.CacheDir, &o.RunDir} { // workers need not share the working directory
		if abs, err := filepath.Abs(*dir); err == nil {
			*dir = abs
		}
	}
	o.Threads = max(1, o.Threads)
	if o.Progress == nil {
		o.Progress = progress.New(progress.None, os.Stderr)
	}
	if o.Train == nil {
		o.Train = execute.Local{Limits: o.limits(p)}.Run
	}
	if o.Reuse {
		o.Train = shelf{filepath.Join(o.CacheDir, "trainings"), o.Progress}.trainer(o.Train)
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
