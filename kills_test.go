package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"runspec/runtime/durable"
)

var (
	killCount  = flag.Int("kills", 12, "kills of TestKills")
	killRecord = flag.String("record", "", "file to which TestKills writes what it found")
)

// TestKills kills a run of two workers at random moments, in the middle of
// journal lines, checkpoints and cache entries among them. It expects that the
// same command ends with the table of the unbroken run, that no epoch is
// trained twice which was told of, and that no process, lock or temporary file
// is left.
//
//	go test . -run TestKills -kills 200 -record runtime/proofs/kills.txt -timeout 2h
func TestKills(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks at processes in /proc")
	}
	n := *killCount
	if testing.Short() {
		n = min(n, 4)
	}
	k := newKiller(t)
	for i, landed := 0, 0; landed < n && !t.Failed(); i++ {
		if k.round(t, i) {
			landed++
		}
	}
	k.report(t, n)
}

// killer is the state of TestKills.
type killer struct {
	dir     string // of the spec, the runs and the caches
	program string
	whole   time.Duration // of the unbroken run
	draw    *rand.Rand
	hits    map[string]int // what was found, for the record
}

func newKiller(t *testing.T) *killer {
	k := &killer{dir: t.TempDir(), draw: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0)), hits: map[string]int{}}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	k.program = filepath.Join(k.dir, "bin", "runspec") // behaves as runspec does: see TestMain
	if err := os.MkdirAll(filepath.Dir(k.program), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(self, k.program); err != nil {
		text, err := os.ReadFile(self)
		if err == nil {
			err = os.WriteFile(k.program, text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join("testdata", "spec", "kills.cue"))
	if err == nil {
		err = os.WriteFile(filepath.Join(k.dir, "kills.cue"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	k.finish(t, "whole", "cache")
	k.whole = time.Since(began)
	return k
}

// running is a run under way.
type running struct {
	*exec.Cmd
	stderr *transcript
	ended  chan error
}

// transcript collects what a run prints.
type transcript struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (b *transcript) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.Write(p)
}

func (b *transcript) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.text.String()
}

func (k *killer) start(t *testing.T, run, cache string) running {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	r := running{Cmd: exec.CommandContext(ctx, k.program, "kills.cue", "--run-dir", run, "--workers", "2", "--threads", "2", "--progress", "plain"), stderr: &transcript{}, ended: make(chan error, 1)}
	r.Dir = k.dir
	r.Env = append(os.Environ(), "RUNSPEC_CACHE="+filepath.Join(k.dir, cache), "RUNSPEC_DATA=", "GOMAXPROCS=2", "TMPDIR="+k.dir)
	r.Stderr = r.stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.Wait() }()
	return r
}

// finish runs to the end and gives what was printed.
func (k *killer) finish(t *testing.T, run, cache string) string {
	t.Helper()
	r := k.start(t, run, cache)
	if err := <-r.ended; err != nil {
		t.Fatalf("%s: %v\n%s", run, err, r.stderr)
	}
	return r.stderr.String()
}

// blow is a way to kill: whom, by which signal, and the exit codes that the run
// may end with; -1 is by the signal itself.
type blow struct {
	name    string
	main    syscall.Signal // 0: spared
	workers syscall.Signal
	codes   []int
}

// twice is the blow whose second signal does not wait for the workers.
const twice = "TERM to the run, and again"

var blows = []blow{
	{"kill -9 of the run", syscall.SIGKILL, 0, []int{-1}},
	{"kill -9 of the workers", 0, syscall.SIGKILL, []int{0}},
	{"kill -9 of all", syscall.SIGKILL, syscall.SIGKILL, []int{-1}},
	{"TERM to the run", syscall.SIGTERM, 0, []int{143}},
	{"TERM to the workers", 0, syscall.SIGTERM, []int{0}},
	{"Ctrl-C at a terminal, which TERMs the workers too", syscall.SIGINT, syscall.SIGTERM, []int{130}},
	{twice, syscall.SIGTERM, 0, []int{143}},
}

// moments are what the killer waits for.
var moments = []string{"at a random time", "at a journal line", "in a checkpoint", "in a cache entry"}

// round kills one run once and has it finished. It is false where the signal
// came before there was anybody to kill, or after.
func (k *killer) round(t *testing.T, i int) (landed bool) {
	t.Helper()
	b, moment := blows[i%len(blows)], moments[(i/len(blows)+i)%len(moments)]
	run, cache := fmt.Sprintf("run%d", i), "cache"
	if moment == "in a cache entry" || i%5 == 0 {
		cache = fmt.Sprintf("cache%d", i)
	}
	name := fmt.Sprintf("kill %d: %s %s", i, b.name, moment)
	r := k.start(t, run, cache)
	early := k.wait(r, run, cache, moment)
	var victims []int
	if !early {
		victims = k.strike(r, b)
	}
	before := <-drained(r)
	switch code := r.ProcessState.ExitCode(); {
	case code == 0 && b.main != 0: // it had ended
		early = true
	case !slices.Contains(b.codes, code):
		t.Errorf("%s: exit code %d, want %v:\n%s", name, code, b.codes, before)
	}
	k.alone(t, name)
	k.found(filepath.Join(k.dir, run), filepath.Join(k.dir, cache))
	if (b.main == syscall.SIGTERM || b.main == syscall.SIGINT) && b.name != twice { // cleans up itself
		k.tidy(t, name, run, cache)
	}
	after := k.finish(t, run, cache)
	k.told(t, name, before, after)
	k.alone(t, name)
	k.tidy(t, name, run, cache)
	d, err := difference(filepath.Join(k.dir, "whole"), filepath.Join(k.dir, run))
	if err != nil || d != "" {
		t.Errorf("%s: %v\nunbroken and killed differ:\n%s\nbefore:\n%s\nafter:\n%s", name, err, d, before, after)
	}
	if landed = !early && (b.main != 0 || len(victims) > 0); landed {
		k.hits[b.name]++
		k.hits[moment]++
	} else {
		k.hits["not counted: nobody was there to kill"]++
	}
	os.RemoveAll(filepath.Join(k.dir, run))
	if cache != "cache" {
		os.RemoveAll(filepath.Join(k.dir, cache))
	}
	return landed
}

// drained waits for a run's end and gives what it printed.
func drained(r running) <-chan string {
	out := make(chan string, 1)
	go func() {
		<-r.ended
		out <- r.stderr.String()
	}()
	return out
}

// wait returns at the moment, or when the run has ended before: then true.
func (k *killer) wait(r running, run, cache, moment string) (ended bool) {
	nth := 1 + k.draw.IntN(6)
	seen, count, deadline := "", 0, time.Now().Add(time.Duration(k.draw.Float64()*float64(k.whole)))
	for {
		select {
		case err := <-r.ended:
			r.ended <- err
			return true
		default:
		}
		now := ""
		switch moment {
		case "at a random time":
			if time.Now().After(deadline) {
				return false
			}
		case "at a journal line":
			if info, err := os.Stat(filepath.Join(k.dir, run, "journal.jsonl")); err == nil && info.Size() > 0 {
				now = fmt.Sprint(info.Size())
			}
		case "in a checkpoint":
			now = temporaries(filepath.Join(k.dir, run, "trials"), 5)
		default:
			now = temporaries(filepath.Join(k.dir, cache), 3)
		}
		if now != "" && now != seen {
			if count++; count >= nth {
				return false
			}
		}
		seen = now
		time.Sleep(50 * time.Microsecond)
	}
}

// temporaries lists the temporary files below a folder.
func temporaries(dir string, depth int) string {
	var found []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if durable.Temporary(e.Name()) {
			found = append(found, e.Name())
		} else if e.IsDir() && depth > 0 {
			if below := temporaries(filepath.Join(dir, e.Name()), depth-1); below != "" {
				found = append(found, below)
			}
		}
	}
	return strings.Join(found, " ")
}

// strike sends the signals, and returns the processes that there were.
func (k *killer) strike(r running, b blow) []int {
	workers := children(k.dir, r.Process.Pid)
	if b.workers != 0 {
		for _, pid := range workers {
			syscall.Kill(pid, b.workers)
		}
	}
	if b.main != 0 {
		r.Process.Signal(b.main)
	}
	if b.name == twice {
		time.Sleep(5 * time.Millisecond)
		r.Process.Signal(b.main)
	}
	return workers
}

// alone expects that no process is left.
func (k *killer) alone(t *testing.T, name string) {
	t.Helper()
	var left []int
	for range 500 {
		if left = children(k.dir, 0); len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s: processes %v are left over", name, left)
}

func (k *killer) tidy(t *testing.T, name string, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		left, err := litter(filepath.Join(k.dir, dir))
		if err != nil || len(left) > 0 {
			t.Errorf("%s: left over in %s: %v %v", name, dir, left, err)
		}
	}
}

// found counts what the kill has left, which tells what it hit.
func (k *killer) found(dirs ...string) {
	for _, dir := range dirs {
		left, _ := litter(dir)
		for _, path := range left {
			name := filepath.Base(path)
			switch {
			case strings.Contains(name, "checkpoint"):
				k.hits["left by the kill: a checkpoint in the middle"]++
			case strings.Contains(name, ".case~"):
				k.hits["left by the kill: a preprocessed case in the middle"]++
			case strings.HasPrefix(name, "lease"):
				k.hits["left by the kill: the lease of the dead"]++
			case durable.Temporary(name):
				k.hits["left by the kill: another file in the middle"]++
			default:
				k.hits["left by the kill: "+name]++
			}
		}
	}
}

var epochLine = regexp.MustCompile(`(?m)^\S+ +(\S+ \S+ fold \d): epoch (\d+) of`)

// told expects that an epoch which was told of before the kill is not trained
// again after it: its checkpoint was written first.
func (k *killer) told(t *testing.T, name, before, after string) {
	t.Helper()
	last := map[string]int{}
	for _, m := range epochLine.FindAllStringSubmatch(before, -1) {
		last[m[1]], _ = strconv.Atoi(m[2])
	}
	for _, m := range epochLine.FindAllStringSubmatch(after, -1) {
		if n, _ := strconv.Atoi(m[2]); n <= last[m[1]] {
			t.Errorf("%s: %s: epoch %d is trained again, %d were told of", name, m[1], n, last[m[1]])
		}
	}
	if len(last) == 0 {
		k.hits["before the first epoch"]++
	}
}

// report logs what was found, and writes it to the record.
func (k *killer) report(t *testing.T, n int) {
	var b strings.Builder
	verdict := "equal tables each time, no epoch told of trained again, no process, lock or temporary file left"
	if t.Failed() {
		verdict = "FAILED"
	}
	fmt.Fprintf(&b, "%d kills of a run of two workers, cost \"model\": %s\n%s, %s, %s/%s, %d processors, unbroken run %.1f s\n\n",
		n, verdict, time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), k.whole.Seconds())
	for _, name := range slices.Sorted(maps.Keys(k.hits)) {
		fmt.Fprintf(&b, "%5d  %s\n", k.hits[name], name)
	}
	t.Log("\n" + b.String())
	if *killRecord != "" {
		if err := os.WriteFile(*killRecord, []byte(b.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
}
