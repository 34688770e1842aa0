package execute

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"runspec/runtime/train"
)

// Local runs jobs as processes on this machine.
type Local struct {
	Command []string      // of the worker, the job's path is appended; default: this program's "worker"
	Grace   time.Duration // between asking a worker to stop and killing it; default 30 s
}

// Run writes the job into its directory, runs a worker on it and reads the
// result. Tell hears of each epoch. When ctx ends the worker is asked to stop;
// its last checkpoint stays, and the same job goes on from there.
func (l Local) Run(ctx context.Context, job train.Job, tell func(train.Epoch)) (train.Result, error) {
	if err := os.MkdirAll(job.Directory, 0o755); err != nil {
		return train.Result{}, err
	}
	if err := forget(job.Directory); err != nil {
		return train.Result{}, err
	}
	path := filepath.Join(job.Directory, jobFile)
	if err := job.Write(path); err != nil {
		return train.Result{}, err
	}
	if err := l.process(ctx, job, path, tell); err != nil {
		return train.Result{}, err
	}
	r, err := train.ReadResult(filepath.Join(job.Directory, resultFile))
	if err != nil {
		return r, &Failure{Lost, fmt.Sprintf("%s: the worker ended without a result: %v", job.Name, err)}
	}
	return r, nil
}

func (l Local) process(ctx context.Context, job train.Job, path string, tell func(train.Epoch)) error {
	words := l.Command
	if len(words) == 0 {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		words = []string{self, "worker"}
	}
	log, err := os.OpenFile(filepath.Join(job.Directory, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, words[0], append(words[1:len(words):len(words)], path)...)
	cmd.Stderr = log
	cmd.WaitDelay = l.Grace
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = 30 * time.Second
	}
	ownGroup(cmd)
	runtime.LockOSThread() // see ownGroup
	defer runtime.UnlockOSThread()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a worker: %w", err)
	}
	for s := bufio.NewScanner(out); s.Scan(); {
		var e train.Epoch
		if json.Unmarshal(s.Bytes(), &e) == nil && tell != nil {
			tell(e)
		}
	}
	io.Copy(io.Discard, out) // after a line too long to be an epoch's
	if err := cmd.Wait(); err != nil {
		return verdict(ctx, job, err, log.Name())
	}
	return nil
}

// verdict says why a worker failed: in its own words, or by how it ended.
func verdict(ctx context.Context, job train.Job, err error, log string) error {
	if ctx.Err() != nil {
		return &Failure{Cancelled, job.Name + ": stopped; the same command continues from its last checkpoint"}
	}
	if text, rerr := os.ReadFile(filepath.Join(job.Directory, failureFile)); rerr == nil {
		var f Failure
		if json.Unmarshal(text, &f) == nil {
			return &f
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && strings.Contains(exit.String(), "killed") {
		return &Failure{Lost, fmt.Sprintf("%s: the worker was killed, perhaps for want of memory; its log is %s", job.Name, log)}
	}
	return &Failure{Lost, fmt.Sprintf("%s: the worker ended with %v; its log is %s", job.Name, err, log)}
}
