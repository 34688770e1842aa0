package execute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/train"
)

func init() {
	workers["hungry"] = func(job string) {
		sleepless(job)
		var held [][]byte
		for range 300 { // a megabyte each, all of it touched
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = byte(i)
			}
			held = append(held, b)
			time.Sleep(5 * time.Millisecond)
		}
		fmt.Println(len(held))
	}
	workers["starved"] = func(string) {
		fmt.Fprintln(os.Stderr, "fatal error: runtime: out of memory")
		os.Exit(2)
	}
	workers["asked"] = func(string) {
		fmt.Println(`{"failure": {"cause": "cancelled", "message": "context canceled"}}`)
		os.Exit(1)
	}
	workers["says"] = func(string) {
		fmt.Println(strings.Repeat("x", 1<<20)) // no line of ours
		fmt.Println(`{"failure": {"cause": "disk", "message": "no space left"}}`)
		os.Exit(1)
	}
	workers["hangs on"] = func(string) {
		dieWithParent()
		time.Sleep(time.Minute)
	}
}

// sleepless writes the process's number, as sleep does.
func sleepless(job string) {
	os.WriteFile(filepath.Join(filepath.Dir(job), "pid"), []byte(fmt.Sprint(os.Getpid())), 0o644)
}

// limited runs a worker of a kind in a directory under limits.
func limited(t *testing.T, kind, dir string, limits plan.Limits) error {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l := Local{Command: []string{self, kind}, Grace: time.Second, Limits: limits}
	_, err = l.Run(context.Background(), train.Job{Version: train.JobVersion, Name: "toy", Directory: dir}, nil)
	return err
}

func wantCause(t *testing.T, err error, cause Cause, says string) {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) || f.Cause != cause || !strings.Contains(f.Message, says) || strings.Contains(f.Message, "\n") {
		t.Errorf("%v, want %s: one line with %q", err, cause, says)
	}
}

// TestKilledWorkersFailureIsLeft where a worker had no time to tell.
func TestKilledWorkersFailureIsLeft(t *testing.T) {
	for kind, want := range map[string]Cause{"starved": OOM, "sleeps": Timeout} {
		dir := t.TempDir()
		limited(t, kind, dir, plan.Limits{Timeout: 0.3})
		if f, err := ReadFailure(dir); err != nil || f.Cause != want || !strings.HasPrefix(f.Message, "toy: ") {
			t.Errorf("%s: %+v, %v", kind, f, err)
		}
	}
	dir := t.TempDir()
	limited(t, "asked", dir, plan.Limits{})
	if f, err := ReadFailure(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a worker that was stopped has failed: %+v, %v", f, err)
	}
}

func TestTimeout(t *testing.T) {
	for _, kind := range []string{"sleeps", "stubborn"} {
		dir := t.TempDir()
		began := time.Now()
		wantCause(t, limited(t, kind, dir, plan.Limits{Timeout: 0.5}), Timeout, "no end after 500ms, the limit; its last checkpoint is kept")
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: it took %v", kind, took)
		}
		if _, err := os.Stat(filepath.Join(dir, "pid")); err == nil { // it had the time to begin
			gone(t, started(t, dir))
		}
	}
}

func TestMemoryGuard(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells what memory a process holds")
	}
	dir := t.TempDir()
	wantCause(t, limited(t, "hungry", dir, plan.Limits{Memory: 100e6}), OOM, "more memory than 0.1 GB, the limit")
	gone(t, started(t, dir))
}

func TestCauses(t *testing.T) {
	wantCause(t, limited(t, "starved", t.TempDir(), plan.Limits{}), OOM, "could get no more memory; its log is ")
	wantCause(t, limited(t, "asked", t.TempDir(), plan.Limits{}), Preempted, "somebody asked the worker to stop")
	wantCause(t, limited(t, "says", t.TempDir(), plan.Limits{}), Disk, "no space left")
}

// TestSignalsFromOutside sends a worker what an operator, or a cluster, would.
func TestSignalsFromOutside(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals")
	}
	for signal, cause := range map[syscall.Signal]Cause{syscall.SIGTERM: Preempted, syscall.SIGKILL: Crash} {
		dir := t.TempDir()
		go func() {
			for range 500 {
				if text, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil && len(text) > 0 {
					var pid int
					fmt.Sscan(string(text), &pid)
					syscall.Kill(pid, signal)
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		says := map[Cause]string{Preempted: "it goes on from its last checkpoint", Crash: "was killed, perhaps for want of memory"}[cause]
		wantCause(t, limited(t, "sleeps", dir, plan.Limits{}), cause, says)
	}
}

// TestLifeline lets go of a worker's standard input, as its parent's death would.
func TestLifeline(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "hangs on", "job")
	cmd.Env = append(os.Environ(), lifeline+"=1")
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		t.Fatalf("it ended while its input was open: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	hold.(io.Closer).Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		cmd.Process.Kill()
		t.Error("it outlives its parent")
	}
}

// TestDiskFaultsAreNoTrials tells the fault of the machine's disk from one of a
// training.
func TestDiskFaultsAreNoTrials(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "checkpoint", Err: syscall.ENOSPC}
	wantCause(t, failed(context.Background(), Crash, train.Job{Name: "toy"}, fmt.Errorf("write checkpoint: %w", full)), Disk, "toy: write checkpoint: write checkpoint: no space left on device")
	wantCause(t, failed(context.Background(), NaN, train.Job{Name: "toy"}, errors.New("infinite")), NaN, "toy: infinite")
}
