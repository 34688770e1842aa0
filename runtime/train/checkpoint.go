package train

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"runspec/runtime/durable"
	"runspec/runtime/engine"
	"runspec/runtime/evaluate"
)

// Progress is what a training has been through: with an engine.State it is all
// that is needed to go on.
type Progress struct {
	Epochs    int            `json:"epochs"`    // completed
	EMA       evaluate.Score `json:"ema"`       // of the mean pseudo-Dice
	Best      evaluate.Score `json:"best"`      // greatest EMA so far
	BestEpoch int            `json:"bestEpoch"` // completed epochs at the greatest EMA
	BestLoss  evaluate.Score `json:"bestLoss"`  // validation loss of that epoch
	Seconds   float64        `json:"seconds"`   // measured, of all epochs
	Curve     []Epoch        `json:"curve"`
}

// Epoch is one point of the learning curve.
type Epoch struct {
	Epoch          int              `json:"epoch"` // from 0
	Rate           float64          `json:"rate"`
	TrainLoss      evaluate.Score   `json:"trainLoss"`      // mean over iterations
	ValidationLoss evaluate.Score   `json:"validationLoss"` // mean over validation iterations
	Dice           []evaluate.Score `json:"dice"`           // pseudo-Dice per foreground class
	EMA            evaluate.Score   `json:"ema"`
	Seconds        float64          `json:"seconds"`          // measured
	Device         string           `json:"device,omitempty"` // that it was trained on, as Code names it; "": the processor
}

// Names of the checkpoints of a fold; nnU-Net's, with our file format.
const (
	latestCheckpoint = "checkpoint_latest.safetensors"
	bestCheckpoint   = "checkpoint_best.safetensors"
)

// Checkpoint is a training between two epochs.
type Checkpoint struct {
	State    engine.State
	Progress Progress
	Training string // the identity of the job that it is of
	Kernels  string // instructions that the processor's epochs were computed by
}

// encode writes parameters under PyTorch's names, buffers under "buffer/…",
// optimiser slots under "slot/SLOT/…", the rest as metadata.
func (c Checkpoint) encode() ([]byte, error) {
	tensors := map[string]engine.Tensor{}
	for name, t := range c.State.Parameters {
		tensors[name] = t
	}
	for name, t := range c.State.Buffers {
		tensors["buffer/"+name] = t
	}
	for slot, set := range c.State.Slots {
		for name, t := range set {
			tensors["slot/"+slot+"/"+name] = t
		}
	}
	text, err := json.Marshal(c.Progress)
	if err != nil {
		return nil, err
	}
	return EncodeTensors(tensors, map[string]string{
		"format": "runspec/checkpoint/v1", "steps": strconv.Itoa(c.State.Steps), "progress": string(text), "training": c.Training, "kernels": c.Kernels,
	})
}

// Write writes the checkpoint to each path, whole or not at all.
func (c Checkpoint) Write(paths ...string) error {
	text, err := c.encode()
	for _, path := range paths {
		if err == nil {
			err = durable.Write(path, text)
		}
	}
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

// ReadCheckpoint reads a checkpoint of a training.
func ReadCheckpoint(path string) (Checkpoint, error) {
	tensors, metadata, err := readTensors(path)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	var p Progress
	if err := json.Unmarshal([]byte(metadata["progress"]), &p); err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %s: progress: %w", path, err)
	}
	s := engine.State{Parameters: map[string]engine.Tensor{}, Buffers: map[string]engine.Tensor{}, Slots: map[string]map[string]engine.Tensor{}}
	if s.Steps, err = strconv.Atoi(metadata["steps"]); err != nil {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %s: steps: %w", path, err)
	}
	for name, t := range tensors {
		if rest, ok := strings.CutPrefix(name, "buffer/"); ok {
			s.Buffers[rest] = t
		} else if rest, ok := strings.CutPrefix(name, "slot/"); ok {
			slot, parameter, _ := strings.Cut(rest, "/")
			if s.Slots[slot] == nil {
				s.Slots[slot] = map[string]engine.Tensor{}
			}
			s.Slots[slot][parameter] = t
		} else {
			s.Parameters[name] = t
		}
	}
	return Checkpoint{s, p, metadata["training"], metadata["kernels"]}, nil
}
