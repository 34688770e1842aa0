package exchange

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/runtime/engine"
	"runspec/runtime/train"
)

// FromTrial makes a model of a trial's trainings, given the folders of its folds:
// nnU-Net's data set name is dataset ("Dataset004_Hippocampus"). checkpoint is
// Final, Best, or "" for the one that was validated. The trainings tell nnU-Net how
// far they are; they go with WriteModel.
func FromTrial(dataset string, folders []string, checkpoint string) (Model, []Training, error) {
	var m Model
	var trainings []Training
	for _, dir := range folders {
		job, err := train.ReadJob(filepath.Join(dir, "job.json"))
		if err != nil {
			return m, nil, err
		}
		if len(m.Folds) == 0 {
			m.Dataset, m.Configuration, m.Trainer = job.Description, job.Configuration, "nnUNetTrainer"
			m.Plans = nnunet.Plans{DatasetName: dataset, Settings: job.Settings}
		}
		f, t, err := fromFold(dir, job, checkpoint)
		if err != nil {
			return m, nil, fmt.Errorf("%s: %w", dir, err)
		}
		m.Folds, trainings = append(m.Folds, f), append(trainings, t)
	}
	return m, trainings, nil
}

// fromFold reads one fold's checkpoint.
func fromFold(dir string, job train.Job, checkpoint string) (Fold, Training, error) {
	if checkpoint == "" {
		checkpoint = job.Training.ValidateWith
	}
	names := map[string]string{Final: "checkpoint_latest.safetensors", Best: "checkpoint_best.safetensors"}
	name, ok := names[checkpoint]
	if !ok {
		return Fold{}, Training{}, fmt.Errorf("there is no checkpoint %q: choose final or best", checkpoint)
	}
	path := filepath.Join(dir, name)
	c, err := train.ReadCheckpoint(path)
	if errors.Is(err, os.ErrNotExist) {
		return Fold{}, Training{}, fmt.Errorf("%s is not there: the training has not ended an epoch yet, or the other checkpoint is meant (--checkpoint)", name)
	}
	if err != nil {
		return Fold{}, Training{}, err
	}
	f := Fold{
		Name: job.Fold.String(), Parameters: c.State.Parameters, Buffers: c.State.Buffers,
		Epochs: c.Progress.Epochs, Checkpoint: path,
	}
	if job.Training.Mirroring && job.Training.Augmentation != "none" {
		f.MirrorAxes = []int{0, 1, 2}[3-job.Configuration.Architecture.Dim:]
	}
	if summary := filepath.Join(dir, "validation", "summary.json"); exists(summary) {
		f.Summary = summary
	}
	return f, trainingOf(job, c), nil
}

// trainingOf is what nnU-Net would like to know of a training to go on with it.
func trainingOf(job train.Job, c train.Checkpoint) Training {
	h := job.Training.Hyperparameters
	t := Training{InitialRate: h.InitialLR, Rate: h.InitialLR, WeightDecay: h.WeightDecay, MomentumRate: h.Momentum}
	if c.Progress.Best.Known() {
		t.Best = float64(c.Progress.Best)
	}
	if h.Optimizer == string(engine.SGD) {
		t.Momentum = c.State.Slots["momentum"]
	}
	for _, e := range c.Progress.Curve {
		p := Point{TrainLoss: float64(e.TrainLoss), ValidationLoss: float64(e.ValidationLoss), Rate: e.Rate, EMA: float64(e.EMA), Seconds: e.Seconds}
		for _, d := range e.Dice {
			p.Dice = append(p.Dice, float64(d))
		}
		t.Curve, t.Rate = append(t.Curve, p), e.Rate
	}
	return t
}

// Trained makes trainings of the model's folds, for a predictor: of the jobs that
// would have trained such networks.
func (m Model) Trained() ([]train.Trained, error) {
	var out []train.Trained
	for _, f := range m.Folds {
		j := train.Job{Version: train.JobVersion, Name: "fold " + f.Name, Description: m.Dataset, Settings: m.Plans.Settings, Configuration: m.Configuration}
		var err error
		if j.Fold, err = plan.ParseFold(f.Name); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Checkpoint, err)
		}
		out = append(out, train.Trained{Job: j, State: engine.State{Parameters: f.Parameters, Buffers: f.Buffers}, Mirror: f.MirrorAxes})
	}
	return out, nil
}

// FoldNames are the folds that a model has.
func (m Model) FoldNames() []string {
	var out []string
	for _, f := range m.Folds {
		out = append(out, f.Name)
	}
	return slices.Clip(out)
}
