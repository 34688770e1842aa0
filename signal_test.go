package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var signals = map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}

// stopAfter runs a program until a line of its stderr matches, then sends it a
// signal and expects its exit code, -1 where the signal ends it outright.
// With a fifth word "worker" the signal goes to its child processes instead.
func stopAfter(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 5, "stop-after PATTERN SIGNAL program|worker CODE PROGRAM [ARG...]")
	pattern, signal, victim, want := regexp.MustCompile(args[0]), signals[args[1]], args[2], number(ts, args[3])
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	path, err := lookPath(ts, args[4])
	ts.Check(err)
	cmd := exec.CommandContext(ctx, path, args[5:]...)
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = environment(ts)
	var out bytes.Buffer
	seen := &watcher{pattern: pattern, found: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &out, seen
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-seen.found:
	case err := <-ended:
		ts.Fatalf("ended with %v before a line matched %s:\n%s", err, args[0], seen.text.String())
	}
	if victim == "worker" {
		for hit := false; !hit; {
			select {
			case err := <-ended:
				ts.Fatalf("ended with %v before a worker was seen", err)
			default:
			}
			for _, pid := range children(ts.Getenv("WORK"), cmd.Process.Pid) {
				hit = syscall.Kill(pid, signal) == nil || hit
			}
		}
	} else {
		ts.Check(cmd.Process.Signal(signal))
	}
	<-ended
	fmt.Fprint(ts.Stdout(), out.String())
	fmt.Fprint(ts.Stderr(), seen.text.String())
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// watcher waits for a line that matches.
type watcher struct {
	pattern *regexp.Regexp
	text    bytes.Buffer
	found   chan struct{}
	over    bool
}

func (w *watcher) Write(b []byte) (int, error) {
	w.text.Write(b)
	if !w.over && w.pattern.Match(w.text.Bytes()) {
		w.over = true
		close(w.found)
	}
	return len(b), nil
}

// environment is what the script's programs see.
func environment(ts *testscript.TestScript) []string {
	env := os.Environ()
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "RUNSPEC_CACHE", "RUNSPEC_DATA", "GOMAXPROCS"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, name); isProgram(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no program %s", name)
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// childless expects that no process works in the script's folder any more, half
// a second from now at the latest.
func childless(ts *testscript.TestScript, neg bool, args []string) {
	var left []int
	for range 50 {
		if left = children(ts.Getenv("WORK"), 0); len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("processes %v are left over", left)
}

// children lists the processes that work in dir, but for one. It looks in
// /proc, and finds none where there is no such thing.
func children(dir string, but int) []int {
	var out []int
	dirs, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range dirs {
		at, err := os.Readlink(link)
		var pid int
		fmt.Sscanf(strings.TrimPrefix(link, "/proc/"), "%d", &pid)
		if err == nil && at == dir && pid != but && pid != os.Getpid() {
			out = append(out, pid)
		}
	}
	return out
}
