package runtime

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/durable"
	"runspec/runtime/execute"
)

// faultPlan trains one network for one epoch, on one fold.
func faultPlan() *plan.Plan {
	p := smallPlan()
	p.Datasets[0].Source.Phantom.Shape = [3]int{8, 8, 8}
	p.Training.Iterations, p.Training.BaseFeatures, p.Training.MaxFeatures = 1, 2, 2
	p.Fidelity = plan.Fidelity{Unit: "epochs", Min: 1, Max: 1, Eta: 2, Horizon: 1}
	p.Folds, p.Studies = []plan.Fold{0}, nil
	p.Failures.Crash.Backoff = 0
	return p
}

// operation is a file operation of a run, by kind and by what the file is.
type operation struct {
	op   durable.Op
	what string
}

// random is what differs between runs in the names of files.
var random = regexp.MustCompile(`\.[A-Z2-7]{16}$|[0-9a-f]{8,}|\d+`)

func operationOn(op durable.Op, path string) operation {
	if durable.Temporary(path) {
		return operation{op, "a folder in the making"}
	}
	return operation{op, random.ReplaceAllString(filepath.Base(path), "#")}
}

var (
	allFaults   = flag.Bool("faults", false, "TestFaults fails all kinds of operation, not every eighth")
	faultRecord = flag.String("record", "", "file to which TestFaults writes what it found")
)

// TestFaults fails each kind of file operation of a whole run on each kind of
// file: the journal, the cache, checkpoints and all others. Failed once, the run
// says why in one line, or gets over it; on a disk that stays full it says why.
// The next run ends with the table of the unbroken one, and nothing is left.
func TestFaults(t *testing.T) {
	seen, order := map[operation]bool{}, []operation(nil)
	end := durable.InjectFaults(func(op durable.Op, path string) error {
		if o := operationOn(op, path); !seen[o] {
			seen[o] = true
			order = append(order, o)
		}
		return nil
	})
	whole := faulty(t, t.TempDir(), nil)
	end()
	if whole.err != nil || len(order) < 60 {
		t.Fatalf("%v, %d kinds of operation: %v", whole.err, len(order), order)
	}
	for _, what := range []string{"journal.jsonl", "checkpoint_latest.safetensors", "checkpoint_best.safetensors", "lease.json", "plan.json"} {
		if !slices.ContainsFunc(order, func(o operation) bool { return o.what == what && o.op == durable.OpWrite }) {
			t.Errorf("no run writes %s", what)
		}
	}
	counts := map[string]int{}
	for i, o := range order {
		for j, full := range []bool{false, true} {
			if *allFaults || (i+4*j)%8 == 0 {
				counts[fault(t, o, full, whole.tables)]++
			}
		}
	}
	recordFaults(t, order, counts)
}

// recordFaults logs what was found, and writes it to the record.
func recordFaults(t *testing.T, order []operation, counts map[string]int) {
	var b strings.Builder
	verdict := "one line said what was wrong, or the run got over it; the next run gave the table of the unbroken one, and nothing was left"
	if t.Failed() {
		verdict = "FAILED"
	}
	fmt.Fprintf(&b, "faults in file operations of a run: %s\n%s, %s, %s/%s\n\n", verdict, time.Now().UTC().Format(time.DateOnly), goruntime.Version(), goruntime.GOOS, goruntime.GOARCH)
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%5d  %s\n", counts[what], what)
	}
	fmt.Fprintf(&b, "\nkinds of operation, %d:\n", len(order))
	for _, o := range order {
		fmt.Fprintf(&b, "  %s of %s\n", o.op, o.what)
	}
	t.Log("\n" + b.String())
	if *faultRecord != "" {
		if err := os.WriteFile(*faultRecord, []byte(b.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// outcome is what a run came to.
type outcome struct {
	tables string
	err    error
}

func faulty(t *testing.T, dir string, f func(durable.Op, string) error) outcome {
	t.Helper()
	if f != nil {
		defer durable.InjectFaults(f)()
	}
	out, err := Run(context.Background(), faultPlan(), Options{RunDir: filepath.Join(dir, "run"), CacheDir: filepath.Join(dir, "cache"), Train: execute.Do})
	if err == nil && len(out.Failures) > 0 {
		err = fmt.Errorf("failed: %s", out.Failures[0].Cause)
	}
	text, jerr := json.Marshal(strip(out))
	if jerr != nil {
		t.Fatal(jerr)
	}
	return outcome{string(text), err}
}

// strip takes measured time out of a report.
func strip(out Outcome) any {
	for _, table := range out.Report.Tables {
		for i, c := range table.Columns {
			if !strings.HasSuffix(c.ID, "hours") {
				continue
			}
			for _, row := range table.Rows {
				row.Cells[i].Value, row.Cells[i].Text = nil, ""
			}
		}
	}
	return out.Report.Tables
}

// fault fails the first operation of a kind, or that and all after it, and says
// what came of it.
func fault(t *testing.T, o operation, full bool, whole string) string {
	t.Helper()
	dir, hit, wrong, came := t.TempDir(), false, syscall.EIO, "failed once"
	if full {
		wrong, came = syscall.ENOSPC, "disk full from then on"
	}
	first := faulty(t, dir, func(op durable.Op, path string) error {
		if hit && !full || !hit && operationOn(op, path) != o {
			return nil
		}
		hit = true
		return &fs.PathError{Op: string(op), Path: path, Err: wrong}
	})
	name := fmt.Sprintf("%s of %s, full disk %v", o.op, o.what, full)
	switch {
	case !hit:
		t.Errorf("%s: the operation did not come", name)
	case first.err == nil && first.tables != whole:
		t.Errorf("%s: no error, and the table\n%s\nwant\n%s", name, first.tables, whole)
	case first.err != nil && (strings.Contains(first.err.Error(), "\n") || !strings.Contains(first.err.Error(), wrong.Error())):
		t.Errorf("%s: %v; want one line that says %v", name, first.err, wrong)
	}
	if again := faulty(t, dir, nil); again.err != nil || again.tables != whole {
		t.Errorf("%s: after %v, the next run: %v\n%s\nwant\n%s", name, first.err, again.err, again.tables, whole)
	}
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || durable.Temporary(path) || strings.HasPrefix(d.Name(), "lease") {
			t.Errorf("%s: %s is left, %v", name, path, err)
		}
		return nil
	})
	os.RemoveAll(dir)
	if first.err != nil {
		return came + ": one error"
	}
	return came + ": got over"
}
