package predict

import (
	"fmt"

	"runspec/compiler/nnunet"
	"runspec/runtime/dataset"
	"runspec/runtime/volume"
)

// Export turns logits into labels on the grid of the original file, as
// nnU-Net's convert_predicted_logits_to_segmentation does: the logits, not the
// labels, are resampled linearly to the cropped shape; then classes are decided;
// the rest reverses the preprocessing. spacing (mm, transposed axes) is that of
// the preprocessed case.
func Export(l Logits, spacing [3]float64, p dataset.Properties, d nnunet.Dataset) (*volume.Labels, error) {
	logits, err := l.resample(spacing, p)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	labels, err := decide(logits, l.K, d, 0)
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	whole := make([]int16, product(p.ShapeBeforeCrop))
	volume.Paste(whole, 1, p.ShapeBeforeCrop, p.Box, labels)
	data, shape := volume.Transpose(whole, 1, p.ShapeBeforeCrop, p.TransposeBackward)
	if shape != p.Grid.Shape {
		return nil, fmt.Errorf("export: the prediction has %v voxels, the file %v: they do not belong together", shape, p.Grid.Shape)
	}
	return &volume.Labels{Grid: p.Grid, Data: data}, nil
}

// resample brings logits to the grid of the crop, (K, Z, Y, X) of p.ShapeAfterCrop.
func (l Logits) resample(spacing [3]float64, p dataset.Properties) ([]float32, error) {
	if len(l.Data) != l.K*product(l.Shape) || volume.Box(p.Box).Shape() != p.ShapeAfterCrop {
		return nil, fmt.Errorf("%d logits for %d classes of %v voxels, in a box %v for a crop of %v: they do not belong together",
			len(l.Data), l.K, l.Shape, p.Box, p.ShapeAfterCrop)
	}
	return volume.ResampleData(l.Data, l.K, l.Shape, p.ShapeAfterCrop, spacing, p.SpacingTransposed, 1, 0), nil
}

// decide gives every voxel (Z, Y, X) its label from logits or probabilities
// (K, Z, Y, X): the largest, the lowest class on ties; or, for regions, those
// over half (0 of logits, 0.5 of probabilities), written in the data set's
// region order, later over earlier.
func decide(values []float32, k int, d nnunet.Dataset, half float32) ([]int16, error) {
	want, regions := d.Heads(), d.HasRegions()
	if k != want {
		return nil, fmt.Errorf("the network has %d outputs, data set %s needs %d", k, d.Name, want)
	}
	voxels := len(values) / k
	out := make([]int16, voxels)
	if !regions {
		argmax(out, values)
		return out, nil
	}
	if len(d.RegionOrder) != k {
		return nil, fmt.Errorf("data set %s has %d regions and a region order of %d; dataset.json's regions_class_order must list one label for each",
			d.Name, k, len(d.RegionOrder))
	}
	for c, label := range d.RegionOrder {
		for i, v := range values[c*voxels : (c+1)*voxels] {
			if v > half {
				out[i] = int16(label)
			}
		}
	}
	return out, nil
}

func argmax(out []int16, values []float32) {
	voxels := len(out)
	best := append([]float32(nil), values[:voxels]...)
	for c := 1; c < len(values)/voxels; c++ {
		for i, v := range values[c*voxels : (c+1)*voxels] {
			if v > best[i] {
				best[i], out[i] = v, int16(c)
			}
		}
	}
}
