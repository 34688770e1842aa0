package runtime

import (
	"context"
	"errors"
	"path/filepath"

	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
	"runspec/runtime/journal"
	"runspec/runtime/progress"
	"runspec/runtime/train"
)

// eventsFile is the stream of events of all invocations, in the run directory.
// It is for programs that watch; the journal is the truth.
const eventsFile = "events.jsonl"

// stream has the run's events written to its directory too. End writes the last
// of them, and is to be called with what the run came to.
func stream(p *plan.Plan, o Options) (end func(*Outcome, *error)) {
	file, err := progress.OpenEvents(filepath.Join(o.RunDir, eventsFile))
	if err != nil {
		o.Progress.Note("no stream of events is kept: %v", err)
	} else {
		o.Progress.Stream(file)
	}
	digest, _ := p.Digest() // a plan that was read has one
	o.Progress.Tell(progress.Event{Type: progress.Planned, Experiment: p.Name, Plan: digest, RunDir: relative(o.RunDir)})
	return func(out *Outcome, failed *error) {
		o.Progress.Tell(summary(*out, *failed))
		if file != nil {
			file.Close()
		}
	}
}

// summary is the last event of a run.
func summary(out Outcome, err error) progress.Event {
	failures := len(out.Failures)
	e := progress.Event{Type: progress.Summary, State: "done", RunDir: out.RunDir, Failures: &failures}
	switch {
	case errors.Is(err, context.Canceled):
		e.State = "interrupted"
	case err != nil:
		e.State, e.Text = "error", err.Error()
	case failures > 0:
		e.State = "failed"
	}
	if err == nil {
		e.Report = filepath.ToSlash(filepath.Join(out.RunDir, "report", "report.json"))
	}
	return e
}

// tell streams an event of the journal.
func tell(o Options, e journal.Event) {
	out := progress.Event{Dataset: e.Dataset, Approach: e.Baseline + e.Study, Trial: e.Trial.ID, Rung: &e.Trial.Rung, Fold: e.Fold, Epochs: e.Trial.Epochs}
	switch e.Kind {
	case journal.Start:
		out.Type = progress.TrialStart
	case journal.FoldDone:
		out.Type = progress.FoldEnd
	case journal.Result:
		out.Type = progress.TrialEnd
	case journal.Failure:
		out.Type, out.Cause = progress.Failure, e.Cause
	default:
		return
	}
	if r := e.Result; r != nil {
		dice := evaluate.Score(0)
		for _, f := range r.Folds {
			dice += f.MeanDice / evaluate.Score(len(r.Folds))
		}
		out.Dice, out.Seconds = &dice, float64(r.Cost.Hours)*3600
	}
	o.Progress.Tell(out)
}

// tellEpoch streams an epoch of a task's training.
func (s *studies) tellEpoch(o Options, t task, e train.Epoch) {
	o.Progress.Tell(progress.Event{
		Type: progress.Epoch, Dataset: s.plan.Datasets[t.dataset].Name, Approach: t.approach(), Trial: t.trial.ID, Rung: &t.trial.Rung, Fold: &t.fold,
		Epoch: e.Epoch + 1, Epochs: t.trial.Epochs, Loss: &e.TrainLoss, ValidationLoss: &e.ValidationLoss, Dice: &e.EMA, Seconds: e.Seconds,
	})
}
