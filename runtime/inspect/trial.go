package inspect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"runspec/compiler/diag"
	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/evaluate"
	"runspec/runtime/execute"
	"runspec/runtime/journal"
	"runspec/runtime/search"
	"runspec/runtime/train"
)

// TrialVersion is the format of a Trial; fields are only added to it.
const TrialVersion = "runspec/trial/v1"

// Trial is what one trial was and came to.
type Trial struct {
	Version       string                `json:"version"`
	Name          string                `json:"name"` // in the run: data set, approach, trial
	Dataset       string                `json:"dataset"`
	Approach      string                `json:"approach"`
	State         State                 `json:"state"`
	Configuration space.Configuration   `json:"configuration,omitempty"`
	Network       *nnunet.Configuration `json:"network,omitempty"` // that is trained, with patch and batch; nil: no job of it is stored
	Bracket       int                   `json:"bracket"`
	Rung          int                   `json:"rung"`
	Epochs        int                   `json:"epochs"`
	Parent        string                `json:"parent,omitempty"` // trial whose checkpoint it continues
	Dice          evaluate.Score        `json:"dice"`             // mean over foreground labels and folds
	Cost          *journal.Cost         `json:"cost,omitempty"`   // mean over folds
	Incumbent     bool                  `json:"incumbent"`        // the best of its study so far
	Cause         string                `json:"cause,omitempty"`
	Folds         []Fold                `json:"folds"`
}

// Fold is a trial's training on one fold.
type Fold struct {
	Fold      plan.Fold                 `json:"fold"`
	State     State                     `json:"state"`
	Epoch     int                       `json:"epoch"` // complete
	Dice      map[string]evaluate.Score `json:"dice,omitempty"`
	MeanDice  evaluate.Score            `json:"meanDice"`
	Cost      *journal.Cost             `json:"cost,omitempty"`
	Curve     []train.Epoch             `json:"curve,omitempty"`
	Message   string                    `json:"message,omitempty"` // of a worker that failed
	Directory string                    `json:"directory"`
	Files     []string                  `json:"files"` // in the directory
}

// Names lists the trials that have begun, each as short as it is unambiguous.
func (r *Run) Names() []string {
	trials := r.trials()
	var out []string
	for _, t := range trials {
		parts := strings.Split(t.name(), "/")
		for i := len(parts) - 1; i >= 0; i-- {
			short := strings.Join(parts[i:], "/")
			if len(matches(trials, short)) == 1 {
				out = append(out, short)
				break
			}
		}
	}
	return out
}

// matches are the trials whose name is, or ends in, the given one.
func matches(trials []*trial, name string) []*trial {
	name = strings.Trim(filepath.ToSlash(name), "/")
	var out []*trial
	for _, t := range trials {
		full := t.name()
		if full == name || strings.HasSuffix(full, "/"+name) || approach(t.event) == name && t.event.Baseline != "" {
			out = append(out, t)
		}
	}
	return out
}

// find gives the one trial that a name means.
func (r *Run) find(name string) (*trial, error) {
	trials := r.trials()
	found := matches(trials, name)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("no trial of %s is named %q; %s", r.Dir, name, hint(name, r.Names()))
	}
	var names []string
	for _, t := range found {
		names = append(names, t.name())
	}
	return nil, fmt.Errorf("%q names several trials of %s; say which: %s", name, r.Dir, strings.Join(names, ", "))
}

// hint says what a wrong name may have meant.
func hint(name string, names []string) string {
	if len(names) == 0 {
		return "none has begun"
	}
	if near := diag.Suggest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(names) > 12 {
		return fmt.Sprintf("there are %s, … (%d in all)", strings.Join(names[:12], ", "), len(names))
	}
	return "there are " + strings.Join(names, ", ")
}

// Trial tells what a trial was and came to.
func (r *Run) Trial(name string) (Trial, error) {
	t, err := r.find(name)
	if err != nil {
		return Trial{}, err
	}
	x := t.event.Trial
	out := Trial{
		Version: TrialVersion, Name: t.name(), Dataset: t.event.Dataset, Approach: approach(t.event), State: t.state,
		Configuration: x.Configuration, Bracket: x.Bracket, Rung: x.Rung, Epochs: x.Epochs, Parent: x.Parent,
		Dice: evaluate.Missing(), Cause: t.cause, Folds: []Fold{},
	}
	if t.summary != nil {
		out.Cost, out.Dice = &t.summary.Cost, meanDice(*t.summary)
	}
	if best, ok := search.Incumbent(journal.History(r.Events, out.Dataset, x.Study)); ok && x.Study != "" {
		out.Incumbent = best.ID == x.ID
	}
	for _, k := range t.numbers() {
		if job, err := train.ReadJob(filepath.Join(r.folder(t, k), execute.JobFile)); err == nil {
			out.Network = &job.Configuration
		}
		f, err := r.fold(t, k)
		if err != nil {
			return out, err
		}
		out.Folds = append(out.Folds, f)
	}
	return out, nil
}

func (r *Run) fold(t *trial, k plan.Fold) (Fold, error) {
	dir := r.folder(t, k)
	p, err := train.ReadProgress(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Fold{}, err
	}
	f := Fold{Fold: k, State: t.folds[k].state, Epoch: p.Epochs, Curve: p.Curve, MeanDice: evaluate.Missing(), Directory: dir, Files: files(dir)}
	if e := t.folds[k].event; e.Kind == journal.FoldDone && e.Result != nil && len(e.Result.Folds) == 1 {
		one := e.Result.Folds[0]
		f.Dice, f.MeanDice, f.Cost = one.Dice, one.MeanDice, &one.Cost
		f.Epoch = one.Cost.Epochs
	}
	if f.State == Failed {
		f.Message = r.failure(t, k)
	}
	return f, nil
}

// files lists what lies in a training's folder, its validation as one.
func files(dir string) []string {
	entries, _ := os.ReadDir(dir)
	out := []string{}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			out = append(out, e.Name())
		}
	}
	return out
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
