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

	"runspec/compiler/plan"
	"runspec/runtime/durable"
	"runspec/runtime/train"
)

// Local runs jobs as processes on this machine.
type Local struct {
	Command []string      // of the worker, the job's path is appended; default: this program's "worker"
	Grace   time.Duration // between asking a worker to stop and killing it; default 30 s
	Limits  plan.Limits   // of each job; the limit of memory holds on Linux alone
}

// Run writes the job into its directory, runs a worker on it and reads the
// result. Tell hears of each epoch. When ctx ends the worker is asked to stop;
// its last checkpoint stays, and the same job goes on from there.
func (l Local) Run(ctx context.Context, job train.Job, tell func(train.Epoch)) (train.Result, error) {
	if err := os.MkdirAll(job.Directory, 0o755); err != nil {
		return train.Result{}, err
	}
	durable.Sweep(job.Directory, 1)
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
		return r, &Failure{Crash, fmt.Sprintf("%s: the worker ended without a result: %v", job.Name, err)}
	}
	return r, nil
}

// Reasons for which we end a worker.
var (
	errTimeout = errors.New("timeout")
	errMemory  = errors.New("memory")
)

func (l Local) process(ctx context.Context, job train.Job, path string, tell func(train.Epoch)) error {
	log, err := os.OpenFile(filepath.Join(job.Directory, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	cmd, err := l.command(ctx, path, log)
	if err != nil {
		return err
	}
	hold, err := cmd.StdinPipe() // closed by our end
	if err != nil {
		return err
	}
	defer hold.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	end := ending{job: job, log: log.Name(), before: size(log), kills: oomKills()}
	runtime.LockOSThread() // see ownGroup
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a worker: %w", err)
	}
	preferred(cmd.Process.Pid)
	if l.Limits.Timeout > 0 {
		defer time.AfterFunc(time.Duration(l.Limits.Timeout*float64(time.Second)), func() { stop(errTimeout) }).Stop()
	}
	if l.Limits.Memory > 0 {
		watching, done := context.WithCancel(ctx)
		defer done()
		go guard(watching, cmd.Process, l.Limits.Memory, func() { stop(errMemory) })
	}
	end.told = listen(out, tell)
	if err := cmd.Wait(); err != nil {
		if f, err := ReadFailure(job.Directory); end.told == nil && err == nil {
			end.told = &f
		}
		err := end.verdict(context.Cause(ctx), err, l.Limits)
		end.leave(err)
		return err
	}
	return nil
}

// command is the worker's, in a group of its own.
func (l Local) command(ctx context.Context, path string, log *os.File) (*exec.Cmd, error) {
	words := l.Command
	if len(words) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		words = []string{self, "worker"}
	}
	cmd := exec.CommandContext(ctx, words[0], append(words[1:len(words):len(words)], path)...)
	cmd.Env = append(os.Environ(), lifeline+"=1")
	if l.Limits.Memory > 0 && os.Getenv("GOMEMLIMIT") == "" { // collect garbage rather than reach the limit
		cmd.Env = append(cmd.Env, fmt.Sprintf("GOMEMLIMIT=%d", l.Limits.Memory/10*9))
	}
	cmd.Stderr = log
	cmd.WaitDelay = l.Grace
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = 30 * time.Second
	}
	ownGroup(cmd)
	return cmd, nil
}

// longestLine is more than any line of a worker's.
const longestLine = 1 << 22

// listen hears a worker out, and returns what it says of its failure.
func listen(out io.Reader, tell func(train.Epoch)) *Failure {
	var told *Failure
	s := bufio.NewScanner(out)
	s.Buffer(nil, longestLine)
	for s.Scan() {
		var l line
		switch {
		case json.Unmarshal(s.Bytes(), &l) != nil:
		case l.Failure != nil:
			told = l.Failure
		case tell != nil:
			tell(l.Epoch)
		}
	}
	io.Copy(io.Discard, out) // after a line beyond all measure
	return told
}

// guard ends a process that holds more memory than it may. It looks fifty times
// a second: a limit of the address space would not do, since Go reserves far
// more than it uses.
func guard(ctx context.Context, p *os.Process, limit int, tell func()) {
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		if resident(p.Pid) > limit {
			tell()
			p.Kill() // it may have no memory left to stop by itself
		}
	}
}

// ending is what is known of a worker that ended badly.
type ending struct {
	job    train.Job
	log    string
	before int64    // size of the log when it began
	kills  int      // of the system for want of memory, when it began
	told   *Failure // in the worker's own words
}

// verdict says why a worker failed: because we ended it, in its own words, or by
// how it ended.
func (e ending) verdict(why, err error, limits plan.Limits) error {
	fail := func(c Cause, format string, args ...any) error {
		return &Failure{c, e.job.Name + ": " + fmt.Sprintf(format, args...)}
	}
	var exit *exec.ExitError
	how := ""
	if errors.As(err, &exit) {
		how = exit.String()
	}
	switch {
	case errors.Is(why, errTimeout):
		return fail(Timeout, "no end after %v, the limit; its last checkpoint is kept", time.Duration(limits.Timeout*float64(time.Second)))
	case errors.Is(why, errMemory):
		return fail(OOM, "its worker held more memory than %s, the limit", gigabytes(limits.Memory))
	case why != nil:
		return fail(Cancelled, "stopped; the same command continues from its last checkpoint")
	case e.told != nil && e.told.Cause == Cancelled, strings.Contains(how, "terminated"):
		return fail(Preempted, "somebody asked the worker to stop; it goes on from its last checkpoint")
	case e.told != nil:
		return e.told
	case strings.Contains(how, "killed") && oomKills() > e.kills:
		return fail(OOM, "the system killed the worker for want of memory; its log is %s", e.log)
	case strings.Contains(how, "killed"):
		return fail(Crash, "the worker was killed, perhaps for want of memory; its log is %s", e.log)
	case strings.Contains(e.tail(), "out of memory"), strings.Contains(e.tail(), "cannot allocate memory"):
		return fail(OOM, "the worker could get no more memory; its log is %s", e.log)
	}
	return fail(Crash, "the worker ended with %v; its log is %s", err, e.log)
}

// leave writes why a worker failed that had no time to tell, beside its job as it
// would have. One that was stopped has not failed. Without the file the run knows
// it all the same.
func (e ending) leave(err error) {
	var f *Failure
	if e.told != nil || !errors.As(err, &f) || f.Cause == Cancelled || f.Cause == Preempted {
		return
	}
	f.write(e.job.Directory)
}

// tail is what the worker wrote to its log, up to its first 64 KiB: Go tells of
// its end first, then of all goroutines.
func (e ending) tail() string {
	f, err := os.Open(e.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 1<<16)
	n, _ := f.ReadAt(b, e.before)
	return string(b[:n])
}

func size(f *os.File) int64 {
	if info, err := f.Stat(); err == nil {
		return info.Size()
	}
	return 0
}

func gigabytes(bytes int) string { return fmt.Sprintf("%.3g GB", float64(bytes)/1e9) }
