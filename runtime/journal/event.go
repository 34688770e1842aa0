// Package journal is the append-only record of a study's trials. Its state is
// the replay of its lines: each is one event with its checksum, and is on disk
// before it counts. One process writes; anybody may read.
//
// It interprets nothing: which trial is next, or best, is for search and report.
package journal

import (
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
	"runspec/runtime/search"
)

// Version is the format of an Event.
const Version = "runspec/journal/v1"

// Kind says what happened.
type Kind string

// The kinds of event.
const (
	Start    Kind = "start"   // a trial began, or began again
	FoldDone Kind = "fold"    // one fold of a trial was trained and evaluated
	Result   Kind = "result"  // a trial ended well on all of its study's folds
	Failure  Kind = "failure" // a trial ended without a result
	Import   Kind = "import"  // another program's result was brought in
)

// Event is one line of the journal. A training under nnU-Net's defaults has
// Baseline set and Study empty; a trial of a search the other way round.
type Event struct {
	Version  string       `json:"version"`
	Sequence int          `json:"sequence"` // from 1, without gaps
	Time     time.Time    `json:"time"`     // for people; outside every equality
	Kind     Kind         `json:"kind"`
	Dataset  string       `json:"dataset,omitempty"`
	Study    string       `json:"study,omitempty"`
	Baseline string       `json:"baseline,omitempty"` // plan.Baseline's name
	Trial    search.Trial `json:"trial"`
	Fold     *plan.Fold   `json:"fold,omitempty"`     // start and fold events of one fold
	Result   *TrialResult `json:"result,omitempty"`   // result: of all folds; fold: of that fold alone
	Cause    string       `json:"cause,omitempty"`    // failure: why; start: of which failure it is the retry
	Imported *Imported    `json:"imported,omitempty"` // import: of what; Result has its folds
	Attempt  int          `json:"attempt,omitempty"`  // start and failure: how often the fold's training was begun, this time included
}

// Imported is a result that another program reached.
type Imported struct {
	Name   string `json:"name"`   // of its row
	Source string `json:"source"` // what it was read from
}

// Cost is what one training of one fold has spent so far, the rungs below
// included.
type Cost struct {
	Hours  evaluate.Score `json:"hours"` // measured wall time
	Epochs int            `json:"epochs"`
	FLOPs  float64        `json:"flops"` // by the network's count times iterations: reproducible
}

// TrialResult is what a trial yields.
type TrialResult struct {
	Objectives []evaluate.Score `json:"objectives"` // minimised: 1 - mean foreground Dice, training cost; means over folds
	TieBreak   evaluate.Score   `json:"tieBreak"`   // validation loss, mean over folds
	Cost       Cost             `json:"cost"`       // mean over folds
	Folds      []FoldResult     `json:"folds"`      // ascending
	Parameters int              `json:"parameters"` // learnable numbers of the network
	Features   int              `json:"features"`   // of the network's first stage
	Iterations int              `json:"iterations"` // training batches seen, the rungs below included
	Batch      int              `json:"batch"`
	Patch      [3]int           `json:"patch"` // voxels (z, y, x)
}

// FoldResult is what the training of one fold yields.
type FoldResult struct {
	Fold           plan.Fold                 `json:"fold"`
	Dice           map[string]evaluate.Score `json:"dice"`     // name of label or region to mean over the cases that have a score
	MeanDice       evaluate.Score            `json:"meanDice"` // over foreground labels
	Cases          []CaseResult              `json:"cases"`
	ValidationLoss evaluate.Score            `json:"validationLoss"`
	Cost           Cost                      `json:"cost"`
	CheckpointPath string                    `json:"checkpointPath"`    // relative to the run directory
	SummaryPath    string                    `json:"summaryPath"`       // nnU-Net's summary.json, relative to the run directory
	Devices        []string                  `json:"devices,omitempty"` // that trained it, first to last, with their precision, "cuda NVIDIA H200 bf16"; "": the processor; none: it alone
}

// Places are the fold's devices; the processor alone is "" too.
func (f FoldResult) Places() []string {
	if len(f.Devices) == 0 {
		return []string{""}
	}
	return f.Devices
}

// CaseResult is the Dice of one case.
type CaseResult struct {
	ID   string                    `json:"id"`
	Dice map[string]evaluate.Score `json:"dice"` // missing where neither reference nor prediction has the label
}
