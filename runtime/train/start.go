package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
)

// Identity names what a job trains, whatever its length and wherever it runs:
// two jobs of the same identity pass through the same states. A checkpoint
// bears it, so that one of another training is never taken over. What computes it
// is not part of it: a training that began on the processor may go on on a GPU.
func (j Job) Identity() string {
	j.Device, j.Executables, j.Code.Instructions, j.Code.Device = nil, "", "", ""
	j.Training.Precision = ""
	j.Name, j.Data, j.Cache, j.Directory, j.Parent = "", "", "", "", ""
	j.Epochs, j.Threads = 0, 0
	j.Training.ValidateWith, j.Training.Mirroring = "", false // after the training
	text, err := plan.Digest(j)
	if err != nil { // a job is plain data
		panic(err)
	}
	return text
}

// fresh is the progress of a training that has not begun.
func fresh() Progress {
	return Progress{EMA: evaluate.Missing(), Best: evaluate.Missing(), BestLoss: evaluate.Missing()}
}

// start restores the newest state there is: this job's, its parent's, or
// freshly drawn parameters. Where the parent's checkpoint is gone, or one is of
// another training, this one passes through the same states again.
func (t *trainer) start() error {
	found, err := t.resume(t.job.Directory)
	if err != nil || found {
		return err
	}
	if t.job.Parent != "" {
		if found, err = t.inherit(); err != nil || found {
			return err
		}
	}
	t.progress = fresh()
	s, err := Initialise(t.network, t.job.Seed)
	if err != nil {
		return err
	}
	return t.executor.Restore(s)
}

// resume restores the latest checkpoint of a folder, if it is of this training.
func (t *trainer) resume(dir string) (found bool, err error) {
	c, found, err := t.read(filepath.Join(dir, latestCheckpoint))
	if err != nil || !found || !c.followedBy(t.job.Code) || c.Progress.Epochs > t.job.Epochs {
		return false, err
	}
	if _, found, err := t.read(filepath.Join(dir, bestCheckpoint)); err != nil {
		return false, err
	} else if !found && c.Progress.Best.Known() {
		return false, fmt.Errorf("%s is gone, which the training that stands in %s needs; delete the folder, and the training is repeated", bestCheckpoint, dir)
	}
	t.progress = c.Progress
	return true, t.executor.Restore(c.State)
}

// read reads a checkpoint, if there is one of this training.
func (t *trainer) read(path string) (Checkpoint, bool, error) {
	c, err := ReadCheckpoint(path)
	if errors.Is(err, os.ErrNotExist) {
		return c, false, nil
	}
	return c, err == nil && c.Training == t.identity, err
}

// followedBy says whether a training may go on from the checkpoint under a code.
// On processors it must have the same bits as one that was never interrupted;
// one that a device has a part in makes no such promise.
func (c Checkpoint) followedBy(code Code) bool {
	return code.Device != "" || c.Kernels == code.Instructions || c.Progress.onDevice()
}

// onDevice says whether a device has trained some of the epochs.
func (p Progress) onDevice() bool {
	return slices.ContainsFunc(p.Curve, func(e Epoch) bool { return e.Device != "" })
}

// inherit goes on from the rung below: its best checkpoint stays the best
// until this training betters it.
func (t *trainer) inherit() (found bool, err error) {
	found, err = t.resume(t.job.Parent)
	if err != nil || !found || !t.progress.Best.Known() {
		return found, err
	}
	best, _, err := t.read(filepath.Join(t.job.Parent, bestCheckpoint))
	if err != nil {
		return false, err
	}
	return true, best.Write(filepath.Join(t.job.Directory, bestCheckpoint))
}
