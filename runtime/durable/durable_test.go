package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var errDisk = errors.New("no space left on device")

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// TestFaults fails each operation in turn: the old file or the new one is
// there, never a part, and nothing else.
func TestFaults(t *testing.T) {
	for _, op := range []Op{OpCreate, OpWrite, OpSync, OpClose, OpRename, OpSyncDir} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		if err := Write(path, []byte("old content")); err != nil {
			t.Fatal(err)
		}
		end := InjectFaults(func(o Op, _ string) error {
			if o == op {
				return errDisk
			}
			return nil
		})
		err := Write(path, []byte("new content"))
		end()
		if !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", op, err)
		}
		want := "old content"
		if op == OpSyncDir { // it is there, but a crash of the host might undo that
			want = "new content"
		}
		if got := content(t, path); got != want {
			t.Errorf("%s: the file holds %q, want %q", op, got, want)
		}
		if left := entries(t, dir); len(left) != 1 {
			t.Errorf("%s: files %q are left", op, left)
		}
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	living, err := Create(filepath.Join(deep, "living"))
	if err != nil {
		t.Fatal(err)
	}
	// The name of a process that began at another time than this one.
	dead := func(path string) string {
		f := strings.Split(temporary(path), "~")
		f[len(f)-2] = "1"
		return strings.Join(f, "~")
	}
	other := func(path string) string {
		f := strings.Split(temporary(path), "~")
		f[len(f)-4] = "00000000"
		return strings.Join(f, "~")
	}
	recent, old := other(filepath.Join(dir, "recent")), other(filepath.Join(dir, "old"))
	for _, path := range []string{dead(filepath.Join(deep, "dead")), recent, old, filepath.Join(dir, ".~mine")} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dead(filepath.Join(dir, "folder")), "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	yesterday := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(old, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	Sweep(dir, 1)
	if got := entries(t, deep); len(got) != 2 {
		t.Errorf("a sweep one folder deep changed the second: %q", got)
	}
	Sweep(dir, 2)
	if got := entries(t, deep); len(got) != 1 || !strings.Contains(got[0], "living") {
		t.Errorf("%q are left", got)
	}
	if got := strings.Join(entries(t, dir), " "); got != filepath.Base(recent)+" .~mine a" && got != ".~mine "+filepath.Base(recent)+" a" {
		t.Errorf("%s are left", got)
	}
	if err := living.Commit(); err != nil {
		t.Error(err)
	}
}

// TestWriteNew has many write one file: one of them does, with hard links or
// without.
func TestWriteNew(t *testing.T) {
	for what, write := range map[string]func(string, []byte) error{"link": WriteNew, "exclusive": writeExclusively} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		won := make(chan string, 20)
		var group sync.WaitGroup
		for i := range cap(won) {
			group.Go(func() {
				text := strings.Repeat(string(rune('a'+i)), 1000)
				err := write(path, []byte(text))
				if err == nil {
					won <- text
				} else if !errors.Is(err, fs.ErrExist) {
					t.Errorf("%s: %v", what, err)
				}
			})
		}
		group.Wait()
		if len(won) != 1 || content(t, path) != <-won {
			t.Errorf("%s: %d others wrote it", what, len(won))
		}
		if left := entries(t, dir); len(left) != 1 {
			t.Errorf("%s: files %q are left", what, left)
		}
	}
}

func TestClockIsTheFileSystems(t *testing.T) {
	dir := t.TempDir()
	now, err := Clock(dir)
	if err != nil || time.Since(now).Abs() > time.Hour {
		t.Errorf("%v, %v", now, err)
	}
	if left := entries(t, dir); len(left) > 0 {
		t.Errorf("files %q are left", left)
	}
}
