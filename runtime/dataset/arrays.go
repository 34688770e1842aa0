package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/runtime/durable"
	"runspec/runtime/npy"
	"runspec/runtime/volume"
)

// arrayProperties are what nnU-Net keeps beside a preprocessed case, by its names.
type arrayProperties struct {
	SITK struct {
		Spacing   [3]float64 `json:"spacing"` // mm (x, y, z)
		Origin    [3]float64 `json:"origin"`  // mm, LPS+
		Direction [9]float64 `json:"direction"`
	} `json:"sitk_stuff"`
	Spacing         [3]float64            `json:"spacing"` // mm (z, y, x), as in the file
	ShapeBeforeCrop [3]int                `json:"shape_before_cropping"`
	Box             [3][2]int             `json:"bbox_used_for_cropping"`
	ShapeAfterCrop  [3]int                `json:"shape_after_cropping_and_before_resampling"`
	Locations       map[string][][4]int32 `json:"class_locations,omitempty"` // (0, z, y, x)
}

// WriteArrays writes a case into a folder: data.npy, float32 (C, Z, Y, X),
// properties.json as nnU-Net names them, and seg.npy, int16 (1, Z, Y, X), if the
// case has labels or their stand-in, the mask. Labels and regions have Dataset.Key among class_locations.
func (c *Case) WriteArrays(dir string, d nnunet.Dataset) error {
	fail := func(err error) error { return fmt.Errorf("write case %s: %w", c.ID, err) }
	text, err := json.MarshalIndent(c.arrayProperties(d), "", "    ")
	if err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fail(err)
	}
	shape := []int{c.Channels, c.Shape[0], c.Shape[1], c.Shape[2]}
	err = errors.Join(
		durable.Write(filepath.Join(dir, "data.npy"), npy.Encode(shape, c.Data)),
		durable.Write(filepath.Join(dir, "properties.json"), append(text, '\n')))
	if c.Seg != nil {
		shape[0] = 1
		err = errors.Join(err, durable.Write(filepath.Join(dir, "seg.npy"), npy.Encode(shape, c.Seg)))
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

func (c *Case) arrayProperties(d nnunet.Dataset) arrayProperties {
	p := arrayProperties{
		Spacing: c.Properties.Grid.Spacing, ShapeBeforeCrop: c.Properties.ShapeBeforeCrop,
		Box: c.Properties.Box, ShapeAfterCrop: c.Properties.ShapeAfterCrop,
	}
	p.SITK.Spacing, p.SITK.Origin, p.SITK.Direction = patientSpace(c.Properties.Grid)
	if c.Locations == nil {
		return p
	}
	p.Locations = map[string][][4]int32{}
	left := c.Locations
	write := func(key string, label int, values []int) {
		p.Locations[key] = [][4]int32{}
		if len(left) == 0 || int(left[0].Label) != label || !slices.Contains(values, int(c.Seg[left[0].Voxels[0]])) {
			return // it has no voxel
		}
		for _, v := range left[0].Voxels {
			plane, row := int32(c.Shape[1]*c.Shape[2]), int32(c.Shape[2])
			p.Locations[key] = append(p.Locations[key], [4]int32{0, v / plane, v / row % int32(c.Shape[1]), v % row})
		}
		left = left[1:]
	}
	annotated := []int{-1}
	for _, l := range d.Labels {
		annotated = append(annotated, l.Values...)
	}
	slices.Sort(annotated)
	annotated = slices.Compact(annotated)
	for _, l := range d.Foreground() {
		write(d.Key(l), l.Values[0], l.Values)
	}
	if d.Ignore != 0 {
		write(d.Key(nnunet.Label{Values: annotated}), AnyLabel, annotated)
	}
	return p
}

// patientSpace gives a grid as SimpleITK does: spacing (x, y, z) in mm, origin
// and row-major direction cosines with x and y towards left and posterior.
func patientSpace(g volume.Grid) (spacing, origin [3]float64, direction [9]float64) {
	spacing = [3]float64{g.Spacing[2], g.Spacing[1], g.Spacing[0]}
	for i, sign := range [3]float64{-1, -1, 1} {
		origin[i] = sign * g.Affine[i][3]
		for axis := range 3 {
			direction[3*i+axis] = sign * g.Affine[i][axis] / spacing[axis]
		}
	}
	return spacing, origin, direction
}
