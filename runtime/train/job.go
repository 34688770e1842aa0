package train

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/compiler/unet"
	"runspec/runtime/accelerator"
	"runspec/runtime/durable"
	"runspec/runtime/evaluate"
)

// Job is one training on one fold, frozen: a worker needs nothing else but the
// files it names. The same job gives the same result, measured time aside.
type Job struct {
	Version       string               `json:"version"`
	Name          string               `json:"name"` // for people: "Dataset004_Hippocampus hpo-c3r1 fold 0"
	Fold          plan.Fold            `json:"fold"`
	Data          string               `json:"data"`             // folder of the raw data set
	Cache         string               `json:"cache"`            // folder of preprocessed cases
	Directory     string               `json:"directory"`        // of this fold's checkpoints and summary
	Parent        string               `json:"parent,omitempty"` // the same fold's directory at the rung below
	Description   nnunet.Dataset       `json:"description"`
	Settings      nnunet.Settings      `json:"settings"`
	Configuration nnunet.Configuration `json:"configuration"`         // batch and features as trained
	Training      plan.Training        `json:"training"`              // hyperparameters as trained
	Epochs        int                  `json:"epochs"`                // in all, those of the parent included
	Horizon       int                  `json:"horizon"`               // length of the learning-rate schedule, epochs
	Seed          uint64               `json:"seed"`                  // of initialisation and batches; the same at every rung
	Threads       int                  `json:"threads"`               // changes no result
	Device        *accelerator.Device  `json:"device,omitempty"`      // nil: the processor
	Executables   string               `json:"executables,omitempty"` // folder of the device's compiled programs
	Digest        string               `json:"digest"`                // of the data set's files; "": not known
	Code          Code                 `json:"code"`                  // that the result is to be computed by
}

// JobVersion is the format of a Job.
const JobVersion = "runspec/job/v1"

// Result is what a job gives.
type Result struct {
	Labels         []string         `json:"labels"` // foreground, in the order of Dice
	Dice           []evaluate.Score `json:"dice"`   // mean over the fold's validation cases, by label
	MeanDice       evaluate.Score   `json:"meanDice"`
	Cases          []CaseScore      `json:"cases"`
	ValidationLoss evaluate.Score   `json:"validationLoss"` // on patches, of the validated weights' epoch
	Epochs         int              `json:"epochs"`
	Iterations     int              `json:"iterations"` // per epoch
	Batch          int              `json:"batch"`
	ValidatedEpoch int              `json:"validatedEpoch"` // completed epochs of the validated weights
	Parameters     int64            `json:"parameters"`
	FLOPs          float64          `json:"flops"`   // of all training iterations
	Seconds        float64          `json:"seconds"` // measured, of all epochs
	Curve          []Epoch          `json:"curve"`
	Checkpoint     string           `json:"checkpoint"`
	Summary        string           `json:"summary"` // nnU-Net's summary.json
}

// By says whether all of the training was done by a code's device, and none on
// another before it was taken up again.
func (r Result) By(c Code) bool {
	return !slices.ContainsFunc(r.Curve, func(e Epoch) bool { return e.Device != c.Device })
}

// CaseScore is the Dice of one case by label, missing where a label occurs
// neither in the reference nor in the prediction.
type CaseScore struct {
	ID   string           `json:"id"`
	Dice []evaluate.Score `json:"dice"`
}

// Overlay replaces the hyperparameters that a configuration names; those of the
// network are in the job's nnunet.Configuration (plan.Training.SettingsFor).
func Overlay(h plan.Hyperparameters, c space.Configuration) (plan.Hyperparameters, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return h, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return h, err
	}
	for name, v := range c {
		if plan.ShapesNetwork(name) {
			continue
		}
		if _, known := fields[name]; !known {
			return h, fmt.Errorf("parameter %q is no hyperparameter of a training; there are %s", name, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if fields[name], err = json.Marshal(v); err != nil {
			return h, err
		}
	}
	if text, err = json.Marshal(fields); err != nil {
		return h, err
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fmt.Errorf("configuration %v: %w", c, err)
	}
	return h, nil
}

// Cost gives the floating-point operations of a whole training: forward and
// backward of every iteration, three forward passes each.
func Cost(n unet.Network, c nnunet.Configuration, iterations int) (float64, error) {
	forward, err := n.FLOPs(c.Patch3(), c.Batch)
	return 3 * float64(forward) * float64(iterations), err
}

// Write writes the job, whole or not at all.
func (j Job) Write(path string) error { return writeJSON(path, j) }

// ReadJob reads a job.
func ReadJob(path string) (Job, error) {
	var j Job
	if err := readJSON(path, &j); err != nil {
		return j, err
	}
	if j.Version != JobVersion {
		return j, fmt.Errorf("%s is of format %q; this program runs %q", path, j.Version, JobVersion)
	}
	return j, nil
}

// Write writes the result, whole or not at all.
func (r Result) Write(path string) error { return writeJSON(path, r) }

// ReadResult reads a result.
func ReadResult(path string) (Result, error) {
	var r Result
	return r, readJSON(path, &r)
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := durable.Write(path, append(b, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
