package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"runspec/runtime/dataset"
	"runspec/runtime/evaluate"
	"runspec/runtime/predict"
	"runspec/runtime/volume"
)

// validate predicts every validation case with the weights that the training
// settings ask for and compares with the reference on the original grid.
func (t *trainer) validate(ctx context.Context, data Data) (Result, error) {
	r := Result{
		Epochs:         t.progress.Epochs,
		Iterations:     t.job.Training.Iterations,
		Batch:          t.job.Configuration.Batch,
		ValidatedEpoch: t.progress.Epochs,
		Parameters:     t.network.ParameterCount(),
		Seconds:        t.progress.Seconds,
		Curve:          t.progress.Curve,
		Checkpoint:     filepath.Join(t.job.Directory, latestCheckpoint),
		Summary:        filepath.Join(t.job.Directory, "validation", "summary.json"),
	}
	for _, l := range t.job.Description.Foreground() {
		r.Labels = append(r.Labels, l.Name)
	}
	var err error
	if r.FLOPs, err = Cost(t.network, t.job.Configuration, r.Epochs*r.Iterations); err != nil {
		return r, err
	}
	if n := len(r.Curve); n > 0 {
		r.ValidationLoss = r.Curve[n-1].ValidationLoss
	}
	if err := t.chooseWeights(&r); err != nil {
		return r, err
	}
	var cases []evaluate.CaseMetrics
	for _, c := range data.Validation {
		m, err := t.validateCase(ctx, c, data.Raw[c.ID])
		if err != nil {
			return r, fmt.Errorf("validate case %s: %w", c.ID, err)
		}
		cases = append(cases, m)
		score := CaseScore{ID: c.ID}
		for _, l := range m.Labels {
			score.Dice = append(score.Dice, evaluate.Score(l.Dice))
		}
		r.Cases = append(r.Cases, score)
	}
	err = summarise(&r, cases)
	return r, err
}

// chooseWeights restores the best checkpoint where the settings ask for it.
// There is none where no validation patch has ever shown a foreground class.
func (t *trainer) chooseWeights(r *Result) error {
	if t.job.Training.ValidateWith != "best" || !t.progress.Best.Known() {
		return nil
	}
	path := filepath.Join(t.job.Directory, bestCheckpoint)
	c, found, err := t.read(path)
	if err == nil && !found {
		err = fmt.Errorf("%s is gone; delete the folder, and the training is repeated", path)
	}
	if err != nil {
		return err
	}
	r.Checkpoint, r.ValidatedEpoch, r.ValidationLoss = path, c.Progress.BestEpoch, c.Progress.BestLoss
	return t.executor.Restore(c.State)
}

// validateCase predicts one case, writes the segmentation and compares it.
func (t *trainer) validateCase(ctx context.Context, c *dataset.Case, raw dataset.RawCase) (evaluate.CaseMetrics, error) {
	m := predict.Model{
		Dataset: t.job.Description, Settings: t.job.Settings, Configuration: t.job.Configuration,
		Networks: []predict.Network{t.executor}, Mirror: t.job.mirror(),
	}
	logits, err := m.Case(ctx, c)
	if errors.Is(err, predict.ErrNotFinite) {
		err = fmt.Errorf("%w (%w)", ErrDiverged, err)
	}
	if err != nil {
		return evaluate.CaseMetrics{}, err
	}
	labels, err := predict.Export(logits, c.Spacing, c.Properties, t.job.Description)
	if err != nil {
		return evaluate.CaseMetrics{}, err
	}
	path := filepath.Join(t.job.Directory, "validation", c.ID+".nii.gz")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return evaluate.CaseMetrics{}, err
	}
	if err := volume.WriteLabels(path, labels); err != nil {
		return evaluate.CaseMetrics{}, err
	}
	reference, err := volume.ReadLabels(raw.Label)
	if err != nil {
		return evaluate.CaseMetrics{}, err
	}
	metrics, err := evaluate.CompareVolumes(*reference, *labels, t.job.Description.Labels, t.job.Description.Ignore)
	metrics.Reference, metrics.Prediction = raw.Label, path
	return metrics, err
}

// summarise writes nnU-Net's summary.json and fills in the means.
func summarise(r *Result, cases []evaluate.CaseMetrics) error {
	s := evaluate.Summarise(cases)
	if err := os.MkdirAll(filepath.Dir(r.Summary), 0o755); err != nil {
		return err
	}
	if err := s.Write(r.Summary); err != nil {
		return err
	}
	r.MeanDice = evaluate.Score(s.ForegroundMean.Dice)
	for _, m := range s.Mean {
		r.Dice = append(r.Dice, evaluate.Score(m.Dice))
	}
	return nil
}
