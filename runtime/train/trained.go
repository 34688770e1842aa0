package train

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"runspec/runtime/engine"
	"runspec/runtime/predict"
)

// Trained is a training that has ended: what it was of, and its weights.
type Trained struct {
	Job    Job
	State  engine.State
	Mirror []int // axes (0 z, 1 y, 2 x) over which it predicts
}

// jobFile is the name of a job's file in its directory.
const jobFile = "job.json"

// ReadTrained reads the training in a fold's directory with the weights of a
// checkpoint: "final", "best", or "" for those that its validation chose.
func ReadTrained(dir, checkpoint string) (Trained, error) {
	job, err := ReadJob(filepath.Join(dir, jobFile))
	if errors.Is(err, os.ErrNotExist) {
		return Trained{}, fmt.Errorf("%s holds no training: there is no %s", dir, jobFile)
	}
	if err != nil {
		return Trained{}, err
	}
	p, err := ReadProgress(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Trained{}, err
	}
	if p.Epochs < job.Epochs {
		return Trained{}, fmt.Errorf("%s: %d of %d epochs are trained; let the run end first", dir, p.Epochs, job.Epochs)
	}
	if checkpoint == "" {
		checkpoint = job.Training.ValidateWith
		if !p.Best.Known() {
			checkpoint = "final"
		}
	}
	name, ok := map[string]string{"final": latestCheckpoint, "best": bestCheckpoint}[checkpoint]
	if !ok {
		return Trained{}, fmt.Errorf("there is no checkpoint %q: choose final or best", checkpoint)
	}
	c, err := ReadCheckpoint(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) && checkpoint == "best" {
		return Trained{}, fmt.Errorf("%s has no best checkpoint; choose the final one", dir)
	}
	return Trained{job, c.State, job.mirror()}, err
}

// NewModel makes a model of one configuration's trainings on several folds. The first
// one's mirroring is that of all, as nnU-Net has it.
// Close frees its networks.
func NewModel(folds []Trained, at Place) (m predict.Model, close func(), err error) {
	if len(folds) == 0 {
		return m, nil, errors.New("a model of no training")
	}
	job := folds[0].Job
	m = predict.Model{Dataset: job.Description, Settings: job.Settings, Configuration: job.Configuration, Mirror: folds[0].Mirror}
	var executors []engine.Executor
	close = func() {
		for _, e := range executors {
			e.Close()
		}
	}
	for _, f := range folds {
		if !reflect.DeepEqual(f.Job.Configuration, job.Configuration) {
			close()
			return m, nil, fmt.Errorf("%s and %s are of different networks; their logits can't be averaged", job.Name, f.Job.Name)
		}
		e, err := NewPredictor(f.Job.Configuration, f.State, at)
		if err != nil {
			close()
			return m, nil, fmt.Errorf("%s: %w", f.Job.Name, err)
		}
		executors, m.Networks = append(executors, e), append(m.Networks, e)
	}
	return m, close, nil
}

// mirror are the axes over which the job's network predicts: a network that saw
// no mirrored patch is asked about none.
func (j Job) mirror() []int {
	if !j.Training.Mirroring || j.Training.Augmentation == "none" {
		return nil
	}
	return predict.MirrorAxes(j.Configuration.Architecture.Dim)
}
