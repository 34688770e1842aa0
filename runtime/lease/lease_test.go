package lease

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"runspec/runtime/durable"
	"runspec/runtime/process"
)

func must(t *testing.T, dir string) *Lease {
	t.Helper()
	l, err := Acquire(dir, Options{Interval: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// leave writes the lease of another owner, as it would be after so long
// without a sign of life.
func leave(t *testing.T, path string, token string, change func(*process.Process), silent time.Duration) {
	t.Helper()
	o := Owner{Process: process.Self(), Token: token, Since: time.Now(), Interval: time.Second}
	change(&o.Process)
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	last := time.Now().Add(-silent)
	if err := os.Chtimes(path, last, last); err != nil {
		t.Fatal(err)
	}
}

const someToken = "ABCDEFGHIJKLMNOP"

func gone(p *process.Process) { p.Boot = "an earlier one"; p.PID = 1 << 22 }

func elsewhere(p *process.Process) { p.Host = "node7"; p.User = "ada"; p.Command = "runspec mine.cue" }

func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left", e.Name())
	}
}

func TestOneOwner(t *testing.T) {
	dir := t.TempDir()
	l := must(t, dir)
	_, err := Acquire(dir, Options{})
	var held *HeldError
	if !errors.As(err, &held) || held.Owner.PID != os.Getpid() || held.Owner.Token != l.Owner.Token {
		t.Fatalf("second owner: %v", err)
	}
	for _, want := range []string{dir, process.Self().Host, "--run-dir", "runspec unlock", filepath.Base(os.Args[0])} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	empty(t, dir)
	must(t, dir).Release()
}

func TestTakeover(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells when a process began")
	}
	for what, c := range map[string]struct {
		change func(*process.Process)
		silent time.Duration
		taken  bool
	}{
		"ended":                       {gone, 0, true},
		"number used again":           {func(p *process.Process) { p.Start-- }, 0, true},
		"alive, though silent":        {func(p *process.Process) {}, time.Hour, false},
		"another host, just seen":     {elsewhere, time.Second, false},
		"another host, silent":        {elsewhere, 7 * time.Second, true},
		"another container, silent":   {func(p *process.Process) { p.Namespace = "pid:[1]" }, 7 * time.Second, true},
		"of another clock, in future": {elsewhere, -time.Hour, false},
	} {
		dir := t.TempDir()
		leave(t, filepath.Join(dir, name), someToken, c.change, c.silent)
		l, err := Acquire(dir, Options{})
		var held *HeldError
		switch {
		case c.taken && (err != nil || l.Former == nil || l.Former.Token != someToken):
			t.Errorf("%s: %v, not taken over", what, err)
		case !c.taken && !errors.As(err, &held):
			t.Errorf("%s: %v, want a held lease", what, err)
		}
		if l != nil {
			l.Release()
			empty(t, dir)
		}
	}
}

// TestManyTakers lets many want the lease of a dead owner at once, in whose
// takeover another died: one gets it.
func TestManyTakers(t *testing.T) {
	for round := range 16 {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		leave(t, path, someToken, gone, 0)
		if round%2 == 1 {
			leave(t, path+"."+someToken, "PONMLKJIHGFEDCBA", gone, 0)
		}
		var group sync.WaitGroup
		won := make(chan *Lease, 16)
		for range cap(won) {
			group.Go(func() {
				l, err := Acquire(dir, Options{})
				var held *HeldError
				if err == nil {
					won <- l
				} else if !errors.As(err, &held) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if len(won) != 1 {
			t.Fatalf("round %d: %d takers got the lease", round, len(won))
		}
		l := <-won
		if err := errors.Join(l.Check(), l.Release()); err != nil {
			t.Error(err)
		}
		empty(t, dir)
	}
}

// TestTurns has many owners come and go, each dying or releasing, and counts
// those that own at once.
func TestTurns(t *testing.T) {
	dir := t.TempDir()
	var mutex sync.Mutex
	owners, turns := 0, 0
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for turn := 0; turn < 6; {
				l, err := Acquire(dir, Options{})
				if err != nil {
					runtime.Gosched()
					continue
				}
				mutex.Lock()
				owners++
				if owners > 1 {
					t.Errorf("%d owners at once", owners)
				}
				mutex.Unlock()
				runtime.Gosched()
				mutex.Lock()
				owners--
				turns++
				mutex.Unlock()
				turn++
				if turn%3 == 0 { // die: the next one takes it over
					close(l.end)
					l.beat.Wait()
					text, _ := json.Marshal(func() Owner { o := l.Owner; gone(&o.Process); return o }())
					if err := durable.Write(l.path, text); err != nil {
						t.Error(err)
					}
				} else if err := l.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if turns != 48 {
		t.Errorf("%d turns", turns)
	}
	must(t, dir).Release()
	empty(t, dir)
}

func TestHeartbeat(t *testing.T) {
	dir := t.TempDir()
	l, err := Acquire(dir, Options{Interval: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	before, _ := os.ReadFile(path)
	long := time.Now().Add(-time.Hour)
	os.Chtimes(path, long, long)
	for range 5000 {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) < time.Minute {
			break
		}
		time.Sleep(time.Millisecond)
	}
	o, seen, held, err := Holder(dir)
	if err != nil || !held || o.Token != l.Owner.Token || seen > time.Minute {
		t.Errorf("%v, %v, last seen %v ago, %v", held, o, seen, err)
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Errorf("the heartbeat changed the lease:\n%s\n%s", before, after)
	}
	l.Release()
	if _, _, held, err := Holder(dir); held || err != nil {
		t.Errorf("released, and held: %v, %v", held, err)
	}
}

func TestLost(t *testing.T) {
	for what, lose := range map[string]func(dir string){
		"unlocked by force": func(dir string) { Unlock(dir, true) },
		"taken over":        func(dir string) { Unlock(dir, true); Acquire(dir, Options{}) },
		"replaced":          func(dir string) { durable.Write(filepath.Join(dir, name), []byte("{}")) },
	} {
		dir := t.TempDir()
		l, err := Acquire(dir, Options{Interval: 5 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := l.Context(context.Background())
		if err := l.Check(); err != nil {
			t.Error(what, err)
		}
		lose(dir)
		if err := l.Check(); !errors.Is(err, ErrLost) {
			t.Errorf("%s: check gives %v", what, err)
		}
		select {
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), ErrLost) {
				t.Errorf("%s: %v", what, context.Cause(ctx))
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: the run is not stopped", what)
		}
		other, _ := os.ReadFile(filepath.Join(dir, name))
		if err := l.Release(); err != nil {
			t.Error(what, err)
		}
		if after, _ := os.ReadFile(filepath.Join(dir, name)); string(after) != string(other) {
			t.Errorf("%s: the loser removed the new owner's lease", what)
		}
		stop()
	}
}

func TestUnlock(t *testing.T) {
	dir := t.TempDir()
	if _, held, err := Unlock(dir, false); held || err != nil {
		t.Errorf("no lease: %v, %v", held, err)
	}
	l := must(t, dir)
	var living *HeldError
	if _, held, err := Unlock(dir, false); !held || !errors.As(err, &living) {
		t.Errorf("a living owner's: %v, %v", held, err)
	}
	if o, held, err := Unlock(dir, true); !held || err != nil || o.Token != l.Owner.Token {
		t.Errorf("by force: %v, %v, %v", o, held, err)
	}
	empty(t, dir)
	l.Release()
	leave(t, filepath.Join(dir, name), someToken, gone, 0)
	if o, held, err := Unlock(dir, false); !held || err != nil || o.Token != someToken {
		t.Errorf("a dead owner's: %v, %v, %v", o, held, err)
	}
	empty(t, dir)
}

// TestUnreadable finds what is no lease: it holds as another host's would.
func TestUnreadable(t *testing.T) {
	for _, text := range []string{"", "{", `{"token": "../../x"}`, "null"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		var held *HeldError
		if _, err := Acquire(dir, Options{}); !errors.As(err, &held) {
			t.Errorf("%q: %v", text, err)
		}
		old := time.Now().Add(-time.Hour)
		os.Chtimes(path, old, old)
		l, err := Acquire(dir, Options{})
		if err != nil {
			t.Errorf("%q, an hour later: %v", text, err)
			continue
		}
		l.Release()
		empty(t, dir)
	}
}

// TestFaults fails each file operation in turn: no lease, one error, nothing
// left; or a lease.
func TestFaults(t *testing.T) {
	errDisk := errors.New("no space left on device")
	for n := range 40 {
		dir := t.TempDir()
		leave(t, filepath.Join(dir, name), someToken, gone, 0)
		i := 0
		end := durable.InjectFaults(func(durable.Op, string) error {
			if i++; i > n {
				return errDisk
			}
			return nil
		})
		l, err := Acquire(dir, Options{Interval: time.Hour})
		if err != nil && (!errors.Is(err, errDisk) || !strings.Contains(err.Error(), dir)) {
			t.Errorf("operation %d: %v", n, err)
		}
		if err == nil {
			if err := l.Release(); err != nil {
				t.Errorf("operation %d: release: %v", n, err)
			}
		}
		end()
		must(t, dir).Release()
		empty(t, dir)
	}
}
