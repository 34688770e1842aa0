// Package execute runs jobs where there is room for them: each in a process of
// its own that reads one frozen job file and leaves one result file. A crash,
// a kill or a panic in a training ends that process, not the run. The same
// worker serves the local machine and, later, Slurm.
package execute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"runspec/compiler/plan"
	"runspec/runtime/dataset"
	"runspec/runtime/train"
)

// Cause says why a job failed.
type Cause = plan.Cause

// The causes: those that a spec can react to, and two that are no fault of the
// training's.
const (
	OOM       = plan.OOM
	NaN       = plan.NaN
	Timeout   = plan.Timeout
	Crash     = plan.Crash
	Preempted = plan.Preempted
	BadData   = plan.BadData

	Cancelled Cause = "cancelled" // we asked the worker to stop
	Disk      Cause = "disk"      // no file can be written: no other training would fare better
)

// Failure is a job that ended without a result.
type Failure struct {
	Cause   Cause  `json:"cause"`
	Message string `json:"message"`
}

func (f *Failure) Error() string { return f.Message }

// Names of the files of a job, beside one another in its directory.
const (
	jobFile     = "job.json"
	resultFile  = "result.json"
	failureFile = "failure.json"
	logFile     = "worker.log"
)

// line is what a worker says on its standard output: an epoch, or why it failed.
type line struct {
	Failure *Failure `json:"failure,omitempty"`
	train.Epoch
}

// Work runs the job of a file to its end: the command `runspec worker JOB`. It
// writes one JSON line per epoch to out, and leaves result.json or
// failure.json beside the job.
func Work(ctx context.Context, path string, out io.Writer) error {
	dieWithParent()
	dir := filepath.Dir(path)
	if err := forget(dir); err != nil {
		return err
	}
	job, err := train.ReadJob(path)
	if err != nil {
		return err
	}
	lines := json.NewEncoder(out)
	result, err := Do(ctx, job, func(e train.Epoch) { lines.Encode(line{Epoch: e}) })
	if err == nil {
		if err = result.Write(filepath.Join(dir, resultFile)); err == nil {
			return nil
		}
		err = failed(ctx, Crash, job, err)
	}
	var f *Failure
	if !errors.As(err, &f) {
		return err
	}
	lines.Encode(line{Failure: f}) // arrives on a full disk too
	if werr := f.write(dir); werr != nil {
		return errors.Join(err, werr)
	}
	return err
}

// lifeline is set for a worker whose standard input is held open by its parent,
// to end with it.
const lifeline = "RUNSPEC_LIFELINE"

// dieWithParent ends this process when the one that started it ends, however
// that happens.
func dieWithParent() {
	if os.Getenv(lifeline) == "" {
		return
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
}

// forget removes what an earlier run of a job left.
func forget(dir string) error {
	for _, name := range []string{resultFile, failureFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Do runs a job in this process. Every error is a *Failure.
func Do(ctx context.Context, job train.Job, tell func(train.Epoch)) (r train.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n\n%s", p, debug.Stack())
			err = &Failure{Crash, fmt.Sprintf("%s: internal error: %v", job.Name, p)}
		}
	}()
	data, err := load(ctx, job)
	if err != nil {
		return train.Result{}, failed(ctx, BadData, job, err)
	}
	r, err = train.Run(ctx, job, data, tell)
	switch {
	case err == nil:
		return r, nil
	case errors.Is(err, train.ErrDiverged):
		return train.Result{}, failed(ctx, NaN, job, err)
	case errors.Is(err, train.ErrMemory):
		return train.Result{}, failed(ctx, OOM, job, err)
	}
	return train.Result{}, failed(ctx, Crash, job, err)
}

func failed(ctx context.Context, c Cause, job train.Job, err error) error {
	switch {
	case ctx.Err() != nil:
		c = Cancelled
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EROFS):
		c = Disk
	}
	return &Failure{c, fmt.Sprintf("%s: %v", job.Name, err)}
}

// load reads the preprocessed cases of a job's fold, from the cache where they are.
func load(ctx context.Context, job train.Job) (train.Data, error) {
	raw, err := dataset.Open(job.Data)
	if err != nil {
		return train.Data{}, err
	}
	data := train.Data{Raw: map[string]dataset.RawCase{}}
	for _, c := range raw.Cases {
		data.Raw[c.ID] = c
	}
	fold, err := dataset.NewFold(len(raw.Cases), job.Fold)
	if err != nil {
		return train.Data{}, err
	}
	cache := dataset.Cache{Dir: job.Cache}
	cases, err := cache.Load(ctx, raw, job.Settings, job.Configuration, job.Threads)
	if err != nil {
		return train.Data{}, err
	}
	for _, i := range fold.Train {
		data.Train = append(data.Train, cases[i])
	}
	for _, i := range fold.Validation {
		data.Validation = append(data.Validation, cases[i])
	}
	return data, nil
}
