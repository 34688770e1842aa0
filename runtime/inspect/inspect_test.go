package inspect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/evaluate"
	"runspec/runtime/journal"
	"runspec/runtime/lease"
	"runspec/runtime/search"
	"runspec/runtime/train"
)

// small is a plan of a baseline on two folds and a halving on one, for two
// data sets.
func small() *plan.Plan {
	rate := space.Number(0.01)
	p := &plan.Plan{
		Version: plan.Version, Name: "small", Folds: []plan.Fold{0, 1}, Cost: plan.CostModel,
		Fidelity:  plan.Fidelity{Unit: "epochs", Min: 1, Max: 3, Eta: 3, Horizon: 3},
		Baselines: []plan.Baseline{{Name: "nnunet/Conv", Planner: nnunet.ConvPlanner}},
		Studies: []plan.Study{{
			Name: "hpo", Optimizer: plan.Optimizer{Kind: plan.SuccessiveHalving, Trials: 3}, Folds: []plan.Fold{0}, Seed: 1,
			Space: space.Space{Parameters: []space.Parameter{{Name: "initial_lr", Kind: space.Float, Low: 1e-4, High: 1, Log: true, Default: &rate}}},
			Rungs: []plan.Rung{{Epochs: 1, Trials: 3}, {Epochs: 3, Trials: 1}},
		}},
	}
	for _, name := range []string{"Dataset001_A", "Dataset002_B"} {
		p.Datasets = append(p.Datasets, plan.Dataset{Name: name, Configuration: "3d_fullres",
			Source: plan.Source{Kind: plan.Phantoms, Phantom: &plan.Phantom{Cases: 5, Shape: [3]int{8, 8, 8}, Spacing: [3]float64{1, 1, 1}, Organs: 1}}})
	}
	return p
}

// world writes a run's journal as the run itself would.
type world struct {
	t   *testing.T
	dir string
	p   *plan.Plan
	j   *journal.Journal
}

func begin(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), p: small()}
	w.check(plan.Write(filepath.Join(w.dir, "plan.json"), w.p))
	var err error
	w.j, err = journal.Open(filepath.Join(w.dir, "journal.jsonl"))
	w.check(err)
	t.Cleanup(func() { w.j.Close() })
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) event(e journal.Event) {
	w.t.Helper()
	_, err := w.j.Append(e)
	w.check(err)
}

// asked is the i-th trial that a study proposes now.
func (w *world) asked(dataset string, i int) journal.Event {
	w.t.Helper()
	m, err := search.New(w.p.Studies[0])
	w.check(err)
	trials := m.Ask(journal.History(w.j.Events, dataset, "hpo"), nil, 9)
	return journal.Event{Dataset: dataset, Study: "hpo", Trial: trials[i]}
}

func (w *world) baseline(dataset string) journal.Event {
	return journal.Event{Dataset: dataset, Baseline: "nnunet/Conv", Trial: search.Trial{ID: "default", Epochs: 3}}
}

func (w *world) start(e journal.Event, fold plan.Fold) {
	e.Kind, e.Fold = journal.Start, &fold
	w.event(e)
}

// end has a fold end, and the trial with it if it is judged by that fold alone.
func (w *world) end(e journal.Event, fold plan.Fold, dice float64) {
	w.start(e, fold)
	e.Kind, e.Fold = journal.FoldDone, &fold
	cost := journal.Cost{Hours: evaluate.Score(float64(e.Trial.Epochs) / 360), Epochs: e.Trial.Epochs}
	e.Result = &journal.TrialResult{Objectives: []evaluate.Score{evaluate.Score(1 - dice), 1}, Cost: cost,
		Folds: []journal.FoldResult{{Fold: fold, Dice: map[string]evaluate.Score{"organ": evaluate.Score(dice)}, MeanDice: evaluate.Score(dice), Cost: cost}}}
	w.event(e)
	if e.Study != "" && fold == 0 {
		e.Kind, e.Fold = journal.Result, nil
		w.event(e)
	}
}

func (w *world) run() *Run {
	w.t.Helper()
	r, err := Open(w.dir)
	w.check(err)
	return r
}

func (w *world) status() Status {
	w.t.Helper()
	s, err := w.run().Status()
	w.check(err)
	return s
}

func brief(s Status) string {
	t := s.Trainings
	return fmt.Sprintf("%s: %d/%d epochs, %d done, %d running, %d failed, %d to do", s.State, s.Epochs.Done, s.Epochs.Total, t.Done, t.Running, t.Failed, t.ToDo)
}

func (w *world) expect(want string) Status {
	w.t.Helper()
	s := w.status()
	if have := brief(s); have != want {
		w.t.Errorf("have %s, want %s", have, want)
	}
	return s
}

func TestStatus(t *testing.T) {
	w := begin(t)
	const a, b = "Dataset001_A", "Dataset002_B"
	// Of each data set: 2·3 epochs of the baseline, 3·1 + 1·2 of the search, 3 of its incumbent on fold 1.
	w.expect("to do: 0/28 epochs, 0 done, 0 running, 0 failed, 14 to do")
	w.end(w.baseline(a), 0, 0.5)
	w.start(w.baseline(a), 1)
	w.expect("stopped: 3/28 epochs, 1 done, 0 running, 0 failed, 13 to do")

	held, err := lease.Acquire(w.dir, lease.Options{})
	w.check(err)
	s := w.expect("running: 3/28 epochs, 1 done, 1 running, 0 failed, 12 to do")
	if len(s.Running) != 1 || s.Running[0].Trial != a+"/nnunet-Conv/default" || s.Running[0].Fold != 1 || s.Owner == "" {
		t.Errorf("running %+v by %q", s.Running, s.Owner)
	}
	if s.Left != 10*25 { // 10 s an epoch, 25 to do, one worker
		t.Errorf("%g s left", s.Left)
	}
	w.check(held.Release())

	w.end(w.baseline(a), 1, 0.6)
	for i, dice := range []float64{0.3, 0.7} {
		w.end(w.asked(a, 0), 0, dice)
		if s := w.status(); s.Approaches[1].Best == nil || s.Approaches[1].Best.Dice != evaluate.Score(dice) {
			t.Errorf("best after %d trials: %+v", i+1, s.Approaches[1].Best)
		}
	}
	bad := w.asked(a, 0)
	w.start(bad, 0)
	bad.Kind, bad.Cause = journal.Failure, "nan"
	w.event(bad)
	s = w.expect("stopped: 8/28 epochs, 4 done, 0 running, 1 failed, 9 to do")
	if len(s.Failed) != 1 || s.Failed[0].Cause != "nan" {
		t.Errorf("failed %+v", s.Failed)
	}
	top := w.asked(a, 0)
	w.end(top, 0, 0.8)
	// The search of A is over: its failed trial trained nothing; its incumbent lacks fold 1.
	w.expect("stopped: 10/27 epochs, 5 done, 0 running, 1 failed, 8 to do")
	w.end(top, 1, 0.8)
	w.expect("stopped: 13/27 epochs, 6 done, 0 running, 1 failed, 7 to do")

	w.end(w.baseline(b), 0, 0.5)
	w.end(w.baseline(b), 1, 0.5)
	for range 3 {
		w.end(w.asked(b, 0), 0, 0.5)
	}
	top = w.asked(b, 0)
	w.end(top, 0, 0.9)
	w.end(top, 1, 0.9)
	s = w.expect("failed: 27/27 epochs, 13 done, 0 running, 1 failed, 0 to do")
	var text strings.Builder
	w.check(s.Write(&text))
	for _, want := range []string{"27 of 27 epochs (100 %)", a + "/hpo/" + bad.Trial.ID + " fold 0: nan", "Everything is in " + w.dir + ": plan.json, journal.jsonl"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing from:\n%s", want, text.String())
		}
	}
}

func TestNames(t *testing.T) {
	w := begin(t)
	const a, b = "Dataset001_A", "Dataset002_B"
	w.end(w.baseline(a), 0, 0.5)
	w.end(w.baseline(b), 0, 0.6)
	w.end(w.asked(a, 1), 0, 0.7)
	r := w.run()
	if have := strings.Join(r.Names(), " "); have != a+"/nnunet-Conv/default "+b+"/nnunet-Conv/default hpo-c1r0" {
		t.Errorf("names %s", have)
	}
	for _, name := range r.Names() {
		if x, err := r.Trial(name); err != nil || !strings.HasSuffix(x.Name, name) {
			t.Errorf("%s means %s, %v", name, x.Name, err)
		}
	}
	for name, want := range map[string]string{"default": "several trials", "nnunet/Conv": "say which: " + a, "hpo-c1r1": `did you mean "hpo-c1r0"?`, "c1r0": "no trial", "": "no trial"} {
		if _, err := r.Trial(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", name, err, want)
		}
	}
	x, err := r.Trial("Dataset001_A/hpo/hpo-c1r0")
	w.check(err)
	if x.Dice != 0.7 || !x.Incumbent || x.State != Done || x.Cost.Epochs != 1 || len(x.Configuration) != 1 || len(x.Folds) != 1 || x.Folds[0].Dice["organ"] != 0.7 {
		t.Errorf("trial %+v", x)
	}
}

// A log is followed to the trial's end, and nothing of it is told twice.
func TestLogsFollow(t *testing.T) {
	w := begin(t)
	e := w.asked("Dataset001_A", 0)
	w.start(e, 0)
	held, err := lease.Acquire(w.dir, lease.Options{})
	w.check(err)
	dir := w.run().folder(w.run().trials()[0], 0)
	w.check(os.MkdirAll(dir, 0o755))
	path := filepath.Join(dir, "worker.log")
	w.check(os.WriteFile(path, []byte("one\ntw"), 0o644))
	var told []string
	err = Logs(context.Background(), w.dir, e.Trial.ID, LogOptions{Follow: true, Pause: time.Millisecond}, func(l LogLine) error {
		told = append(told, l.Type+" "+l.Text+string(l.State))
		if l.Text == "one" {
			w.check(os.WriteFile(path, []byte("one\ntwo\nthree"), 0o644))
			return nil
		}
		if l.Text == "two" {
			w.end(e, 0, 0.5)
			return held.Release()
		}
		return nil
	})
	if have := strings.Join(told, "; "); err != nil || have != "log one; log two; log three; end done" {
		t.Errorf("told %s, %v", have, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if err := Logs(ctx, w.dir, e.Trial.ID, LogOptions{Follow: true}, func(LogLine) error { return nil }); err != nil {
		t.Error(err)
	}
}

// What trained an epoch is told where a device had a part in its fold.
func TestPlacesAreTold(t *testing.T) {
	var curve []train.Epoch
	for i := range 40 {
		e := train.Epoch{Epoch: i}
		if i >= 21 {
			e.Device = "cuda NVIDIA H200 bf16"
		}
		curve = append(curve, e)
	}
	text := func(curve []train.Epoch) string {
		var b strings.Builder
		Fold{Curve: curve}.write(&b)
		return strings.Join(strings.Fields(b.String()), " ")
	}
	have := text(curve)
	for _, want := range []string{"SECONDS TRAINED ON 1 ", "21 0.0000 0.0000 0.0000 0.0 the processor 22 0.0000 0.0000 0.0000 0.0 cuda NVIDIA H200 bf16"} {
		if !strings.Contains(have, want) {
			t.Errorf("%q is not in %s", want, have)
		}
	}
	if have := text(curve[:20]); strings.Contains(have, "TRAINED ON") || strings.Contains(have, "the processor") {
		t.Errorf("the processor alone: %s", have)
	}
	for i, want := range map[int]string{20: "epoch 21: .* s on the processor\n", 21: "epoch 22: .* s on cuda NVIDIA H200 bf16\n"} {
		var b strings.Builder
		if err := (LogLine{Type: "epoch", Epoch: &curve[i], places: true}).Write(&b); err != nil || !regexp.MustCompile(want).MatchString(b.String()) {
			t.Errorf("%v: %q, want %s", err, b.String(), want)
		}
	}
}

// A training that several devices had a part in would not come out the same,
// though its key is what it was.
func TestMixedTrainingIsExplained(t *testing.T) {
	var b strings.Builder
	x := Explanation{Trial: "a", Folds: []FoldKeys{{State: Done, Stored: "sha256:0", Now: "sha256:0", Mixed: []string{"cuda NVIDIA H200 bf16", ""}}}}
	if err := x.Write(&b); err != nil || !strings.Contains(b.String(), "but it was trained on cuda NVIDIA H200 bf16, then on the processor: a training now would give another result") {
		t.Errorf("%v: %s", err, b.String())
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, ErrNoRun) || !strings.Contains(err.Error(), dir) {
		t.Error(err)
	}
	w := begin(t)
	w.check(os.WriteFile(filepath.Join(w.dir, "journal.jsonl"), []byte("garbage\n"), 0o644))
	if _, err := Open(w.dir); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Error(err)
	}
	runs, errs := List(filepath.Dir(w.dir))
	if len(runs) != 0 || len(errs) != 1 {
		t.Errorf("%d runs, %v", len(runs), errs)
	}
}

// A plan that was changed by hand is an error, not a panic.
func TestStatusOfAWrongPlan(t *testing.T) {
	for name, spoil := range map[string]func(*plan.Study){
		"no rung":    func(s *plan.Study) { s.Rungs = nil },
		"no bracket": func(s *plan.Study) { s.Optimizer.Kind = plan.Hyperband },
		"far bracket": func(s *plan.Study) {
			s.Optimizer.Kind, s.Brackets = plan.Hyperband, []plan.Bracket{{Rung: 7, Trials: []int{1}}}
		},
	} {
		w := begin(t)
		w.end(w.asked("Dataset001_A", 0), 0, 0.5)
		spoil(&w.p.Studies[0])
		w.check(plan.Write(filepath.Join(w.dir, "plan.json"), w.p))
		if _, err := w.run().Status(); err == nil || !strings.Contains(err.Error(), "study hpo") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := w.p.Digest(); err != nil {
			t.Error(err)
		}
		if err := w.p.Describe(&strings.Builder{}); err != nil {
			t.Logf("%s: %v", name, err)
		}
	}
}
