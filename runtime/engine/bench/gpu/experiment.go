package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"runspec/compiler"
	"runspec/compiler/plan"
	"runspec/runtime/execute"
	"runspec/runtime/journal"
	"runspec/runtime/progress"
	"runspec/runtime/train"

	run "runspec/runtime"
)

// experiment runs a spec on the device as `runspec SPEC` would. A nil trainer is
// a process for each training.
func (b *bench) experiment(ctx context.Context, name, spec string, trainer run.Trainer) (p *plan.Plan, outcome run.Outcome, err error) {
	path := filepath.Join(b.work, name+".cue")
	if err := os.WriteFile(path, []byte(spec), 0o644); err != nil {
		return nil, outcome, err
	}
	o := run.Options{
		RunDir: filepath.Join(b.work, "runs", name), CacheDir: filepath.Join(b.work, "cache"), DataDir: filepath.Join(b.pack, "data"),
		SpecDir: b.work, Threads: runtime.NumCPU(), Engine: plan.XLA, Devices: []int{b.device.Index}, Probe: run.Probe,
		Progress: progress.New(progress.Plain, os.Stderr), Train: trainer,
	}
	defer o.Progress.Close()
	if p, err = compiler.Compile(path, compiler.Options{Sources: compiler.Sources{Data: run.Sources(ctx, o, false)}}); err != nil {
		return p, outcome, err
	}
	outcome, err = run.Run(ctx, p, o)
	return p, outcome, err
}

// head is what all specs of the bench say. Toy sizes keep their form.
func (b *bench) head(name string) string {
	training := ""
	if b.small {
		training = "	training: {iterations: 2, validationIterations: 1, batch: 2, baseFeatures: 2, mirroring: false}\n"
	}
	return fmt.Sprintf("import \"runspec.internal/spec\"\n\nspec.#Experiment & {\n	name: %q\n	datasets: [spec.msd.Task04_Hippocampus]\n	folds: [0]\n%s", name, training)
}

// training is one that has ended well.
type training struct {
	train.Result
	told []time.Time // when each epoch's checkpoints were there, of those trained in this call
}

// byDefault trains nnU-Net's default for some epochs of the schedule of 1000. One
// that an earlier call has trained is read.
func (b *bench) byDefault(ctx context.Context, name string, epochs int) (t training, err error) {
	spec := fmt.Sprintf("%s	fidelity: {min: 1, max: %d, horizon: 1000}\n}\n", b.head(name), epochs)
	p, outcome, err := b.experiment(ctx, name, spec, func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
		t.told = nil // of an attempt that failed
		return execute.Local{}.Run(ctx, j, func(e train.Epoch) {
			t.told = append(t.told, time.Now())
			tell(e)
		})
	})
	if err != nil {
		return t, err
	}
	if err = cmp.Or(failed(outcome), missing(outcome)); err == nil {
		t.Result, err = train.ReadResult(filepath.Join(outcome.RunDir, run.Folder(p.Datasets[0].Name, p.Baselines[0].Name, "default", p.Folds[0]), execute.ResultFile))
	}
	if err != nil {
		err = fmt.Errorf("%w; to begin it anew delete %s", err, filepath.Join(b.work, "runs", name))
	}
	return t, err
}

// failed says which trainings of a run came to nothing, and where their logs are.
func failed(o run.Outcome) error {
	var errs []error
	for _, e := range o.Failures {
		errs = append(errs, fmt.Errorf("%s %s of %s failed (%s); its log is %s", e.Baseline+e.Study, e.Trial.ID, e.Dataset, e.Cause, log(o.RunDir, e)))
	}
	return errors.Join(errs...)
}

// log is that of the training that an event is about.
func log(dir string, e journal.Event) string {
	var fold plan.Fold
	if e.Fold != nil {
		fold = *e.Fold
	}
	return filepath.Join(dir, run.Folder(e.Dataset, e.Baseline+e.Study, e.Trial.ID, fold), execute.LogFile)
}

// missing says what of a run has no result.
func missing(o run.Outcome) error {
	var errs []error
	for _, name := range o.Missing {
		errs = append(errs, fmt.Errorf("%s has no result; %s tells more", name, o.RunDir))
	}
	return errors.Join(errs...)
}
