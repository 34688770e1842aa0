package runtime

import (
	"fmt"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/runtime/search"
	"runspec/runtime/train"
)

// freeze is the job of a task as far as its meaning goes: no folders, no threads.
func freeze(p *plan.Plan, t task, description nnunet.Dataset, fingerprint nnunet.Fingerprint) (train.Job, error) {
	d := p.Datasets[t.dataset]
	settings, c, err := p.Training.SettingsFor(description, fingerprint, (&studies{plan: p}).planner(t), d.Configuration, t.trial.Configuration)
	if err != nil {
		return train.Job{}, err
	}
	j := train.Job{
		Version:       train.JobVersion,
		Name:          t.name(p),
		Fold:          t.fold,
		Digest:        d.Digest,
		Description:   description,
		Settings:      settings,
		Configuration: c,
		Training:      p.Training,
		Epochs:        t.trial.Epochs,
		Horizon:       p.Fidelity.Horizon,
		Seed:          t.seed(p),
		Code:          train.ThisCode(),
	}
	j.Training.Hyperparameters, err = train.Overlay(p.Training.Hyperparameters, t.trial.Configuration)
	if err != nil {
		return j, fmt.Errorf("%s: %w", j.Name, err)
	}
	return j, nil
}

// Planned is the job that a plan means by a trial of a baseline or study (one
// of the names is "") on a fold, without folders and threads. What a study's
// trial means may follow from its history, that of when the trial began. A trial
// that the plan lacks, or whose data set it does not know yet, is an error.
func Planned(p *plan.Plan, dataset, baseline, study, trial string, fold plan.Fold, history []search.Observation) (train.Job, error) {
	t := task{dataset: -1, baseline: baseline, study: study, fold: fold}
	for i, d := range p.Datasets {
		if d.Name == dataset {
			t.dataset = i
		}
	}
	if t.dataset < 0 {
		return train.Job{}, fmt.Errorf("the plan has no data set %s", dataset)
	}
	var err error
	if t.trial, err = planned(p, t, trial, history); err != nil {
		return train.Job{}, err
	}
	d := p.Datasets[t.dataset]
	if d.Fingerprint == nil {
		return train.Job{}, fmt.Errorf("the plan does not know data set %s yet; give --data", dataset)
	}
	return freeze(p, t, d.Description, *d.Fingerprint)
}

// planned is the trial of a plan that bears an identifier. The rungs above a
// configuration's first have the configuration of the first.
func planned(p *plan.Plan, t task, id string, history []search.Observation) (search.Trial, error) {
	for _, b := range p.Baselines {
		if b.Name == t.baseline {
			return (&studies{plan: p}).baselineTrial(), nil
		}
	}
	for _, study := range p.Studies {
		if study.Name != t.study {
			continue
		}
		m, err := Method(study, p.Datasets[t.dataset])
		if err != nil {
			return search.Trial{}, err
		}
		proposed := append(m.Ask(nil, nil, study.Optimizer.Trials), m.Ask(history, nil, study.Optimizer.Trials)...)
		for rung, r := range study.Rungs {
			for _, first := range proposed {
				stem := rungSuffix.ReplaceAllString(first.ID, "")
				if rung >= first.Rung && fmt.Sprintf("%sr%d", stem, rung) == id {
					first.ID, first.Rung, first.Epochs = id, rung, r.Epochs
					return first, nil
				}
			}
		}
	}
	return search.Trial{}, fmt.Errorf("the plan has no trial %s of %s", id, t.approach())
}
