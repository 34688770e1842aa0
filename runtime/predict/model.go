package predict

import (
	"context"
	"errors"

	"runspec/compiler/nnunet"
	"runspec/runtime/dataset"
	"runspec/runtime/volume"
)

// Model is one of nnU-Net's configurations as trained: what a case is prepared
// by, the networks that answer, and what their answer means.
type Model struct {
	Dataset       nnunet.Dataset
	Settings      nnunet.Settings // its axes and intensities count, not its list of configurations
	Configuration nnunet.Configuration
	Networks      []Network // of the folds; the mean of their logits counts
	Mirror        []int     // axes (0 z, 1 y, 2 x) that the trainings mirrored; none: no mirroring
	Step          float64   // as in Options
	Batch         int       // as in Options
}

// MirrorAxes are the axes that nnU-Net mirrors: all of a network's dimensions.
func MirrorAxes(dim int) []int { return []int{0, 1, 2}[3-dim:] }

// Prepare reads a case from its files and preprocesses it; labels are not
// looked at.
func (m Model) Prepare(c dataset.RawCase) (*dataset.Case, error) {
	c.Label = ""
	return dataset.Preprocess(c, m.Dataset, m.Settings, m.Configuration)
}

// Case predicts a preprocessed case: the mean of the networks' logits, summed in
// their order (nnU-Net's predict_logits_from_preprocessed_data).
func (m Model) Case(ctx context.Context, c *dataset.Case) (Logits, error) {
	o := Options{
		Patch: m.Configuration.Patch3(), Classes: m.Configuration.Architecture.Classes,
		Mirror: m.Mirror, Step: m.Step, Batch: m.Batch,
	}
	var sum Logits
	for i, n := range m.Networks {
		l, err := Case(ctx, n, c.Data, c.Channels, c.Shape, o)
		if err != nil {
			return Logits{}, err
		}
		if i == 0 {
			sum = l
			continue
		}
		for j, v := range l.Data {
			sum.Data[j] += v
		}
	}
	if len(m.Networks) == 0 {
		return Logits{}, errors.New("predict: the model has no network")
	}
	if n := float32(len(m.Networks)); n > 1 {
		for j := range sum.Data {
			sum.Data[j] /= n
		}
	}
	return sum, nil
}

// Labels predicts a case from its files: labels on the grid of its image.
func (m Model) Labels(ctx context.Context, c dataset.RawCase) (*volume.Labels, error) {
	l, prepared, err := m.logits(ctx, c)
	if err != nil {
		return nil, err
	}
	return Export(l, prepared.Spacing, prepared.Properties, m.Dataset)
}

// Probabilities predicts a case from its files: what each class or region is
// likely to be, on the grid of its image.
func (m Model) Probabilities(ctx context.Context, c dataset.RawCase) (Probabilities, error) {
	l, prepared, err := m.logits(ctx, c)
	if err != nil {
		return Probabilities{}, err
	}
	return ExportProbabilities(l, prepared.Spacing, prepared.Properties, m.Dataset)
}

func (m Model) logits(ctx context.Context, c dataset.RawCase) (Logits, *dataset.Case, error) {
	prepared, err := m.Prepare(c)
	if err != nil {
		return Logits{}, nil, err
	}
	l, err := m.Case(ctx, prepared)
	return l, prepared, err
}
