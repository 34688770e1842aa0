package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/unet"
	"runspec/runtime/journal"
	"runspec/runtime/search"
	"runspec/runtime/train"
)

// Outlook is what a plan would still take, seen from its run directory: the
// journal is read, data are not.
type Outlook struct {
	RunDir  string
	Changes []plan.Change // from the run directory's plan; none where there is no run
	Refused string        // what would have to be said or changed for the run to go on; "": nothing
	Sets    []Ahead       // by data set, in the plan's order
	Left    int           // trainings that are left, as far as the plan tells
	Todo    bool          // a run would train something

	Simulated bool // nothing is trained: no time and no disk are reckoned
}

// Ahead is what one data set takes.
type Ahead struct {
	Dataset    string
	Approaches []Approach
	Paces      []Pace // the best known first; none: nothing is known
	Disk       int64  // bytes of checkpoints in all; -1: not known
	Cases      int64  // bytes of preprocessed cases in the cache; -1: not known
}

// Approach counts the trainings (a trial on a fold) of a baseline, or of a study.
type Approach struct {
	Name     string
	Planned  int
	Finished int
	Failed   int
	Epochs   int // that are left
	Anew     int // epochs of all of it, if no trial continued another's checkpoint
	planner  nnunet.Planner
}

// Missing are the trainings that are left.
func (a Approach) Missing() int { return max(0, a.Planned-a.Finished-a.Failed) }

// Look gives the outlook of a plan.
func Look(p *plan.Plan, o Options) (Outlook, error) {
	o = o.withDefaults(p)
	out := Outlook{RunDir: relative(o.RunDir), Simulated: p.Simulation != nil}
	events, err := out.read(&p, o)
	if err != nil {
		return out, err
	}
	s, err := newStudies(p, nil, events, false)
	if err != nil {
		return out, err
	}
	for i, d := range p.Datasets {
		a, err := s.ahead(i, d)
		if err != nil {
			return out, fmt.Errorf("data set %s: %w", d.Name, err)
		}
		out.Sets = append(out.Sets, a)
		for _, one := range a.Approaches {
			out.Left += one.Missing()
		}
	}
	out.Todo = len(s.next()) > 0
	return out, nil
}

// read reads the run directory: the events that count under the plan, which gets
// what the directory's history adds to it.
func (out *Outlook) read(p **plan.Plan, o Options) ([]journal.Event, error) {
	events, _, err := journal.Read(filepath.Join(o.RunDir, "journal.jsonl"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(events) == 0 {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	old, err := plan.Read(filepath.Join(o.RunDir, planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	now := inherit(old, *p)
	out.Changes = plan.Unlearnt(plan.Diff(old, now))
	if out.Refused = refuse(out.Changes, o); plan.Has(out.Changes, plan.Incompatible) {
		return nil, nil // these events mean something else
	}
	*p = warm(old, now, out.Changes)
	return journal.Current(*p, events), nil
}

// ahead looks at one data set.
func (s *studies) ahead(index int, d plan.Dataset) (Ahead, error) {
	a := Ahead{Dataset: d.Name, Disk: -1, Cases: -1}
	for _, b := range s.plan.Baselines {
		epochs := s.plan.Fidelity.Max * len(s.plan.Folds)
		one := Approach{Name: b.Name, planner: b.Planner, Epochs: epochs, Anew: epochs}
		s.count(&one, task{dataset: index, baseline: b.Name, trial: s.baselineTrial()}, s.plan.Folds)
		a.Approaches = append(a.Approaches, one)
	}
	for i, study := range s.plan.Studies {
		a.Approaches = append(a.Approaches, s.study(index, study))
		if rest := outside(s.plan.Folds, study.Folds); len(rest) > 0 {
			a.Approaches = append(a.Approaches, s.incumbent(index, i, rest))
		}
	}
	if d.Fingerprint == nil {
		s.published(&a, d)
		return a, nil
	}
	err := s.estimate(&a, d)
	return a, err
}

// count adds a trial's folds to an approach, and takes what has been trained off
// the epochs that are left.
func (s *studies) count(a *Approach, t task, folds []plan.Fold) {
	_, failed := s.failed[trialKey(s.plan.Datasets[t.dataset].Name, t.approach(), t.trial.ID)]
	own := s.ownEpochs(t.event(s.plan, journal.FoldDone))
	for _, t.fold = range folds {
		a.Planned++
		switch _, done := s.done[s.key(t)]; {
		case done:
			a.Finished++
		case failed:
			a.Failed++
		default:
			continue
		}
		a.Epochs -= own
	}
}

// study counts a study's trials. Its method alone knows which ones will be;
// those that have ended are known, of the others the rungs tell how many.
func (s *studies) study(index int, study plan.Study) Approach {
	a := Approach{Name: study.Name, planner: study.Planner, Epochs: study.Epochs() * len(study.Folds)}
	seen, known := map[string]bool{}, map[int]int{}
	for _, e := range s.events {
		mine := e.Dataset == s.plan.Datasets[index].Name && e.Study == study.Name && e.Trial.Number() >= study.First
		if !mine || seen[e.Trial.ID] || e.Kind != journal.FoldDone && e.Kind != journal.Failure {
			continue
		}
		seen[e.Trial.ID] = true
		known[e.Trial.Rung]++
		s.count(&a, task{dataset: index, study: study.Name, trial: e.Trial}, study.Folds)
	}
	for k, r := range study.Rungs {
		a.Planned += max(0, r.Trials-known[k]) * len(study.Folds)
		a.Anew += r.Trials * r.Epochs * len(study.Folds)
	}
	a.Epochs = max(0, a.Epochs)
	return a
}

// incumbent counts the folds on which a study's incumbent is trained afterwards.
func (s *studies) incumbent(index, number int, folds []plan.Fold) Approach {
	study := s.plan.Studies[number]
	a := Approach{Name: study.Name + ", its incumbent", planner: study.Planner}
	history := s.history(index, study.Name)
	if best, ok := search.Incumbent(history); ok && s.methods[index][number].Done(history) {
		a.Epochs = best.Epochs * len(folds)
		a.Anew = a.Epochs
		best.Parent = "" // on these folds it trains from the beginning
		s.count(&a, task{dataset: index, study: study.Name, trial: best.Trial}, folds)
		return a
	}
	a.Planned, a.Epochs = len(folds), len(folds)*study.Rungs[len(study.Rungs)-1].Epochs
	a.Anew = a.Epochs
	return a
}

// outside are the folds of a that are not in b.
func outside(a, b []plan.Fold) []plan.Fold {
	return slices.DeleteFunc(slices.Clone(a), func(fold plan.Fold) bool { return slices.Contains(b, fold) })
}

// network is the network that a planner gives a data set under training
// settings, with the configuration that it is trained in.
func network(t plan.Training, d plan.Dataset, planner nnunet.Planner) (unet.Network, nnunet.Configuration, error) {
	_, c, err := t.Settings(d.Description, *d.Fingerprint, planner, d.Configuration)
	if err != nil {
		return unet.Network{}, c, err
	}
	n, err := unet.Build(c.Architecture)
	return n, c, err
}

// estimate adds what is reckoned from the network's size.
func (s *studies) estimate(a *Ahead, d plan.Dataset) error {
	p := s.plan
	a.Disk, a.Cases = 0, 0
	var err error
	if a.Paces, err = s.paces(d); err != nil {
		return err
	}
	seen := map[nnunet.Planner]bool{}
	for _, one := range a.Approaches {
		n, c, err := network(p.Training, d, one.planner)
		if err != nil {
			return err
		}
		flops, err := train.Cost(n, c, p.Training.Iterations)
		if err != nil {
			return err
		}
		for i := range a.Paces {
			pace := &a.Paces[i]
			pace.Hours += pace.perFLOP * flops * float64(one.Epochs) / 3600
			pace.Anew += pace.perFLOP * flops * float64(one.Anew) / 3600
			if pace.Epoch == 0 {
				pace.Epoch = pace.perFLOP * flops
			}
		}
		a.Disk += int64(one.Planned) * checkpoints * n.ParameterCount() * 4 * copies(p.Training.Hyperparameters.Optimizer)
		if !seen[one.planner] {
			a.Cases += preprocessed(d, c)
		}
		seen[one.planner] = true
	}
	return nil
}

// checkpoints of a training: the latest and the best.
const checkpoints = 2

// copies are how many numbers a checkpoint holds for each parameter.
func copies(optimizer string) int64 {
	switch optimizer {
	case "SGD":
		return 2 // momentum
	case "Adam":
		return 3 // two moments
	}
	return 4 // the greatest second moment too
}

// preprocessed estimates the bytes of a data set's cases at a configuration's
// spacing: float32 for each channel, and two bytes for the label. A 2-D
// configuration leaves the coarsest axis as it is.
func preprocessed(d plan.Dataset, c nnunet.Configuration) int64 {
	target := 1.0
	for _, s := range c.Spacing {
		target *= s
	}
	voxels := 0.0
	for i, shape := range d.Fingerprint.ShapesAfterCrop {
		s := d.Fingerprint.Spacings[i]
		volume := float64(shape[0]) * float64(shape[1]) * float64(shape[2]) * s[0] * s[1] * s[2]
		if len(c.Spacing) == 2 {
			volume /= max(s[0], s[1], s[2])
		}
		voxels += volume / target
	}
	return int64(voxels) * int64(4*len(d.Description.Channels)+2)
}
