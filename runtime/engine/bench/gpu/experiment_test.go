package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/journal"
	"runspec/runtime/train"

	run "runspec/runtime"
)

// TestFailed names what came to nothing, and the log that tells why.
func TestFailed(t *testing.T) {
	if err := failed(run.Outcome{}); err != nil {
		t.Error(err)
	}
	fold := plan.Fold(0)
	o := run.Outcome{RunDir: "work/runs/epoch", Failures: []journal.Event{{Dataset: "Task04", Baseline: "nnunet/Conv", Cause: "crash", Fold: &fold}}, Missing: []string{"Task04 nnunet/Conv"}}
	o.Failures[0].Trial.ID = "default"
	want := filepath.Join("work/runs/epoch", run.Folder("Task04", "nnunet/Conv", "default", 0), "worker.log")
	if err := failed(o); err == nil || !strings.Contains(err.Error(), "(crash)") || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	if err := missing(o); err == nil || !strings.Contains(err.Error(), "Task04 nnunet/Conv has no result") {
		t.Error(err)
	}
}

// TestEpochs leaves the first epoch out, and tells no figure of one alone.
func TestEpochs(t *testing.T) {
	began := time.Now()
	told := func(seconds ...float64) (list []time.Time) {
		for _, s := range seconds {
			list = append(list, began.Add(time.Duration(s*float64(time.Second))))
		}
		return list
	}
	curve := []train.Epoch{{Seconds: 60}, {Seconds: 2}, {Seconds: 3}, {Seconds: 2.5}}
	f, err := training{train.Result{Curve: curve}, told(61, 64, 67.5, 71)}.epochs()
	if err != nil || f.Values["s"] != 2.5 || f.Values["s of the first"] != 60 || f.Values["s with checkpoints"] != 3.5 {
		t.Errorf("%v, %v", f, err)
	}
	f, err = training{train.Result{Curve: curve}, told(61)}.epochs() // the others were trained by an earlier call
	if _, known := f.Values["s with checkpoints"]; err != nil || known {
		t.Errorf("%v, %v", f, err)
	}
	for n := range 2 {
		if f, err := (training{Result: train.Result{Curve: curve[:n]}}).epochs(); err == nil {
			t.Errorf("%d epochs give %v", n, f)
		}
	}
}
