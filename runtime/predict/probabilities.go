package predict

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/runtime/dataset"
	"runspec/runtime/volume"
)

// Probabilities are what a model, or several together, give each class or
// region, on the grid of the original file.
type Probabilities struct {
	Grid volume.Grid
	K    int
	Data []float32 // (K, Z, Y, X)
}

// ExportProbabilities is Export for probabilities: the resampled logits go
// through a softmax, or for regions each through a sigmoid; what lies outside
// the crop is background (nnU-Net's revert_cropping_on_probabilities).
func ExportProbabilities(l Logits, spacing [3]float64, p dataset.Properties, d nnunet.Dataset) (Probabilities, error) {
	logits, err := l.resample(spacing, p)
	if err != nil {
		return Probabilities{}, fmt.Errorf("export: %w", err)
	}
	values := slices.Clone(logits) // nothing may have had to be resampled
	whole := make([]float32, l.K*product(p.ShapeBeforeCrop))
	if d.HasRegions() {
		sigmoid(values)
	} else {
		softmax(values, l.K)
		for i := range product(p.ShapeBeforeCrop) {
			whole[i] = 1
		}
	}
	volume.Paste(whole, l.K, p.ShapeBeforeCrop, p.Box, values)
	data, shape := volume.Transpose(whole, l.K, p.ShapeBeforeCrop, p.TransposeBackward)
	if shape != p.Grid.Shape {
		return Probabilities{}, fmt.Errorf("export: the prediction has %v voxels, the file %v: they do not belong together", shape, p.Grid.Shape)
	}
	return Probabilities{Grid: p.Grid, K: l.K, Data: data}, nil
}

// Labels decides every voxel: the likeliest class, the lowest on ties; or the
// regions over one half, in the data set's region order.
func (p Probabilities) Labels(d nnunet.Dataset) (*volume.Labels, error) {
	if p.K < 1 || len(p.Data) != p.K*p.Grid.Voxels() {
		return nil, fmt.Errorf("%d probabilities for %d classes of %v voxels: they do not belong together", len(p.Data), p.K, p.Grid.Shape)
	}
	data, err := decide(p.Data, p.K, d, 0.5)
	if err != nil {
		return nil, err
	}
	return &volume.Labels{Grid: p.Grid, Data: data}, nil
}

// Average is the mean of several models' probabilities of one case, summed in
// their order in single precision (nnU-Net's average_probabilities).
func Average(all []Probabilities) (Probabilities, error) {
	if len(all) == 0 {
		return Probabilities{}, errors.New("average of no probabilities")
	}
	out := all[0]
	out.Data = make([]float32, len(all[0].Data))
	for i, p := range all {
		if p.K != out.K || p.Grid.Shape != out.Grid.Shape || len(p.Data) != len(out.Data) {
			return Probabilities{}, fmt.Errorf("the probabilities differ in size: the first have %d classes of %v voxels (z, y, x), number %d has %d of %v",
				out.K, out.Grid.Shape, i+1, p.K, p.Grid.Shape)
		}
		for j, v := range p.Data {
			out.Data[j] += v
		}
	}
	for j := range out.Data {
		out.Data[j] /= float32(len(all))
	}
	return out, nil
}

// softmax turns logits (K, voxels) into probabilities, in place.
func softmax(logits []float32, k int) {
	voxels := len(logits) / k
	for i := range voxels {
		highest := logits[i]
		for c := 1; c < k; c++ {
			highest = max(highest, logits[c*voxels+i])
		}
		sum := 0.0
		for c := range k {
			sum += math.Exp(float64(logits[c*voxels+i] - highest))
		}
		for c := range k {
			logits[c*voxels+i] = float32(math.Exp(float64(logits[c*voxels+i]-highest)) / sum)
		}
	}
}

// sigmoid turns logits into probabilities, in place.
func sigmoid(logits []float32) {
	for i, v := range logits {
		logits[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
}
