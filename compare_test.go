package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"runspec/runtime/journal"
	"runspec/runtime/lease"
	comparison "runspec/runtime/report"
)

// sameRun compares the reports of two runs and what each training came to, bit
// for bit, measured hours aside.
func sameRun(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, "same-run RUN RUN")
	d, err := difference(ts.MkAbs(args[0]), ts.MkAbs(args[1]))
	ts.Check(err)
	if d != "" {
		ts.Fatalf("%s and %s differ (-%[1]s +%[2]s):\n%s", args[0], args[1], d)
	}
}

// difference compares the trainings and tables of two run directories.
func difference(a, b string) (string, error) {
	var trained [2]map[string]string
	var shown [2][]comparison.Table
	for i, run := range []string{a, b} {
		var err error
		if trained[i], err = trainings(run); err != nil {
			return "", err
		}
		if shown[i], err = tables(run); err != nil {
			return "", err
		}
	}
	return cmp.Diff(trained[0], trained[1]) + cmp.Diff(shown[0], shown[1]), nil
}

// tables reads a run's report without the hours that it took.
func tables(run string) ([]comparison.Table, error) {
	var r comparison.Report
	path := filepath.Join(run, "report", "report.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, t := range r.Tables {
		for i, c := range t.Columns {
			for _, row := range t.Rows {
				if strings.HasSuffix(c.ID, "hours") {
					row.Cells[i] = comparison.Cell{}
				}
			}
		}
	}
	if len(r.Tables) == 0 || len(r.Tables[0].Rows) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	return r.Tables, nil
}

// trainings are the results of a run's folds, by name.
func trainings(run string) (map[string]string, error) {
	events, _, err := journal.Read(filepath.Join(run, "journal.jsonl"))
	out := map[string]string{}
	for _, e := range events {
		if e.Kind != journal.FoldDone {
			continue
		}
		f := e.Result.Folds[0]
		f.Cost.Hours = 0
		text, err := json.Marshal(f)
		if err != nil {
			return nil, err
		}
		out[fmt.Sprint(e.Dataset, " ", e.Baseline+e.Study, " ", e.Trial.ID, " ", *e.Fold)] = string(text)
	}
	return out, err
}

// torn copies a finished run to cut, with its journal cut off at some bytes in
// turn, runs the program on it and expects the same table.
func torn(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 3, "torn RUN TIMES PROGRAM [ARG...]")
	whole, err := os.ReadFile(ts.MkAbs(filepath.Join(args[0], "journal.jsonl")))
	ts.Check(err)
	draw := rand.New(rand.NewPCG(1, 2))
	for range number(ts, args[1]) {
		at := draw.IntN(len(whole))
		ts.Check(os.RemoveAll(ts.MkAbs("cut")))
		ts.Check(os.CopyFS(ts.MkAbs("cut"), os.DirFS(ts.MkAbs(args[0]))))
		ts.Check(os.WriteFile(ts.MkAbs("cut/journal.jsonl"), whole[:at], 0o644))
		if at%2 == 0 { // with and without what the trainings left
			ts.Check(os.RemoveAll(ts.MkAbs("cut/trials")))
		}
		ts.Logf("cut at byte %d of %d", at, len(whole))
		ts.Check(ts.Exec(args[2], args[3:]...))
		sameRun(ts, false, []string{"cut", args[0]})
	}
}

// hold takes a run directory's lease as another process would, until release.
func hold(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "hold DIR")
	l, err := lease.Acquire(ts.MkAbs(args[0]), lease.Options{})
	ts.Check(err)
	free := sync.OnceValue(l.Release)
	held.Store(ts.Getenv("WORK"), free)
	ts.Defer(func() { free() })
}

// held release the scripts' leases, by their folders.
var held sync.Map

// release gives the lease back.
func release(ts *testscript.TestScript, neg bool, args []string) {
	free, ok := held.Load(ts.Getenv("WORK"))
	if !ok {
		ts.Fatalf("nothing is held")
	}
	ts.Check(free.(func() error)())
}
