package execute

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"runspec/runtime/train"
)

// TestMain makes this binary a worker of many kinds, chosen by its first word.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 {
		if kind, ok := workers[os.Args[1]]; ok {
			kind(os.Args[2])
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

var workers = map[string]func(job string){
	"good": func(job string) {
		fmt.Println(`{"epoch": 0, "trainLoss": 0.5}`)
		fmt.Println(`no JSON`)
		fmt.Println(`{"epoch": 1, "trainLoss": null}`)
		train.Result{Epochs: 2}.Write(filepath.Join(filepath.Dir(job), resultFile))
	},
	"silent": func(string) {},
	"panics": func(string) { panic("index out of range") },
	"fails": func(job string) {
		os.WriteFile(filepath.Join(filepath.Dir(job), failureFile), []byte(`{"cause": "nan", "message": "it diverged"}`), 0o644)
		os.Exit(1)
	},
	"works": func(job string) { // the real thing
		if err := Work(context.Background(), job, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	},
	"sleeps": sleep,
	"stubborn": func(job string) {
		signal.Ignore(syscall.SIGTERM)
		sleep(job)
	},
	"parent": func(dir string) { // a run whose worker sleeps
		run("sleeps", dir, context.Background())
	},
}

func sleep(job string) {
	os.WriteFile(filepath.Join(filepath.Dir(job), "pid"), []byte(strconv.Itoa(os.Getpid())), 0o644)
	time.Sleep(time.Minute)
}

func run(kind, dir string, ctx context.Context) ([]train.Epoch, train.Result, error) {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	var told []train.Epoch
	l := Local{Command: []string{self, kind}, Grace: time.Second}
	r, err := l.Run(ctx, train.Job{Version: train.JobVersion, Name: "toy", Directory: dir, Data: filepath.Join(dir, "nowhere")}, func(e train.Epoch) { told = append(told, e) })
	return told, r, err
}

func TestLocalReadsWhatTheWorkerLeaves(t *testing.T) {
	told, r, err := run("good", filepath.Join(t.TempDir(), "a", "b"), context.Background())
	if err != nil || r.Epochs != 2 || len(told) != 2 || told[1].Epoch != 1 || told[1].TrainLoss.Known() || told[0].TrainLoss != 0.5 {
		t.Errorf("%v, result %+v, told %+v", err, r, told)
	}
}

func TestLocalSaysWhyAWorkerFailed(t *testing.T) {
	for kind, want := range map[string]struct {
		cause Cause
		says  string
	}{
		"silent": {Crash, "toy: the worker ended without a result"},
		"panics": {Crash, "toy: the worker ended with exit status 2; its log is "},
		"fails":  {NaN, "it diverged"},
		"works":  {BadData, "there is no dataset.json"},
	} {
		dir := t.TempDir()
		for range 2 { // the second time beside what the first left
			_, _, err := run(kind, dir, context.Background())
			var f *Failure
			if !errors.As(err, &f) || f.Cause != want.cause || !strings.Contains(f.Message, want.says) || strings.Contains(f.Message, "\n") {
				t.Errorf("%s: %v, want %s: one line with %s", kind, err, want.cause, want.says)
			}
		}
		if log, _ := os.ReadFile(filepath.Join(dir, logFile)); kind == "panics" && !strings.Contains(string(log), "goroutine") {
			t.Errorf("the stack of the panic is not in the log:\n%s", log)
		}
	}
}

// TestStaleFilesDoNotCount runs a worker that leaves nothing beside the files
// of one that did.
func TestStaleFilesDoNotCount(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := run("good", dir, context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, r, err := run("silent", dir, context.Background()); err == nil {
		t.Errorf("the earlier result counted again: %+v", r)
	}
	run("fails", dir, context.Background())
	if _, _, err := run("panics", dir, context.Background()); err == nil || strings.Contains(err.Error(), "diverged") {
		t.Errorf("the earlier failure counted again: %v", err)
	}
}

// started waits for the worker in dir and gives its process.
func started(t *testing.T, dir string) int {
	t.Helper()
	for range 500 {
		if text, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil && len(text) > 0 {
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the worker did not start")
	return 0
}

// gone waits for a process to end; one that is only not yet reaped has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d is left over", pid)
}

func TestCancelStopsTheWorker(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks at processes in /proc")
	}
	for _, kind := range []string{"sleeps", "stubborn"} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() {
			_, _, err := run(kind, dir, ctx)
			ended <- err
		}()
		pid := started(t, dir)
		cancel()
		select {
		case err := <-ended:
			var f *Failure
			if !errors.As(err, &f) || f.Cause != Cancelled {
				t.Errorf("%s: %v", kind, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: still waiting for a worker that was to stop", kind)
		}
		gone(t, pid)
	}
}

func TestWorkersDieWithTheirRun(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux kills the children of a process that dies")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	parent := exec.Command(self, "parent", dir)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid := started(t, dir)
	parent.Process.Kill()
	parent.Wait()
	gone(t, pid)
}
