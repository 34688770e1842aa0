package inspect

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
	"runspec/runtime/journal"
	"runspec/runtime/search"

	run "runspec/runtime"
)

// StatusVersion is the format of a Status; fields are only added to it.
const StatusVersion = "runspec/status/v1"

// Status is how far a run is.
type Status struct {
	Version    string     `json:"version"`
	Name       string     `json:"name"`
	RunDir     string     `json:"runDir"`
	Plan       string     `json:"plan"` // digest
	State      State      `json:"state"`
	Simulated  bool       `json:"simulated,omitempty"` // nothing is trained
	Owner      string     `json:"owner,omitempty"`     // who runs it now
	Since      *time.Time `json:"since,omitempty"`     // when that began
	Last       *time.Time `json:"last,omitempty"`      // event of the journal
	Epochs     Count      `json:"epochs"`
	Trainings  Trainings  `json:"trainings"`
	Left       float64    `json:"left,omitempty"` // seconds, at the pace so far and with as many workers as now; 0: unknown
	Approaches []Approach `json:"approaches"`
	Running    []Training `json:"running,omitempty"`
	Failed     []Training `json:"failed,omitempty"`
	Files      []string   `json:"files"` // relative to the run directory
}

// Count is a part of a whole.
type Count struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// Trainings counts trials times folds.
type Trainings struct {
	Done    int `json:"done"`
	Running int `json:"running"`
	Failed  int `json:"failed"`
	ToDo    int `json:"toDo"`
}

// Approach is a baseline or a study on one data set.
type Approach struct {
	Dataset   string    `json:"dataset"`
	Name      string    `json:"name"`
	Study     bool      `json:"study"`
	Trainings Trainings `json:"trainings"`
	Epochs    Count     `json:"epochs"`
	Best      *Best     `json:"best,omitempty"`
}

// Best is the best trial of an approach so far.
type Best struct {
	Trial  string         `json:"trial"`
	Epochs int            `json:"epochs"`
	Dice   evaluate.Score `json:"dice"` // mean over foreground labels and over the folds that it is judged by
}

// Training is one trial on one fold.
type Training struct {
	Trial   string         `json:"trial"` // name in the run
	Fold    plan.Fold      `json:"fold"`
	Epoch   int            `json:"epoch"` // complete
	Epochs  int            `json:"epochs"`
	Loss    evaluate.Score `json:"loss"` // of the last complete epoch's training
	Dice    evaluate.Score `json:"dice"` // moving average of the pseudo-Dice
	Cause   string         `json:"cause,omitempty"`
	Message string         `json:"message,omitempty"`
}

// Status tells how far the run is.
func (r *Run) Status() (Status, error) {
	digest, err := r.Plan.Digest()
	if err != nil {
		return Status{}, err
	}
	s := Status{Version: StatusVersion, Name: r.Plan.Name, RunDir: r.Dir, Plan: digest, Approaches: []Approach{}}
	s.Simulated = r.Plan.Simulation != nil
	if n := len(r.Events); n > 0 {
		s.Last = &r.Events[n-1].Time
	}
	trials := r.trials()
	for _, d := range r.Plan.Datasets {
		for _, b := range r.Plan.Baselines {
			s.Approaches = append(s.Approaches, r.baseline(d, b, trials))
		}
		for _, study := range r.Plan.Studies {
			a, err := r.study(d, study, trials)
			if err != nil {
				return s, err
			}
			s.Approaches = append(s.Approaches, a)
		}
	}
	for _, a := range s.Approaches {
		s.Epochs.Done += a.Epochs.Done
		s.Epochs.Total += a.Epochs.Total
		s.Trainings.Done += a.Trainings.Done
		s.Trainings.Running += a.Trainings.Running
		s.Trainings.Failed += a.Trainings.Failed
		s.Trainings.ToDo += a.Trainings.ToDo
	}
	for _, t := range trials {
		s.list(r, t)
	}
	s.Left = r.left(trials, s)
	s.settle(r)
	return s, nil
}

func (s *Status) settle(r *Run) {
	switch {
	case r.Owner != nil:
		s.State, s.Owner, s.Since = Running, r.Owner.Process.String(), &r.Owner.Since
	case s.Trainings.ToDo > 0 && len(r.Events) == 0:
		s.State = ToDo
	case s.Trainings.ToDo > 0:
		s.State = Stopped
	case s.Trainings.Failed > 0:
		s.State = Failed
	default:
		s.State = Done
	}
	for _, name := range []string{"plan.json", "journal.jsonl", "events.jsonl", "provenance.json", "trials", "report/report.md"} {
		if exists(filepath.Join(r.Dir, name)) {
			s.Files = append(s.Files, name)
		}
	}
}

// list notes a trial's trainings that run or failed.
func (s *Status) list(r *Run, t *trial) {
	for _, k := range t.numbers() {
		f := t.folds[k]
		if f.state != Running && !(f.state == Failed && t.state == Failed) {
			continue
		}
		one := Training{Trial: t.name(), Fold: k, Epochs: t.event.Trial.Epochs, Loss: evaluate.Missing(), Dice: evaluate.Missing()}
		p := r.progress(t, k)
		one.Epoch = max(p.Epochs, r.below(t.event.Trial, k))
		if n := len(p.Curve); n > 0 {
			one.Loss, one.Dice = p.Curve[n-1].TrainLoss, p.EMA
		}
		if f.state == Running {
			s.Running = append(s.Running, one)
			continue
		}
		one.Cause, one.Message = t.cause, r.failure(t, k)
		s.Failed = append(s.Failed, one)
	}
}

// of are the trials of one approach on a data set.
func of(trials []*trial, dataset, name string) []*trial {
	return slices.DeleteFunc(slices.Clone(trials), func(t *trial) bool { return t.event.Dataset != dataset || approach(t.event) != name })
}

func (r *Run) baseline(d plan.Dataset, b plan.Baseline, trials []*trial) Approach {
	mine := of(trials, d.Name, b.Name)
	a := r.count(Approach{Dataset: d.Name, Name: b.Name}, mine)
	planned := len(r.Plan.Folds)
	a.Trainings.ToDo = max(0, planned-a.Trainings.Done-a.Trainings.Running-a.Trainings.Failed)
	a.Epochs.Total = planned * r.Plan.Fidelity.Max
	for _, t := range mine {
		if t.summary != nil {
			a.Best = best(t.event.Trial, *t.summary)
		}
	}
	return a
}

func best(t search.Trial, r journal.TrialResult) *Best {
	return &Best{Trial: t.ID, Epochs: t.Epochs, Dice: meanDice(r)}
}

// meanDice is the mean over the folds that a trial is judged by.
func meanDice(r journal.TrialResult) evaluate.Score {
	sum := evaluate.Score(0)
	for _, f := range r.Folds {
		sum += f.MeanDice
	}
	return sum / evaluate.Score(len(r.Folds))
}

// study counts a study's trainings. One that is over has nothing to do beside
// its incumbent's folds, though failures may have left it smaller than planned.
func (r *Run) study(d plan.Dataset, s plan.Study, trials []*trial) (Approach, error) {
	a := Approach{Dataset: d.Name, Name: s.Name, Study: true}
	history := journal.History(r.Events, d.Name, s.Name)
	method, err := run.Method(s, d)
	if err != nil { // a plan that was changed by hand
		return a, err
	}
	a = r.count(a, of(trials, d.Name, s.Name))
	planned, extra := 0, r.extra(s)
	for _, rung := range s.Rungs {
		planned += rung.Trials * len(s.Folds)
	}
	a.Epochs.Total = s.Epochs()*len(s.Folds) + extra*s.Rungs[len(s.Rungs)-1].Epochs
	a.Trainings.ToDo = max(0, planned+extra-a.Trainings.Done-a.Trainings.Running-a.Trainings.Failed)
	incumbent, ok := search.Incumbent(history)
	for _, t := range of(trials, d.Name, s.Name) {
		if ok && t.event.Trial.ID == incumbent.ID && t.summary != nil {
			a.Best = best(incumbent.Trial, *t.summary)
		}
	}
	if !method.Done(history) {
		return a, nil
	}
	a.Trainings.ToDo, a.Epochs.Total = 0, a.Epochs.Done
	if !ok {
		return a, nil
	}
	for _, t := range of(trials, d.Name, s.Name) {
		if t.event.Trial.ID != incumbent.ID {
			continue
		}
		for _, k := range r.Plan.Folds {
			f := t.folds[k]
			if f == nil || f.state == Stopped {
				a.Trainings.ToDo++
			}
			if f == nil || f.state == Stopped || f.state == Running {
				a.Epochs.Total += incumbent.Epochs - r.progress(t, k).Epochs
			}
		}
	}
	return a, nil
}

// extra counts the folds that only a study's incumbent is trained on.
func (r *Run) extra(s plan.Study) int {
	n := 0
	for _, k := range r.Plan.Folds {
		if !slices.Contains(s.Folds, k) {
			n++
		}
	}
	return n
}

// count adds up what has begun.
func (r *Run) count(a Approach, trials []*trial) Approach {
	for _, t := range trials {
		x := t.event.Trial
		for _, k := range t.numbers() {
			begun := max(0, r.progress(t, k).Epochs-r.below(x, k))
			switch t.folds[k].state {
			case Done:
				a.Trainings.Done++
				begun = x.Epochs - r.below(x, k)
			case Running:
				a.Trainings.Running++
			case Failed:
				a.Trainings.Failed++
			}
			a.Epochs.Done += begun
		}
	}
	return a
}

// left estimates the seconds to the end: the epochs to do at the median pace of
// the trainings so far, shared by as many workers as there are now.
func (r *Run) left(trials []*trial, s Status) float64 {
	var pace []float64
	for _, t := range trials {
		for _, k := range t.numbers() {
			seconds, epochs := 0.0, 0
			if f := t.folds[k]; f.state == Done && f.event.Result != nil {
				seconds, epochs = float64(f.event.Result.Cost.Hours)*3600, f.event.Result.Cost.Epochs
			} else if p := r.progress(t, k); p.Epochs > 0 {
				seconds, epochs = p.Seconds, p.Epochs
			}
			if epochs > 0 && seconds > 0 {
				pace = append(pace, seconds/float64(epochs))
			}
		}
	}
	if len(pace) == 0 || s.Epochs.Total <= s.Epochs.Done {
		return 0
	}
	slices.SortFunc(pace, cmp.Compare)
	return pace[len(pace)/2] * float64(s.Epochs.Total-s.Epochs.Done) / float64(max(1, s.Trainings.Running))
}
