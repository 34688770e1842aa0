package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/evaluate"
	"runspec/runtime/journal"
	"runspec/runtime/search"
	"runspec/runtime/simulate"
)

// teraflop turns simulated hours into operations, for cost "model": those of a
// machine with 10¹² operations a second.
const teraflop = 1e12

// simulate has a black box asked for all that the plan wants, on a virtual
// clock, and journals what the journal lacks. Everything is played anew each
// time: it takes seconds, and the same plan plays the same. Events are synced
// together, at the end.
func (s *studies) simulate(ctx context.Context, j *journal.Journal, o Options) error {
	j.Lazy = true
	o.Progress.Note("SIMULATED: no trial is trained, the benchmark %q is asked instead", s.plan.Simulation.Kind)
	box, err := blackBox(*s.plan.Simulation)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, e := range s.events {
		if e.Kind == journal.Result {
			known[trialKey(e.Dataset, e.Baseline+e.Study, e.Trial.ID)] = true
		}
	}
	r := simulation{studies: s, journal: j, box: box, known: known}
	for d := range s.plan.Datasets {
		if err := r.dataset(ctx, d); err != nil {
			return fmt.Errorf("simulated data set %s: %w", s.plan.Datasets[d].Name, err)
		}
	}
	return nil
}

// blackBox opens what a plan's simulation asks.
func blackBox(s plan.Simulation) (simulate.Box, error) {
	switch {
	case s.Kind == simulate.NB201:
		p, err := simulate.Open(simulate.NB201, nil)
		return p.Box, err
	case s.Kind == simulate.UserTable:
		return simulate.ParseTable(s.File, []byte(s.Text))
	}
	f, err := simulate.BuiltIn()
	if err == nil && s.File != "" {
		f, err = simulate.ParseFormula(s.File, []byte(s.Text))
	}
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{"constants": s.Constants})
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		return nil, fmt.Errorf("simulation.constants: %w; they are single numbers", err)
	}
	return f, nil
}

type simulation struct {
	*studies
	journal *journal.Journal
	box     simulate.Box
	known   map[string]bool // trials that have a result, by key
}

func (r simulation) dataset(ctx context.Context, d int) error {
	for _, b := range r.plan.Baselines {
		t := task{dataset: d, baseline: b.Name, trial: r.baselineTrial()}
		if err := r.tell(t, r.plan.Folds, r.plan.Folds); err != nil {
			return err
		}
	}
	for i, study := range r.plan.Studies {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := r.study(d, study, r.methods[d][i]); err != nil {
			return fmt.Errorf("study %s: %w", study.Name, err)
		}
	}
	return nil
}

// study plays a study to its end, then its incumbent on all folds.
func (r simulation) study(d int, study plan.Study, m search.Method) error {
	clock := simulate.Clock{Workers: max(1, study.Optimizer.Workers)}
	play, err := simulate.Run(simulate.Problem{Box: r}, study, m, clock)
	if err != nil {
		return err
	}
	slices.SortStableFunc(play.Trials, func(a, b simulate.Ended) int {
		switch {
		case a.End < b.End:
			return -1
		case a.End > b.End:
			return 1
		}
		return 0
	})
	var history []search.Observation
	for _, t := range play.Trials {
		history = append(history, t.Observation)
		if err := r.tell(task{dataset: d, study: study.Name, trial: t.Trial}, study.Folds, study.Folds); err != nil {
			return err
		}
	}
	if best, ok := search.Incumbent(history); ok {
		return r.tell(task{dataset: d, study: study.Name, trial: best.Trial}, r.plan.Folds, study.Folds)
	}
	return nil
}

// Evaluate asks the black box about a configuration, on top of the experiment's
// hyperparameters. The objectives are those that a training has.
func (r simulation) Evaluate(c space.Configuration, epochs float64) ([]float64, error) {
	values, err := r.box.Evaluate(overlay(r.plan.Training.Hyperparameters, c), epochs)
	if err != nil {
		return nil, fmt.Errorf("%w; the simulation cannot stand for this space", err)
	}
	if r.plan.Simulation.Kind == simulate.NB201 {
		values = []float64{values[0] / 100, values[1]}
	}
	if r.plan.Cost == plan.CostModel {
		values = []float64{values[0], values[1] * 3600 * teraflop}
	}
	return values, nil
}

// overlay gives the hyperparameters as a configuration, with c's in their place.
func overlay(h plan.Hyperparameters, c space.Configuration) space.Configuration {
	out := space.Configuration{
		"optimizer": space.Text(h.Optimizer), "momentum": space.Number(h.Momentum), "initial_lr": space.Number(h.InitialLR),
		"lr_scheduler": space.Text(h.LRScheduler), "weight_decay": space.Number(h.WeightDecay),
		"oversample_foreground_percent": space.Number(h.Oversample), "loss_function": space.Text(h.LossFunction),
		"aug_factor": space.Number(h.AugFactor),
	}
	for name, v := range c {
		out[name] = v
	}
	return out
}

// residual are the networks of nnU-Net's planners as the formula knows them.
var residual = map[nnunet.Planner]space.Configuration{
	nnunet.ResEncMPlanner:  {"encoder_type": space.Text("ResidualEncoderM")},
	nnunet.ResEncLPlanner:  {"encoder_type": space.Text("ResidualEncoderM"), "model_scale": space.Number(2)},
	nnunet.ResEncXLPlanner: {"encoder_type": space.Text("ResidualEncoderM"), "model_scale": space.Number(3)},
}

// tell journals a trial's folds and, of those that it is judged by, its result.
func (r simulation) tell(t task, folds, judged []plan.Fold) error {
	c := t.trial.Configuration
	if t.baseline != "" {
		c = residual[r.planner(t)]
		if kind := r.plan.Simulation.Kind; kind == simulate.NB201 || kind == simulate.UserTable {
			return nil // a table has no baselines
		}
	}
	values, err := r.Evaluate(c, float64(t.trial.Epochs))
	if err != nil {
		return fmt.Errorf("trial %s: %w", t.trial.ID, err)
	}
	var results []journal.FoldResult
	for _, fold := range folds {
		f := r.fold(values, t.trial.Epochs, fold)
		if slices.Contains(judged, fold) {
			results = append(results, f)
		}
		if _, done := r.done[r.key(task{t.dataset, t.baseline, t.study, t.trial, fold})]; done {
			continue
		}
		one := t
		one.fold = fold
		e := one.event(r.plan, journal.FoldDone)
		e.Fold = &fold
		e.Result = r.result([]journal.FoldResult{f}, t.trial.Epochs)
		if err := r.append(r.journal, e); err != nil {
			return err
		}
	}
	key := trialKey(r.plan.Datasets[t.dataset].Name, t.approach(), t.trial.ID)
	if r.known[key] {
		return nil
	}
	r.known[key] = true
	e := t.event(r.plan, journal.Result)
	e.Result = r.result(results, t.trial.Epochs)
	return r.append(r.journal, e)
}

func (r simulation) result(folds []journal.FoldResult, epochs int) *journal.TrialResult {
	out := r.sum(folds)
	out.Iterations = epochs * r.plan.Training.Iterations
	return out
}

// fold is what a training of one fold would have left: the black box knows no
// folds, so all are equal.
func (r simulation) fold(values []float64, epochs int, fold plan.Fold) journal.FoldResult {
	cost := journal.Cost{Epochs: epochs, Hours: evaluate.Score(values[1])}
	if r.plan.Cost == plan.CostModel {
		cost.FLOPs, cost.Hours = values[1], evaluate.Score(values[1]/3600/teraflop)
	}
	return journal.FoldResult{
		Fold: fold, Dice: map[string]evaluate.Score{}, MeanDice: evaluate.Score(1 - values[0]),
		ValidationLoss: evaluate.Score(values[0]), Cost: cost,
	}
}
