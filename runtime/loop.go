package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"runspec/runtime/execute"
	"runspec/runtime/journal"
	"runspec/runtime/progress"
	"runspec/runtime/train"
)

// ended is what a worker's end tells the owner of the state.
type ended struct {
	task   task
	job    train.Job
	result train.Result
	err    error
	free   func() // gives the training's place back
}

// execute has everything trained that the plan wants and the journal lacks.
// This goroutine alone writes the journal; workers send it their results.
func (s *studies) execute(ctx context.Context, j *journal.Journal, o Options) error {
	s.showTotal(o)
	ctx, stop := context.WithCancel(ctx)
	group, results := errgroup.Group{}, make(chan ended)
	running := map[string]bool{}
	err := func() error {
		for {
			if err := s.settle(j); err != nil {
				return err
			}
			if err := s.bearable(); err != nil {
				return err
			}
			if err := s.launch(ctx, j, o, running, &group, results); err != nil {
				return err
			}
			wait := s.untilRetry(o, running)
			if len(running) == 0 && (wait == nil || ctx.Err() != nil) {
				return context.Cause(ctx)
			}
			stopped := ctx.Done()
			if len(running) > 0 { // their workers hear of it, and end
				stopped = nil
			}
			select {
			case e := <-results:
				e.free()
				delete(running, s.key(e.task))
				if err := s.record(ctx, j, o, e); err != nil {
					return err
				}
			case <-wait:
			case <-stopped:
			}
		}
	}()
	stop()
	for range running { // what was under way when the run ended, and is done all the same
		if e := <-results; e.err == nil {
			err = errors.Join(err, s.record(ctx, j, o, e))
		}
	}
	return errors.Join(err, group.Wait())
}

// launch starts as many trainings as there are free workers.
func (s *studies) launch(ctx context.Context, j *journal.Journal, o Options, running map[string]bool, group *errgroup.Group, results chan<- ended) error {
	if ctx.Err() != nil {
		return nil
	}
	tasks := s.next()
	busy := min(o.Workers, max(1, len(tasks)))
	for _, t := range tasks {
		if len(running) >= o.Workers {
			return nil
		}
		if running[s.key(t)] || s.resting(t) {
			continue
		}
		job, err := s.job(t, o, max(1, o.Threads/busy))
		if err != nil {
			return err
		}
		if err := s.append(j, s.startEvent(t)); err != nil {
			return err
		}
		free := s.on.take(&job, o.Executables())
		running[s.key(t)] = true
		o.Progress.Start(job.Name, 0, job.Epochs)
		group.Go(func() error {
			r, err := o.Train(ctx, job, func(e train.Epoch) {
				o.Progress.Epoch(job.Name, e.Epoch+1, job.Epochs, float64(e.TrainLoss), float64(e.EMA))
				s.tellEpoch(o, t, e)
			})
			results <- ended{t, job, r, err, free}
			return nil
		})
	}
	return nil
}

// append makes an event durable, and only then lets it count.
func (s *studies) append(j *journal.Journal, e journal.Event) error {
	e, err := j.Append(e)
	if err != nil {
		return err
	}
	s.add(e)
	s.told(e)
	return nil
}

// record journals what a training came to.
func (s *studies) record(ctx context.Context, j *journal.Journal, o Options, e ended) error {
	if e.err == nil {
		o.Progress.End(e.job.Name, fmt.Sprintf("Dice %s after %d epochs, %.1f s of training", progress.Number(float64(e.result.MeanDice)), e.result.Epochs, e.result.Seconds))
		return s.append(j, s.foldEvent(e.task, e.job, e.result))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var f *execute.Failure
	if !errors.As(e.err, &f) {
		return e.err
	}
	return s.react(j, o, e, f)
}

// settle writes the results of trials whose folds are all done. It is asked
// before anything is started, so a kill between a fold and its trial's result
// loses nothing.
func (s *studies) settle(j *journal.Journal) error {
	for _, e := range s.events {
		if e.Kind != journal.FoldDone {
			continue
		}
		t := task{dataset: s.datasetIndex(e.Dataset), baseline: e.Baseline, study: e.Study, trial: e.Trial}
		if event := s.resultEvent(t); event != nil {
			if err := s.append(j, *event); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *studies) datasetIndex(name string) int {
	for i, d := range s.plan.Datasets {
		if d.Name == name {
			return i
		}
	}
	panic("an event of data set " + name + ", which the plan does not have")
}

// showTotal tells how many epochs the run has in all and how many are done.
func (s *studies) showTotal(o Options) {
	total, p := 0, s.plan
	for range p.Datasets {
		total += len(p.Baselines) * len(p.Folds) * p.Fidelity.Max
		for _, study := range p.Studies {
			total += study.Epochs() * len(study.Folds)
			total += max(0, len(p.Folds)-len(study.Folds)) * study.Rungs[len(study.Rungs)-1].Epochs
		}
	}
	done := 0
	for _, e := range s.events {
		if e.Kind == journal.FoldDone && e.Result != nil {
			done += s.ownEpochs(e)
		}
	}
	s.tellPlan(o, done, total)
	o.Progress.Epochs(done, total)
}

// ownEpochs are the epochs that a trial trained itself on a fold, without its
// parent's; there is none on the folds that only an incumbent is trained on.
func (s *studies) ownEpochs(e journal.Event) int {
	for _, study := range s.plan.Studies {
		if study.Name == e.Study && e.Trial.Parent != "" && e.Trial.Rung > 0 && e.Trial.Rung < len(study.Rungs) && e.Fold != nil && slices.Contains(study.Folds, *e.Fold) {
			return e.Trial.Epochs - study.Rungs[e.Trial.Rung-1].Epochs
		}
	}
	return e.Trial.Epochs
}
