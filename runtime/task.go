package runtime

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"runspec/compiler/plan"
	"runspec/runtime/journal"
	"runspec/runtime/search"
	"runspec/runtime/train"
)

// task is one training that the plan wants: a trial on one fold.
type task struct {
	dataset  int    // index into the plan's data sets
	baseline string // or "" for a study's trial
	study    string // or "" for a baseline
	trial    search.Trial
	fold     plan.Fold
}

// approach is the baseline's or the study's name.
func (t task) approach() string { return t.baseline + t.study }

// folder is where the fold's checkpoints and summary lie, relative to the run
// directory.
func (t task) folder(p *plan.Plan) string {
	return folder(p.Datasets[t.dataset].Name, t.approach(), t.trial.ID, t.fold)
}

func folder(dataset, approach, trial string, fold plan.Fold) string {
	return filepath.Join("trials", dataset, strings.ReplaceAll(approach, "/", "-"), trial, "fold_"+fold.String())
}

func (t task) name(p *plan.Plan) string {
	who := t.trial.ID
	if t.baseline != "" {
		who = t.baseline
	}
	return fmt.Sprintf("%s %s fold %s", p.Datasets[t.dataset].Name, who, t.fold)
}

// event makes a journal event about the task.
func (t task) event(p *plan.Plan, kind journal.Kind) journal.Event {
	e := journal.Event{Kind: kind, Dataset: p.Datasets[t.dataset].Name, Study: t.study, Baseline: t.baseline, Trial: t.trial}
	if kind == journal.Start || kind == journal.FoldDone {
		e.Fold = &t.fold
	}
	return e
}

var rungSuffix = regexp.MustCompile(`r\d+$`)

// seed derives a training's seed from what it is: the experiment's seed, data
// set, approach, configuration and fold. The rung is left out, so that a
// promoted trial continues the very training it was promoted for.
func (t task) seed(p *plan.Plan) uint64 {
	text := fmt.Sprintf("%d\x00%s\x00%s\x00%s\x00%d", p.Seed, p.Datasets[t.dataset].Name, t.approach(), rungSuffix.ReplaceAllString(t.trial.ID, ""), t.fold)
	sum := sha256.Sum256([]byte(text))
	return binary.LittleEndian.Uint64(sum[:])
}

// job freezes the task.
func (s *studies) job(t task, o Options, threads int) (train.Job, error) {
	p, d := s.plan, s.data[t.dataset]
	j, err := freeze(p, t, d.raw.Description, d.fingerprint)
	if err != nil {
		return j, err
	}
	j.Data, j.Cache, j.Directory = d.raw.Dir, filepath.Join(o.CacheDir, "preprocessed"), filepath.Join(o.RunDir, t.folder(p))
	j.Threads = threads
	if t.trial.Parent != "" && slices.Contains(s.foldsOf(t), t.fold) {
		j.Parent = filepath.Join(o.RunDir, folder(p.Datasets[t.dataset].Name, t.approach(), t.trial.Parent, t.fold))
	}
	return j, nil
}
