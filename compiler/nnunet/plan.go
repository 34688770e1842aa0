package nnunet

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"runspec/compiler/unet"
)

const (
	anisotropy     = 3.0  // spacing of one axis over the others' from which a case counts as anisotropic
	lowresShare    = 0.25 // smaller patches, as a share of the median case, ask for 3d_lowres
	lowresStep     = 1.03 // growth of 3d_lowres' spacing
	lowresGain     = 2.0  // 3d_lowres must shrink the median case by this
	maxFeatures2d  = 512
	minBatch       = 2
	referenceBatch = 2 // 3-D; 12 in 2-D
)

// Plan chooses the configurations of a data set as nnU-Net's experiment
// planners do (nnunetv2 2.8.1, default_experiment_planner and residual_unets;
// Isensee et al. 2021): 2d, and for volumes 3d_fullres; where its patch covers
// less than a quarter of the median case, 3d_lowres and 3d_cascade_fullres
// too. It reads nothing but its arguments.
func Plan(d Dataset, f Fingerprint, o Options) (Settings, error) {
	return plan(d, f, o, nil)
}

// estimated is told of every size estimate, for tests.
type estimated func(patch []float64, a unet.Architecture, size int64)

func plan(d Dataset, f Fingerprint, o Options, trace estimated) (Settings, error) {
	o, err := o.withDefaults()
	if err := errors.Join(err, d.Check(), f.Check()); err != nil {
		return Settings{}, fmt.Errorf("plan %s: %w", d.Name, err)
	}
	if len(f.Foreground) != len(d.Channels) {
		return Settings{}, fmt.Errorf("plan %s: the fingerprint has %d channels, dataset.json %d: extract the fingerprint again",
			d.Name, len(f.Foreground), len(d.Channels))
	}
	s := Settings{Planner: o.Planner}
	spacing := fullresSpacing(f, o)
	s.TransposeForward, s.TransposeBackward = transposition(spacing, o.SuppressTranspose)
	s.OriginalSpacing = permute(medians(f.Spacings), s.TransposeForward)
	for axis, length := range permute(medians(f.ShapesAfterCrop), s.TransposeForward) {
		s.OriginalShape[axis] = math.RoundToEven(length)
	}
	for c := range d.Channels {
		s.Foreground = append(s.Foreground, f.Foreground[strconv.Itoa(c)])
	}

	c := &configurer{Dataset: d, Options: o, planner: planners[o.Planner], fingerprint: f, trace: trace}
	target := permute(spacing, s.TransposeForward)
	median := permute(medians(resampledShapes(f, spacing)), s.TransposeForward)
	if s.Configurations, err = c.all(target[:], median[:]); err != nil {
		return Settings{}, fmt.Errorf("plan %s: %w", d.Name, err)
	}
	return s, nil
}

// fullresSpacing is the median spacing (z, y, x), but along a coarse axis of
// few voxels its 10th percentile.
func fullresSpacing(f Fingerprint, o Options) [3]float64 {
	if o.OverwriteSpacing != [3]float64{} {
		return o.OverwriteSpacing
	}
	var target, size [3]float64
	for axis := range target {
		target[axis] = axisPercentile(f.Spacings, axis, 50)
		size[axis] = axisPercentile(f.ShapesAfterCrop, axis, 50)
	}
	worst := argmax(target[:])
	a, b := (worst+1)%3, (worst+2)%3
	coarsest := max(target[a], target[b])
	if target[worst] > anisotropy*coarsest && size[worst]*anisotropy < min(size[a], size[b]) {
		target[worst] = axisPercentile(f.Spacings, worst, 10)
		if target[worst] < coarsest { // stays the coarsest, so that the axes keep their order
			target[worst] = coarsest + 1e-5
		}
	}
	return target
}

// transposition brings the coarsest axis to the front.
func transposition(spacing [3]float64, suppress bool) (forward, backward [3]int) {
	worst := argmax(spacing[:])
	if suppress {
		worst = 0
	}
	forward[0] = worst
	i := 1
	for axis := range 3 {
		if axis != worst {
			forward[i] = axis
			i++
		}
	}
	for i, axis := range forward {
		backward[axis] = i
	}
	return forward, backward
}

func permute(v [3]float64, order [3]int) (out [3]float64) {
	for i, axis := range order {
		out[i] = v[axis]
	}
	return out
}

// resampledShapes are the cases' shapes (z, y, x) at a spacing.
func resampledShapes(f Fingerprint, spacing [3]float64) [][3]int {
	out := make([][3]int, len(f.Spacings))
	for i, old := range f.Spacings {
		for axis := range old {
			out[i][axis] = round(old[axis] / spacing[axis] * float64(f.ShapesAfterCrop[i][axis]))
		}
	}
	return out
}

// normalisation chooses the scheme of a channel by its name, and whether it
// looks at the nonzero region only.
func normalisation(channel string, relativeSize float64) (scheme string, useMask bool) {
	switch strings.ToLower(channel) {
	case "ct":
		return "CTNormalization", false
	case "nonorm":
		return "NoNormalization", false
	case "rescale_to_0_1":
		return "RescaleTo01Normalization", false
	case "rgb_to_0_1":
		return "RGBTo01Normalization", false
	}
	return "ZScoreNormalization", relativeSize < 3.0/4
}
