package nnunet

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// ReadFingerprint reads nnU-Net's dataset_fingerprint.json. The error does not
// name the file; the caller knows it.
func ReadFingerprint(text []byte) (Fingerprint, error) {
	var f Fingerprint
	if err := json.Unmarshal(text, &f); err != nil {
		return Fingerprint{}, fmt.Errorf("dataset_fingerprint.json: %w", err)
	}
	if err := f.Check(); err != nil {
		return Fingerprint{}, fmt.Errorf("dataset_fingerprint.json: %w", err)
	}
	return f, nil
}

// WriteFingerprint gives the text of nnU-Net's dataset_fingerprint.json: the
// same bytes for the same fingerprint.
func WriteFingerprint(f Fingerprint) ([]byte, error) {
	if err := f.Check(); err != nil {
		return nil, fmt.Errorf("dataset_fingerprint.json: %w", err)
	}
	text, err := json.MarshalIndent(f, "", "    ")
	if err != nil {
		return nil, fmt.Errorf("dataset_fingerprint.json: %w", err)
	}
	return append(text, '\n'), nil
}

// Check says what makes f unusable for planning, or nil.
func (f Fingerprint) Check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(f.Spacings) == 0 {
		fail("no cases")
	}
	if len(f.Spacings) != len(f.ShapesAfterCrop) {
		fail("%d spacings but %d shapes_after_crop: one of each per case is needed", len(f.Spacings), len(f.ShapesAfterCrop))
	}
	for i, s := range f.Spacings {
		if !(min(s[0], s[1], s[2]) > 0) || math.IsInf(s[0]+s[1]+s[2], 0) { // also catches NaN
			fail("case %d has spacing %v: lengths must be positive millimetres", i, s)
		}
	}
	for i, s := range f.ShapesAfterCrop {
		if min(s[0], s[1], s[2]) < 1 {
			fail("case %d has shape %v after cropping: every axis needs a voxel", i, s)
		}
	}
	for c := range len(f.Foreground) {
		in, ok := f.Foreground[strconv.Itoa(c)]
		if !ok {
			fail("foreground_intensity_properties_per_channel has %d channels but no %q", len(f.Foreground), strconv.Itoa(c))
			continue
		}
		for _, v := range []float64{in.Max, in.Mean, in.Median, in.Min, in.P005, in.P995, in.Std} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				fail("channel %d has a foreground intensity of %v: no case has a foreground voxel, or an image holds NaN", c, v)
				break
			}
		}
	}
	if !(f.MedianRelativeSize > 0 && f.MedianRelativeSize <= 1) {
		fail("median_relative_size_after_cropping is %v: it lies in (0, 1]", f.MedianRelativeSize)
	}
	return errors.Join(errs...)
}
