// Package search holds the search methods. A method is asked for trials and
// told of them through the history alone: what it proposes is a pure function
// of the study's seed and the set of observations, so that one worker or eight,
// an unbroken run or a resumed one, propose the same trials.
//
// It trains nothing and keeps no state between calls: the journal's replay is
// the history.
package search

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"runspec/compiler/plan"
	"runspec/compiler/space"
)

// Trial is a configuration at a fidelity.
type Trial struct {
	ID            string              `json:"id"` // "<study>-c<configuration>r<rung>"
	Study         string              `json:"study"`
	Configuration space.Configuration `json:"configuration"`
	Key           string              `json:"key"`              // identity of the configuration
	Rung          int                 `json:"rung"`             // index into the study's rungs
	Epochs        int                 `json:"epochs"`           // of the whole training, those of the rungs below included
	Parent        string              `json:"parent,omitempty"` // trial of the same configuration at the rung below, whose checkpoint this one continues
	Bracket       int                 `json:"bracket"`          // index into the study's brackets
	Step          int                 `json:"step,omitempty"`   // of a method without barriers: which of its proposals, from 1 on
}

// Observation is a trial that has ended.
type Observation struct {
	Trial
	Objectives []float64 // minimised: 1 - mean foreground Dice, training cost
	TieBreak   float64   // validation loss
	Failed     bool
	Cause      string // why it failed
}

// Method proposes trials.
type Method interface {
	// Ask returns up to n trials that may start now: none while the method
	// waits for a running trial, or when it is done. The order of history
	// does not matter.
	Ask(history []Observation, running []Trial, n int) []Trial
	// Done says whether nothing will be proposed any more.
	Done(history []Observation) bool
}

// New makes the study's method.
func New(study plan.Study) (Method, error) {
	if err := check(study); err != nil {
		return nil, fmt.Errorf("study %s: %w", study.Name, err)
	}
	if study.Optimizer.Kind == plan.ParetoBayes {
		return newBayes(study)
	}
	if study.Optimizer.Kind.PriorBands() {
		return newPriorBand(study), nil
	}
	configurations, err := sample(study)
	if err != nil {
		return nil, fmt.Errorf("study %s: %w", study.Name, err)
	}
	switch study.Optimizer.Kind {
	case plan.RandomSearch:
		return random{study, configurations}, nil
	case plan.SuccessiveHalving:
		return newHalving(study, configurations), nil
	case plan.Hyperband:
		return newHyperband(study, configurations), nil
	}
	return nil, fmt.Errorf("study %s: the search method %q is unknown; use %q, %q, %q, %q, %q or %q",
		study.Name, study.Optimizer.Kind, plan.RandomSearch, plan.SuccessiveHalving, plan.Hyperband, plan.PriorBand, plan.RegularizedBand, plan.ParetoBayes)
}

func check(study plan.Study) error {
	if study.Optimizer.Trials < 1 && study.Optimizer.Kind != plan.ParetoBayes {
		return fmt.Errorf("%d configurations cannot be searched; give the optimizer at least 1 trial", study.Optimizer.Trials)
	}
	if len(study.Rungs) == 0 {
		return fmt.Errorf("no rung; the fidelity gives none")
	}
	for k, r := range study.Rungs {
		if r.Epochs < 1 || k > 0 && r.Epochs <= study.Rungs[k-1].Epochs {
			return fmt.Errorf("rung %d has %d epochs; rungs must rise from 1 epoch on", k, r.Epochs)
		}
	}
	for i, b := range study.Brackets {
		if len(b.Trials) == 0 || b.Trials[0] < 1 || b.Rung < 0 || b.Rung+len(b.Trials) > len(study.Rungs) {
			return fmt.Errorf("bracket %d has trials %v from rung %d on; there are %d rungs", i, b.Trials, b.Rung, len(study.Rungs))
		}
	}
	if study.Optimizer.Kind.PriorBands() && study.Optimizer.Eta < 2 {
		return fmt.Errorf("eta is %d; PriorBand's weights need that of the fidelity, at least 2", study.Optimizer.Eta)
	}
	if study.Optimizer.Kind.Bracketed() && len(study.Brackets) == 0 {
		return fmt.Errorf("no bracket; the budget pays for none")
	}
	return nil
}

// trial makes the trial of configuration c, counted from the study's first, at
// a rung. Above the lowest rung that the configuration passes it continues the
// trial below.
func trial(study plan.Study, c, rung int, configuration keyed, parent string) Trial {
	return Trial{
		ID: id(study.Name, study.First+c, rung), Study: study.Name, Configuration: configuration.Configuration, Key: configuration.key,
		Rung: rung, Epochs: study.Rungs[rung].Epochs, Parent: parent,
	}
}

func id(study string, c, rung int) string { return fmt.Sprintf("%s-c%dr%d", study, c, rung) }

// Number is the index of the trial's configuration in its study; -1 for a trial
// of no search.
func (t Trial) Number() int {
	at := strings.LastIndex(t.ID, "-c")
	if at < 0 {
		return -1
	}
	configuration, rung, _ := strings.Cut(t.ID[at+2:], "r")
	n, err := strconv.ParseUint(configuration, 10, 31)
	if _, fault := strconv.ParseUint(rung, 10, 31); err != nil || fault != nil {
		return -1
	}
	return int(n)
}

// start returns the first n trials that have neither ended nor started.
func start(trials []Trial, ended map[string]Observation, running []Trial, n int) []Trial {
	busy := map[string]bool{}
	for _, t := range running {
		busy[t.ID] = true
	}
	var out []Trial
	for _, t := range trials {
		if _, over := ended[t.ID]; len(out) < n && !over && !busy[t.ID] {
			out = append(out, t)
		}
	}
	return out
}

// byID indexes the study's observations. A trial that failed and was repeated
// counts by its success.
func byID(study string, history []Observation) map[string]Observation {
	out := map[string]Observation{}
	for _, o := range history {
		if o.Study != study {
			continue
		}
		if old, ok := out[o.ID]; !ok || better(o, old) {
			out[o.ID] = o
		}
	}
	return out
}

// failed says whether o has no objective to compare by.
func failed(o Observation) bool {
	return o.Failed || len(o.Objectives) == 0 || math.IsNaN(o.Objectives[0]) || math.IsInf(o.Objectives[0], 0)
}

// rank orders observations best first: successes by the first objective, ties
// by validation loss, then by identifier; failures last.
func rank(a, b Observation) int {
	if fa, fb := failed(a), failed(b); fa || fb {
		if fa != fb {
			return cmp.Compare(truth(fa), truth(fb))
		}
		return compareIDs(a.ID, b.ID)
	}
	return cmp.Or(
		cmp.Compare(a.Objectives[0], b.Objectives[0]),
		cmp.Compare(lossOrWorst(a.TieBreak), lossOrWorst(b.TieBreak)),
		compareIDs(a.ID, b.ID),
	)
}

func better(a, b Observation) bool { return rank(a, b) < 0 }

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lossOrWorst orders a missing loss last.
func lossOrWorst(v float64) float64 {
	if math.IsNaN(v) {
		return math.Inf(1)
	}
	return v
}

// compareIDs puts c2r0 before c10r0.
func compareIDs(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// Incumbent returns the best observation of any fidelity, as Auto-nnU-Net's
// loss incumbent is; false where no trial succeeded. Ties go to the lower
// validation loss, then to the earlier configuration.
func Incumbent(history []Observation) (Observation, bool) {
	if len(history) == 0 {
		return Observation{}, false
	}
	best := slices.MinFunc(history, rank)
	return best, !failed(best)
}
