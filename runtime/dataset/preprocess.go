package dataset

import (
	"fmt"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/runtime/volume"
)

// preprocessVersion changes whenever the same files and settings give another
// Case; it is part of the cache's key.
const preprocessVersion = "preprocess/v2"

// Preprocess reads a case and prepares it as nnU-Net's DefaultPreprocessor does:
// transpose, crop to nonzero, normalise, resample to the configuration's
// spacing (images with order 3, labels with order 1), and sample each foreground
// label's voxels. A case without labels (Label "") is prepared for prediction:
// Locations is nil, and so is Seg unless the mask is asked for (0 inside of it). An error names the file and the remedy.
func Preprocess(c RawCase, d nnunet.Dataset, s nnunet.Settings, conf nnunet.Configuration) (*Case, error) {
	image, labels, err := readCase(c, d)
	if err != nil {
		return nil, fmt.Errorf("preprocess case %s: %w", c.ID, err)
	}
	out, err := prepare(image, labels, c.Mask, d, s, conf)
	if err != nil {
		return nil, fmt.Errorf("preprocess case %s: %w", c.ID, err)
	}
	out.ID, out.Odd = c.ID, image.Odd
	return out, nil
}

// prepare is Preprocess of what has been read. It may overwrite image and labels.
func prepare(image *volume.Image, labels *volume.Labels, mask bool, d nnunet.Dataset, s nnunet.Settings, conf nnunet.Configuration) (*Case, error) {
	if len(conf.Normalisation) != image.Channels || len(conf.UseMask) != image.Channels {
		return nil, fmt.Errorf("the configuration %s normalises %d channels, the image has %d", conf.Name, len(conf.Normalisation), image.Channels)
	}
	p := Properties{Grid: image.Grid, TransposeForward: s.TransposeForward, TransposeBackward: s.TransposeBackward}
	p.SpacingTransposed = permute(image.Spacing, s.TransposeForward)
	target, err := targetSpacing(conf.Spacing, p.SpacingTransposed)
	if err != nil {
		return nil, err
	}
	turned := &volume.Image{Channels: image.Channels}
	turned.Data, turned.Shape = volume.Transpose(image.Data, image.Channels, image.Shape, s.TransposeForward)
	var seg *volume.Labels
	if labels != nil {
		seg = &volume.Labels{}
		seg.Data, seg.Shape = volume.Transpose(labels.Data, 1, labels.Shape, s.TransposeForward)
	}
	cropped, seg, box := volume.CropToNonzero(turned, seg)
	p.ShapeBeforeCrop, p.Box, p.ShapeAfterCrop = turned.Shape, box, cropped.Shape
	if err := normalise(cropped, seg, s.Foreground, conf); err != nil {
		return nil, err
	}
	shape := volume.ResampledShape(cropped.Shape, p.SpacingTransposed, target)
	out := &Case{Channels: image.Channels, Shape: shape, Spacing: target, Properties: p}
	out.Data = volume.ResampleData(cropped.Data, image.Channels, cropped.Shape, shape, p.SpacingTransposed, target, 3, 0)
	if labels != nil || mask {
		out.Seg = volume.ResampleSeg(seg.Data, cropped.Shape, shape, p.SpacingTransposed, target, 1, 0, volume.LargestShare)
	}
	if labels != nil {
		out.Locations = locate(out.Seg, d)
	}
	return out, nil
}

func permute(x [3]float64, order [3]int) [3]float64 {
	return [3]float64{x[order[0]], x[order[1]], x[order[2]]}
}

// targetSpacing is the configuration's; a 2-D one leaves axis 0 as it is.
func targetSpacing(spacing []float64, current [3]float64) ([3]float64, error) {
	target := current
	switch len(spacing) {
	case 3:
		copy(target[:], spacing)
	case 2:
		copy(target[1:], spacing)
	default:
		return target, fmt.Errorf("the configuration's spacing %v has neither 2 nor 3 axes", spacing)
	}
	for _, v := range target {
		if !(v > 0) {
			return target, fmt.Errorf("the target spacing %v mm (z, y, x) is not positive", target)
		}
	}
	return target, nil
}

// normalise applies each channel's scheme in place
// (nnunetv2.preprocessing.normalization). The mask is seg >= 0: what lies inside
// the nonzero region.
func normalise(image *volume.Image, seg *volume.Labels, foreground []nnunet.Intensity, conf nnunet.Configuration) error {
	n := image.Voxels()
	for c := range image.Channels {
		data := image.Data[c*n : (c+1)*n]
		switch scheme := conf.Normalisation[c]; scheme {
		case "ZScoreNormalization":
			var mask []bool
			if conf.UseMask[c] {
				mask = make([]bool, n)
				for i, v := range seg.Data {
					mask[i] = v >= 0
				}
			}
			volume.ZScore(data, mask)
		case "CTNormalization":
			if c >= len(foreground) {
				return fmt.Errorf("channel %d needs the fingerprint's intensities for %s, and the settings have none", c, scheme)
			}
			f := foreground[c]
			volume.CT(data, f.P005, f.P995, f.Mean, f.Std)
		case "RescaleTo01Normalization":
			volume.RescaleTo01(data)
		case "RGBTo01Normalization":
			if lo, hi := slices.Min(data), slices.Max(data); lo < 0 || hi > 255 {
				return fmt.Errorf("channel %d has values from %v to %v, but %s wants colours from 0 to 255: name the channel otherwise in dataset.json, and plan again", c, lo, hi, scheme)
			}
			volume.RGBTo01(data)
		case "NoNormalization":
		default:
			return fmt.Errorf("channel %d: there is no normalisation %q", c, scheme)
		}
	}
	return nil
}

// How many voxels of a label nnU-Net keeps for oversampling, and the state of
// the generator that chooses them (DefaultPreprocessor._sample_foreground_locations).
const (
	minLocations  = 10_000
	locationShare = 0.01
	locationSeed  = 1234
)

// AnyLabel is the Label of the Location that nnU-Net adds for data sets with an
// ignore label: all annotated voxels, of which samples that need not hold
// foreground are centred.
const AnyLabel = -1

// locate samples the voxels of each foreground label, or region, without
// replacement: max(min(10000, total), ceil(total/100)) of total. One generator
// serves all, in dataset.json's order. Labels without a voxel are left out.
func locate(seg []int16, d nnunet.Dataset) []Location {
	rng := NewLegacy(locationSeed)
	out := []Location{} // nil says that there were no labels
	sample := func(label int16, values []int) {
		all := voxelsOf(seg, values)
		if total := len(all); total > 0 {
			// ceil(0.01*total) as Python's float64 has it: 0.01*700 is above 7.
			share := locationShare * float64(total)
			n := int(share)
			if float64(n) < share {
				n++
			}
			chosen := rng.Choose(total, max(min(minLocations, total), n))
			voxels := make([]int32, len(chosen))
			for i, at := range chosen {
				voxels[i] = all[at]
			}
			out = append(out, Location{Label: label, Voxels: voxels})
		}
	}
	annotated := []int{-1}
	for _, l := range d.Labels {
		for _, v := range l.Values {
			if !slices.Contains(annotated, v) {
				annotated = append(annotated, v)
			}
		}
		if !slices.Contains(l.Values, 0) {
			sample(int16(l.Values[0]), l.Values)
		}
	}
	if d.Ignore != 0 {
		slices.Sort(annotated)
		sample(AnyLabel, annotated)
	}
	return out
}

// voxelsOf lists the voxels of one value after the other, each in C order, as
// nnU-Net numbers those of a region.
func voxelsOf(seg []int16, values []int) []int32 {
	var out []int32
	for _, value := range values {
		for i, v := range seg {
			if int(v) == value {
				out = append(out, int32(i))
			}
		}
	}
	return out
}
