package runtime

import (
	"runspec/runtime/evaluate"
	"runspec/runtime/journal"
	"runspec/runtime/progress"
	"runspec/runtime/train"
)

// tellPlan streams what is to be done.
func (s *studies) tellPlan(o Options, done, total int) {
	digest, _ := s.plan.Digest() // it has been written, so it has one
	from, to := int64(done), int64(total)
	o.Progress.Tell(progress.Event{Type: progress.Planned, Experiment: s.plan.Name, Plan: digest, RunDir: relative(o.RunDir), Done: &from, Total: &to, Unit: "epochs"})
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
		out.Type, out.Cause, out.Attempt = progress.Failure, e.Cause, e.Attempt
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
