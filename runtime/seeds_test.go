package runtime

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/execute"
	"runspec/runtime/journal"
	"runspec/runtime/train"
)

var (
	seeds       = flag.Int("seeds", 10, "experiments of TestSeeds")
	seedsRecord = flag.String("seeds-record", "", "file to write what TestSeeds saw to")
)

// TestSeeds runs experiments of many seeds three times each: with one worker,
// with four, and with four that are stopped at random, again and again. The
// proposals and the table are the same. The long proof is
//
//	go test ./runtime -run TestSeeds -seeds 300 -seeds-record proofs/seeds-$(date +%F).txt
func TestSeeds(t *testing.T) {
	stops := 0
	for seed := range uint64(*seeds) {
		p := func() *plan.Plan {
			p := smallPlan()
			p.Seed = seed
			for i := range p.Studies {
				p.Studies[i].Seed = plan.StudySeed(seed, p.Studies[i].Name)
			}
			return p
		}
		one := reported(t, p(), options(t, t.TempDir(), Options{}))
		if four := reported(t, p(), options(t, t.TempDir(), Options{Workers: 4})); four != one {
			t.Errorf("seed %d: four workers gave\n%s\none worker\n%s", seed, four, one)
		}
		dir, rng := t.TempDir(), rand.New(rand.NewPCG(seed, 9))
		for range 3 {
			if stopped(t, p(), options(t, dir, Options{Workers: 4}), rng.IntN(trainings)) {
				stops++
			}
		}
		if again := reported(t, p(), options(t, dir, Options{Workers: 4})); again != one {
			t.Errorf("seed %d: stopped and continued with four workers gave\n%s\none worker\n%s", seed, again, one)
		}
	}
	if stops < *seeds {
		t.Errorf("%d stops in %d experiments: too few to prove anything", stops, *seeds)
	}
	if *seedsRecord == "" || t.Failed() {
		return
	}
	text := fmt.Sprintf("experiments of %d seeds, each with one worker, with four, and with four stopped at random: equal proposals and tables\n%s, %s, %s/%s\n\n%5d  stops\n",
		*seeds, time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, stops)
	if err := os.WriteFile(*seedsRecord, []byte(text), 0o644); err != nil {
		t.Error(err)
	}
}

// reported is what a run to its end proposed, and its report.
func reported(t *testing.T, p *plan.Plan, o Options) string {
	t.Helper()
	report := table(t, p, o)
	events, _, err := journal.Read(filepath.Join(o.RunDir, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	proposed := map[string]string{}
	for _, e := range events {
		proposed[e.Baseline+e.Trial.ID] = e.Trial.Key
	}
	return fmt.Sprint(proposed) + "\n" + report // maps print in the order of their keys
}

// stopped runs until the given number of trainings have begun, then stops; it
// reports whether there were so many.
func stopped(t *testing.T, p *plan.Plan, o Options, after int) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var begun atomic.Int64
	o.Train = func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		if begun.Add(1) > int64(after) {
			cancel()
			return train.Result{}, &execute.Failure{Cause: execute.Cancelled, Message: "stopped"}
		}
		return pretend(ctx, j, tell)
	}
	_, err := Run(ctx, p, o)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return err != nil
}
