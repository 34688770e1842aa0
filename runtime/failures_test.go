package runtime

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/execute"
	"runspec/runtime/journal"
	"runspec/runtime/lease"
	"runspec/runtime/train"
)

// failing trains as pretend does, but for the trainings whose name holds a
// text: they fail of a cause so often.
func failing(name string, cause plan.Cause, times int) Trainer {
	var mutex sync.Mutex
	failed := map[string]int{}
	return func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		mutex.Lock()
		defer mutex.Unlock()
		if strings.Contains(j.Name, name) && failed[j.Name] < times {
			failed[j.Name]++
			return train.Result{}, &execute.Failure{Cause: cause, Message: j.Name + ": it failed"}
		}
		return pretend(ctx, j, tell)
	}
}

// attempts lists the starts and failures of one training: "1 2:crash !2:crash".
func attempts(t *testing.T, dir, trial string) string {
	t.Helper()
	events, _, err := journal.Read(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		if e.Trial.ID != trial || e.Kind != journal.Start && e.Kind != journal.Failure {
			continue
		}
		text := string(rune('0' + e.Attempt))
		if e.Kind == journal.Failure {
			text = "!" + text
		}
		if e.Cause != "" {
			text += ":" + e.Cause
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestReactions(t *testing.T) {
	whole := tables(t, options(t, t.TempDir(), Options{}))
	for _, c := range []struct {
		cause  plan.Cause
		times  int
		want   string // of the attempts
		failed bool
	}{
		{plan.Crash, 2, "1 2:crash 3:crash", false},
		{plan.Crash, 3, "1 2:crash 3:crash !3:crash", true},
		{plan.OOM, 1, "1 2:oom", false},
		{plan.OOM, 2, "1 2:oom !2:oom", true},
		{plan.Preempted, 5, "1 2:preempted 3:preempted 4:preempted 5:preempted 6:preempted", false},
		{plan.NaN, 1, "1 !1:nan", true},
		{plan.Timeout, 1, "1 !1:timeout", true},
	} {
		dir := t.TempDir()
		out, err := Run(context.Background(), smallPlan(), options(t, dir, Options{Workers: 2, Train: failing("random-c1r0", c.cause, c.times)}))
		if err != nil {
			t.Fatalf("%s × %d: %v", c.cause, c.times, err)
		}
		if got := attempts(t, dir, "random-c1r0"); got != c.want {
			t.Errorf("%s × %d: attempts %q, want %q", c.cause, c.times, got, c.want)
		}
		if failed := len(out.Failures) == 1 && out.Failures[0].Cause == string(c.cause); failed != c.failed {
			t.Errorf("%s × %d: failures %+v", c.cause, c.times, out.Failures)
		}
		if again := tables(t, options(t, dir, Options{RetryFailed: true})); c.cause != plan.NaN && again != whole {
			t.Errorf("%s × %d, then the same command:\n%s\nwant\n%s", c.cause, c.times, again, whole)
		}
	}
}

// TestRetriesOutliveTheRun stops a run between two retries: the one that goes on
// counts those that there were.
func TestRetriesOutliveTheRun(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	n := 0
	crash := failing("nnunet/Conv fold 0", plan.Crash, 9)
	_, err := Run(ctx, smallPlan(), options(t, dir, Options{Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		if strings.Contains(j.Name, "nnunet/Conv fold 0") {
			if n++; n == 2 {
				stop()
			}
		}
		return crash(ctx, j, tell)
	}}))
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	out, err := Run(context.Background(), smallPlan(), options(t, dir, Options{Train: failing("nnunet/Conv fold 0", plan.Crash, 9)}))
	if err != nil || len(out.Failures) != 1 {
		t.Fatalf("%v, failures %+v", err, out.Failures)
	}
	if got, want := attempts(t, dir, "default"), "1 2:crash 3 4:crash !4:crash"; !strings.HasPrefix(strings.ReplaceAll(got, " 1", ""), want) {
		t.Errorf("attempts %q, want %q first", got, want)
	}
}

// TestMaxFailures bears one failed trial and ends with the second.
func TestMaxFailures(t *testing.T) {
	p := smallPlan()
	limit := 1
	p.Failures.Max = &limit
	dir := t.TempDir()
	_, err := Run(context.Background(), p, options(t, dir, Options{Train: failing("random-c1r0", plan.NaN, 1)}))
	if err != nil {
		t.Errorf("one failed trial ends the run: %v", err)
	}
	for range 2 { // the second time nothing is begun
		trained := 0
		_, err = Run(context.Background(), p, options(t, dir+"2", Options{Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
			trained++
			return failing("halving", plan.NaN, 1)(ctx, j, tell)
		}}))
		if !errors.Is(err, ErrTooManyFailures) || !strings.Contains(err.Error(), "2, and failures.max is 1") {
			t.Errorf("after %d trainings: %v", trained, err)
		}
	}
}

func TestBackoff(t *testing.T) {
	for n, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if got := backoff(1, n); got != want {
			t.Errorf("retry %d after %v, want %v", n, got, want)
		}
	}
	if got := backoff(1, 4000); got != time.Minute {
		t.Errorf("at last %v", got)
	}
	if got := backoff(3600, 3); got != time.Hour {
		t.Errorf("an hour becomes %v", got)
	}
}

// TestRestingTrainingsHoldUpNoOther has one training wait for its retry while
// the others are trained.
func TestRestingTrainingsHoldUpNoOther(t *testing.T) {
	p := smallPlan()
	p.Failures.Crash.Backoff = 1
	var order []string
	crash := failing("nnunet/Conv fold 0", plan.Crash, 1)
	began := time.Now()
	_, err := Run(context.Background(), p, options(t, t.TempDir(), Options{Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		order = append(order, j.Name)
		return crash(ctx, j, tell)
	}}))
	if err != nil || time.Since(began) < time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	again := slices.Index(order[1:], order[0])
	if !strings.HasSuffix(order[0], "nnunet/Conv fold 0") || again < 1 {
		t.Errorf("order %q", order)
	}
}

// TestALostLeaseStopsTheRun has another process take the directory over in the
// middle of a training: nothing more is written.
func TestALostLeaseStopsTheRun(t *testing.T) {
	dir := t.TempDir()
	var before int
	_, err := Run(context.Background(), smallPlan(), options(t, dir, Options{Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		if strings.Contains(j.Name, "random-c0r0") {
			events, _, err := journal.Read(filepath.Join(dir, "journal.jsonl"))
			if err != nil {
				t.Error(err)
			}
			before = len(events)
			if _, _, err := lease.Unlock(dir, true); err != nil {
				t.Error(err)
			}
		}
		return pretend(ctx, j, tell)
	}}))
	if !errors.Is(err, lease.ErrLost) {
		t.Errorf("got %v", err)
	}
	if events, _, err := journal.Read(filepath.Join(dir, "journal.jsonl")); err != nil || before == 0 || len(events) != before {
		t.Errorf("%d events, %d before the loss: %v", len(events), before, err)
	}
}

func TestAnotherProcessInTheRunDirectory(t *testing.T) {
	dir := t.TempDir()
	held, err := lease.Acquire(dir, lease.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	var other *lease.HeldError
	if _, err := Run(context.Background(), smallPlan(), options(t, dir, Options{})); !errors.As(err, &other) {
		t.Errorf("got %v", err)
	}
}
