package runtime

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
	"runspec/runtime/journal"
	"runspec/runtime/search"
	"runspec/runtime/train"
)

// studies is the state of a run: plan, prepared data and the journal's events.
// One goroutine owns it. Everything else is derived from these each time it is
// asked for, so a resumed run cannot differ from an unbroken one.
type studies struct {
	plan    *plan.Plan
	data    []*prepared
	methods [][]search.Method // by data set and study
	events  []journal.Event
	told    func(journal.Event)           // hears of every event that is on disk
	done    map[string]journal.FoldResult // by task key
	failed  map[string]string             // cause, by trial key
	retries map[string]*retries           // by task key
	on      placement                     // what trainings run on
	workers int                           // trainings at once: how many trials a method without barriers is asked for
}

func newStudies(p *plan.Plan, data []*prepared, events []journal.Event, retryFailed bool) (*studies, error) {
	s := &studies{plan: p, data: data, told: func(journal.Event) {}, done: map[string]journal.FoldResult{}, failed: map[string]string{}, retries: map[string]*retries{}}
	for i, d := range p.Datasets {
		if i < len(data) && data[i] != nil {
			d.Description, d.Fingerprint = data[i].raw.Description, &data[i].fingerprint
		}
		var methods []search.Method
		for _, study := range p.Studies {
			m, err := Method(study, d)
			if err != nil {
				return nil, err
			}
			methods = append(methods, m)
		}
		s.methods = append(s.methods, methods)
	}
	for _, e := range events {
		if e.Kind == journal.Failure && (retryFailed || s.open(e)) {
			s.forgive(e)
			continue
		}
		s.add(e)
	}
	return s, nil
}

// mixName derives a seed for a name (FNV-1a over the name, from the seed).
func mixName(seed uint64, name string) uint64 {
	h := seed ^ 14695981039346656037
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

func trialKey(dataset, approach, trial string) string {
	return dataset + "\x00" + approach + "\x00" + trial
}

// foldKey is the key of the task that an event of one fold is about.
func foldKey(e journal.Event) string {
	return fmt.Sprintf("%s\x00%d", trialKey(e.Dataset, e.Baseline+e.Study, e.Trial.ID), *e.Fold)
}

func (s *studies) key(t task) string {
	return fmt.Sprintf("%s\x00%d", trialKey(s.plan.Datasets[t.dataset].Name, t.approach(), t.trial.ID), t.fold)
}

// add takes in an event that is on disk.
func (s *studies) add(e journal.Event) {
	s.events = append(s.events, e)
	trial := trialKey(e.Dataset, e.Baseline+e.Study, e.Trial.ID)
	switch e.Kind {
	case journal.Start:
		s.begun(e)
	case journal.FoldDone:
		if e.Fold != nil && e.Result != nil && len(e.Result.Folds) == 1 {
			s.done[foldKey(e)] = e.Result.Folds[0]
		}
	case journal.Failure:
		s.failed[trial] = e.Cause
	}
}

// failures are those that count: what was tried again and ended well is none.
func (s *studies) failures() []journal.Event {
	var out []journal.Event
	for _, e := range s.events {
		if e.Kind == journal.Failure {
			out = append(out, e)
		}
	}
	return out
}

// missing names the approaches of which the table has no row with a number.
func (s *studies) missing() []string {
	found := map[string]bool{}
	for _, e := range s.events {
		if e.Kind == journal.Result {
			found[e.Dataset+" "+e.Baseline+e.Study] = true
		}
	}
	var out []string
	for _, d := range s.plan.Datasets {
		for _, b := range s.plan.Baselines {
			out = append(out, d.Name+" "+b.Name)
		}
		for _, study := range s.plan.Studies {
			out = append(out, d.Name+" "+study.Name)
		}
	}
	return slices.DeleteFunc(out, func(name string) bool { return found[name] })
}

// baselineTrial is the one trial of a baseline: no configuration, all epochs.
func (s *studies) baselineTrial() search.Trial {
	return search.Trial{ID: "default", Epochs: s.plan.Fidelity.Max}
}

// next lists the trainings that may run now and have not ended, in the order
// in which they should begin.
func (s *studies) next() []task {
	var out []task
	want := func(t task, folds []plan.Fold) {
		if _, failed := s.failed[trialKey(s.plan.Datasets[t.dataset].Name, t.approach(), t.trial.ID)]; failed {
			return
		}
		for _, t.fold = range folds {
			if _, done := s.done[s.key(t)]; !done {
				out = append(out, t)
			}
		}
	}
	for d := range s.plan.Datasets {
		for _, b := range s.plan.Baselines {
			want(task{dataset: d, baseline: b.Name, trial: s.baselineTrial()}, s.plan.Folds)
		}
	}
	for d := range s.plan.Datasets {
		for i, study := range s.plan.Studies {
			history, method := s.history(d, study.Name), s.methods[d][i]
			for _, trial := range s.ask(d, study, method, history) {
				want(task{dataset: d, study: study.Name, trial: trial}, study.Folds)
			}
			if best, ok := search.Incumbent(history); ok && method.Done(history) {
				want(task{dataset: d, study: study.Name, trial: best.Trial}, s.plan.Folds)
			}
		}
	}
	return out
}

// ask gives a study's trials that may run now, those that have begun included.
// Methods with barriers, and those on a virtual clock, name them all by
// themselves. One without barriers proposes as many as workers are left over by
// those that the journal says have begun.
func (s *studies) ask(dataset int, study plan.Study, method search.Method, history []search.Observation) []search.Trial {
	if study.Optimizer.Kind != plan.ParetoBayes || study.Optimizer.Workers > 0 {
		return method.Ask(history, nil, math.MaxInt)
	}
	over := map[string]bool{}
	for _, o := range history {
		over[o.ID] = true
	}
	var begun []search.Trial
	for _, e := range s.events {
		if e.Kind == journal.Start && e.Study == study.Name && e.Dataset == s.plan.Datasets[dataset].Name && !over[e.Trial.ID] {
			over[e.Trial.ID] = true
			begun = append(begun, e.Trial)
		}
	}
	return append(begun, method.Ask(history, begun, max(1, s.workers-len(begun)))...)
}

func (s *studies) history(dataset int, study string) []search.Observation {
	return journal.History(s.events, s.plan.Datasets[dataset].Name, study)
}

// foldsOf are the folds that a task's trial is judged by.
func (s *studies) foldsOf(t task) []plan.Fold {
	for _, study := range s.plan.Studies {
		if study.Name == t.study {
			return study.Folds
		}
	}
	return s.plan.Folds
}

func (s *studies) planner(t task) nnunet.Planner {
	for _, b := range s.plan.Baselines {
		if b.Name == t.baseline {
			return b.Planner
		}
	}
	for _, study := range s.plan.Studies {
		if study.Name == t.study && study.Planner != "" {
			return study.Planner
		}
	}
	return nnunet.ConvPlanner
}

// foldEvent turns a worker's result into the event that makes it count.
func (s *studies) foldEvent(t task, j train.Job, r train.Result) journal.Event {
	fold := journal.FoldResult{
		Fold: t.fold, Dice: map[string]evaluate.Score{}, MeanDice: evaluate.Score(r.MeanDice),
		ValidationLoss: evaluate.Score(r.ValidationLoss),
		Cost:           journal.Cost{Hours: evaluate.Score(r.Seconds / 3600), Epochs: r.Epochs, FLOPs: r.FLOPs},
		CheckpointPath: filepath.ToSlash(filepath.Join(t.folder(s.plan), filepath.Base(r.Checkpoint))),
		SummaryPath:    filepath.ToSlash(filepath.Join(t.folder(s.plan), "validation", "summary.json")),
	}
	if places := Places(r.Curve); !slices.Equal(places, []string{""}) {
		fold.Devices = places
	}
	for i, d := range r.Dice {
		fold.Dice[r.Labels[i]] = evaluate.Score(d)
	}
	for _, c := range r.Cases {
		dice := map[string]evaluate.Score{}
		for i, d := range c.Dice {
			dice[r.Labels[i]] = evaluate.Score(d)
		}
		fold.Cases = append(fold.Cases, journal.CaseResult{ID: c.ID, Dice: dice})
	}
	e := t.event(s.plan, journal.FoldDone)
	e.Result = s.sum([]journal.FoldResult{fold})
	e.Result.Parameters, e.Result.Iterations, e.Result.Batch = int(r.Parameters), r.Epochs*r.Iterations, r.Batch
	e.Result.Features = j.Configuration.Architecture.Stages[0].Features
	copy(e.Result.Patch[3-len(j.Configuration.Patch):], j.Configuration.Patch)
	return e
}

// sum averages folds into a trial's result.
func (s *studies) sum(folds []journal.FoldResult) *journal.TrialResult {
	r := &journal.TrialResult{Folds: folds}
	n := float64(len(folds))
	var dice, hours, loss float64
	for _, f := range folds {
		dice += float64(f.MeanDice) / n
		hours += float64(f.Cost.Hours) / n
		loss += float64(f.ValidationLoss) / n
		r.Cost.FLOPs += f.Cost.FLOPs / n
		r.Cost.Epochs = f.Cost.Epochs
	}
	r.Cost.Hours, r.TieBreak = evaluate.Score(hours), evaluate.Score(loss)
	cost := r.Cost.FLOPs
	if s.plan.Cost == plan.CostMeasured {
		cost = hours
	}
	r.Objectives = []evaluate.Score{evaluate.Score(1 - dice), evaluate.Score(cost)}
	return r
}

// resultEvent is the event of a trial whose folds are all done, or nil while
// some are missing or it has been written already.
func (s *studies) resultEvent(t task) *journal.Event {
	var folds []journal.FoldResult
	last := (*journal.TrialResult)(nil)
	for _, fold := range s.foldsOf(t) {
		one := t
		one.fold = fold
		f, ok := s.done[s.key(one)]
		if !ok {
			return nil
		}
		folds = append(folds, f)
	}
	for _, e := range s.events {
		if e.Dataset != s.plan.Datasets[t.dataset].Name || e.Baseline+e.Study != t.approach() || e.Trial.ID != t.trial.ID {
			continue
		}
		if e.Kind == journal.Result {
			return nil
		}
		if e.Kind == journal.FoldDone {
			last = e.Result
		}
	}
	slices.SortFunc(folds, func(a, b journal.FoldResult) int { return int(a.Fold - b.Fold) })
	e := t.event(s.plan, journal.Result)
	e.Result = s.sum(folds)
	e.Result.Parameters, e.Result.Iterations, e.Result.Batch = last.Parameters, last.Iterations, last.Batch
	e.Result.Features, e.Result.Patch = last.Features, last.Patch
	return &e
}
