package journal

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/durable"
	"runspec/runtime/evaluate"
	"runspec/runtime/search"
)

// equal compares events; missing scores are equal, and time is outside.
var equal = cmp.Options{
	cmpopts.EquateNaNs(), cmpopts.IgnoreFields(Event{}, "Time"),
	cmp.Comparer(func(a, b space.Value) bool { return a == b }),
	cmp.Comparer(func(a, b evaluate.Score) bool { return a == b || a != a && b != b }),
}

func event(i int) Event {
	fold := plan.Fold(i % 2)
	trial := search.Trial{ID: "hpo-c" + strings.Repeat("1", i+1) + "r0", Study: "hpo", Epochs: 4, Key: "00ff",
		Configuration: space.Configuration{"momentum": space.Number(0.99), "optimizer": space.Text("SGD"), "ama\nd": space.Truth(true)}}
	e := Event{Kind: Result, Dataset: "Dataset999_Phantom", Study: "hpo", Trial: trial, Fold: &fold}
	e.Result = &TrialResult{
		Objectives: []evaluate.Score{0.25, evaluate.Missing()}, TieBreak: -0.5, Cost: Cost{Hours: 0.1, Epochs: 4, FLOPs: 1e15},
		Folds: []FoldResult{{Fold: fold, Dice: map[string]evaluate.Score{"Anterior": 0.8, "Posterior": evaluate.Missing()}, MeanDice: 0.8,
			Cases: []CaseResult{{ID: "case_01", Dice: map[string]evaluate.Score{"Anterior": 0.8, "Posterior": evaluate.Missing()}}}}},
	}
	return e
}

func write(t *testing.T, path string, n int) []Event {
	t.Helper()
	j := must(t, path)
	defer j.Close()
	for i := range n {
		if _, err := j.Append(event(i)); err != nil {
			t.Fatal(err)
		}
	}
	return j.Events
}

func must(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestReplayGivesWhatWasAppended(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	wrote := write(t, path, 3)
	j := must(t, path)
	defer j.Close()
	if d := cmp.Diff(wrote, j.Events, equal); d != "" {
		t.Errorf("replay (-wrote +read):\n%s", d)
	}
	if v := float64(j.Events[0].Result.Objectives[1]); !math.IsNaN(v) {
		t.Errorf("a missing score is read as %v", v)
	}
	if time.Since(j.Events[0].Time) > time.Hour {
		t.Errorf("stamped %v", j.Events[0].Time)
	}
	if e, err := j.Append(event(3)); err != nil || e.Sequence != 4 {
		t.Errorf("event %d, %v; want number 4", e.Sequence, err)
	}
}

// A kill can leave any part of the last line.
func TestTornTailIsCutAtEveryByte(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	wrote := write(t, path, 3)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for size := last; size < len(whole); size++ {
		if err := os.WriteFile(path, whole[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		events, torn, err := Read(path)
		if err != nil || len(events) != 2 || torn != size-last {
			t.Fatalf("size %d: read %d events, %d torn bytes, %v", size, len(events), torn, err)
		}
		j, err := Open(path)
		if err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		if len(j.Events) != 2 || j.Torn != size-last {
			t.Fatalf("size %d: %d events, %d torn bytes", size, len(j.Events), j.Torn)
		}
		if _, err := j.Append(event(2)); err != nil {
			t.Fatal(err)
		}
		j.Close()
		after, _, err := Read(path)
		if d := cmp.Diff(wrote, after, equal); err != nil || d != "" {
			t.Fatalf("size %d: resumed and unbroken differ: %v\n%s", size, err, d)
		}
	}
}

func TestDamageElsewhereStopsWithTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	write(t, path, 3)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	start := len(lines[0])
	for i := range lines[1] {
		damaged := bytes.Clone(whole)
		damaged[start+i] ^= 0x01
		refuses(t, path, damaged, "line 2")
	}
	refuses(t, path, bytes.Join([][]byte{lines[0], lines[2]}, nil), "line 2")
	refuses(t, path, bytes.Join([][]byte{lines[0], lines[1], lines[1]}, nil), "line 3")
	refuses(t, path, append(bytes.Clone(whole), '\n'), "line 4")
}

func refuses(t *testing.T, path string, text []byte, where string) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	j, err := Open(path)
	if err == nil {
		j.Close()
		t.Fatalf("damage at %s is not noticed", where)
	}
	if !strings.Contains(err.Error(), where+":") {
		t.Fatalf("%v; want %s", err, where)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(after, text) {
		t.Fatal("a damaged journal was changed")
	}
}

func TestOneWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := must(t, path)
	if _, err := Open(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second writer: %v, want ErrLocked", err)
	}
	j.Close()
	must(t, path).Close()
}

// faulty is a disk that accepts so many bytes, and then so many syncs.
type faulty struct {
	*durable.Log
	bytes, syncs int
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.bytes >= len(p) {
		f.bytes -= len(p)
		return f.Log.Write(p)
	}
	n, _ := f.Log.Write(p[:f.bytes])
	f.bytes = 0
	return n, errors.New("no space left on device")
}

func (f *faulty) Sync() error {
	if f.syncs--; f.syncs < 0 {
		return errors.New("input/output error")
	}
	return f.Log.Sync()
}

func TestFaultyDisk(t *testing.T) {
	first, _ := line(numbered(0))
	for name, disk := range map[string]*faulty{
		"full":      {bytes: len(first) + 10, syncs: 9},
		"sync lost": {bytes: 1 << 20, syncs: 1},
	} {
		path := filepath.Join(t.TempDir(), "journal")
		j := must(t, path)
		disk.Log = j.file.(*durable.Log)
		j.file = disk
		if _, err := j.Append(numbered(0)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for range 2 {
			if _, err := j.Append(numbered(1)); err == nil {
				t.Fatalf("%s: no error", name)
			}
		}
		if len(j.Events) != 1 {
			t.Errorf("%s: %d events count, want 1", name, len(j.Events))
		}
		j.Close()
		again := must(t, path)
		if len(again.Events) < 1 || len(again.Events) > 2 {
			t.Errorf("%s: %d events after reopening", name, len(again.Events))
		}
		again.Close()
	}
}

// numbered has a fixed time, so that its line has a known length.
func numbered(i int) Event {
	e := event(i)
	e.Version, e.Sequence, e.Time = Version, i+1, time.Unix(1, 0).UTC()
	return e
}

// TestTheCheckForbidsWriting takes the right to write away between two events.
func TestTheCheckForbidsWriting(t *testing.T) {
	var lost error
	path := filepath.Join(t.TempDir(), "journal")
	j := must(t, path)
	j.Check = func() error { return lost }
	defer j.Close()
	if _, err := j.Append(event(0)); err != nil {
		t.Fatal(err)
	}
	lost = errors.New("taken over")
	if _, err := j.Append(event(1)); !errors.Is(err, lost) {
		t.Errorf("error %v, want %v", err, lost)
	}
	if events, torn, err := Read(path); len(events) != 1 || torn != 0 || err != nil {
		t.Errorf("%d events, %d bytes torn, %v", len(events), torn, err)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	dir := t.TempDir()
	os.Chmod(dir, 0o500)
	if _, err := Open(filepath.Join(dir, "journal")); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want one that names %s", err, dir)
	}
}

func TestHistory(t *testing.T) {
	done, failed, started, other, baseline := event(0), event(1), event(2), event(3), event(4)
	failed.Kind, failed.Result, failed.Cause = Failure, nil, "diverged"
	started.Kind, started.Result = Start, nil
	other.Dataset = "Dataset004_Hippocampus"
	baseline.Study, baseline.Baseline = "", "nnunet/Conv"
	got := History([]Event{started, done, other, failed, baseline}, "Dataset999_Phantom", "hpo")
	want := []search.Observation{
		{Trial: done.Trial, Objectives: []float64{0.25, math.NaN()}, TieBreak: -0.5},
		{Trial: failed.Trial, Failed: true, Cause: "diverged"},
	}
	if d := cmp.Diff(want, got, equal); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func FuzzReplay(f *testing.F) {
	text, _ := line(numbered(0))
	f.Add(text)
	f.Add(text[:len(text)-3])
	f.Fuzz(func(t *testing.T, text []byte) {
		events, torn, err := replay(text)
		if err == nil && torn == 0 && len(text) > 0 && len(events) == 0 {
			t.Error("bytes without events are accepted")
		}
	})
}
