package runtime

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"runspec/compiler/plan"
	"runspec/runtime/train"
)

// known is the small plan with data that have a name.
func known() *plan.Plan {
	p := smallPlan()
	p.Datasets[0].Digest = "sha256:1234"
	return p
}

// writing is pretend with files, and a count of its calls.
func writing(calls *atomic.Int32) Trainer {
	return func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		calls.Add(1)
		r, err := pretend(ctx, j, tell)
		r.Summary = filepath.Join(j.Directory, "validation", "summary.json")
		for path, text := range map[string]string{r.Checkpoint: j.Name, r.Summary: `{"prediction_file":"` + filepath.ToSlash(j.Directory) + `/validation/a.nii.gz"}`, filepath.Join(j.Directory, "worker.log"): "here"} {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return r, err
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				return r, err
			}
		}
		return r, err
	}
}

func TestReuse(t *testing.T) {
	var calls atomic.Int32
	cache := t.TempDir()
	run := func(p *plan.Plan, reuse bool) (dir, text string) {
		t.Helper()
		calls.Store(0)
		dir = t.TempDir()
		o := options(t, dir, Options{Train: writing(&calls)})
		o.Reuse = reuse
		o.CacheDir = cache
		out, err := Run(context.Background(), p, o)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := out.Report.Terminal(&b); err != nil {
			t.Fatal(err)
		}
		return dir, b.String()
	}
	_, alone := run(known(), false)
	trained := calls.Load()
	if entries, _ := os.ReadDir(filepath.Join(cache, "trainings")); len(entries) != 0 {
		t.Fatalf("%d trainings are kept unasked", len(entries))
	}
	if _, text := run(known(), true); text != alone || calls.Load() != trained {
		t.Errorf("the first run trains %d of %d", calls.Load(), trained)
	}
	dir, text := run(known(), true)
	if text != alone || calls.Load() != 0 {
		t.Errorf("the second run trains %d, and prints\n%s\nwant\n%s", calls.Load(), text, alone)
	}
	fold := filepath.Join(dir, "trials", "Dataset900_Phantom", "nnunet-Conv", "default", "fold_0")
	for name, want := range map[string]string{"validation/summary.json": filepath.ToSlash(fold), "job.json": fold, "result.json": fold} {
		text, err := os.ReadFile(filepath.Join(fold, name))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, it says %s", name, err, text)
		}
	}
	if _, err := os.Stat(filepath.Join(fold, "worker.log")); err == nil {
		t.Error("another training's log is taken too")
	}

	// The meaning decides: a name changes nothing, an iteration more does.
	renamed := known()
	renamed.Name = "other"
	if run(renamed, true); calls.Load() != 0 {
		t.Errorf("under another name %d are trained", calls.Load())
	}
	longer := known()
	longer.Training.Iterations++
	if run(longer, true); calls.Load() != trained {
		t.Errorf("with more iterations %d are trained, want %d", calls.Load(), trained)
	}
	nameless := known()
	nameless.Datasets[0].Digest = ""
	if run(nameless, true); calls.Load() != trained {
		t.Errorf("with unknown data %d are trained, want %d", calls.Load(), trained)
	}

	// What is damaged is trained again.
	entries, err := os.ReadDir(filepath.Join(cache, "trainings"))
	if err != nil || len(entries) == 0 {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.WriteFile(filepath.Join(cache, "trainings", e.Name(), kept), []byte("{"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, text := run(known(), true); text != alone || calls.Load() != trained {
		t.Errorf("after damage %d of %d are trained", calls.Load(), trained)
	}
	if run(known(), true); calls.Load() != 0 {
		t.Errorf("after the damage is mended %d are trained", calls.Load())
	}
}
