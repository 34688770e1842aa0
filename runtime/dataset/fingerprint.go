package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"runspec/compiler/nnunet"
	"runspec/runtime/volume"
)

// Samples that nnU-Net's fingerprint draws over all cases, and the state of the
// generator that each case starts with (nnunetv2 DatasetFingerprintExtractor).
const (
	fingerprintSamples = 100_000_000
	fingerprintSeed    = 1234
)

// FingerprintVersion changes whenever Extract gives another fingerprint for the
// same data, so that a kept one is not taken for it.
const FingerprintVersion = "v1"

// Extract is nnU-Net's dataset fingerprint of all labelled cases, in case order:
// spacings (mm) and shapes after cropping to nonzero (z, y, x, as in the file),
// the foreground's intensities per channel, and the median share that cropping
// leaves. The foreground is sampled with replacement as nnU-Net does, draw by
// draw, so the percentiles are its own; mean and standard deviation (ddof 0)
// are summed in float64, where its float32 deviates by up to 3e-5. Unlike
// nnU-Net this keeps how often each intensity was drawn, not the 10⁸ draws.
// The result does not depend on workers. progress may be nil.
func Extract(ctx context.Context, raw *Raw, workers int, progress func(done, total int)) (nnunet.Fingerprint, error) {
	fail := func(err error) (nnunet.Fingerprint, error) {
		return nnunet.Fingerprint{}, fmt.Errorf("fingerprint of %s: %w", raw.Dir, err)
	}
	if len(raw.Cases) == 0 {
		return fail(errors.New("it has no labelled case"))
	}
	facts := make([]caseFacts, len(raw.Cases))
	err := eachParallel(ctx, len(raw.Cases), workers, progress, func(i int) error {
		image, labels, err := readCase(raw.Cases[i], raw.Description)
		if err != nil {
			return fmt.Errorf("case %s: %w", raw.Cases[i].ID, err)
		}
		facts[i] = examine(image, labels, fingerprintSamples/len(raw.Cases))
		facts[i].odd = image.Odd
		return nil
	})
	if err != nil {
		return fail(err)
	}
	raw.warn(facts)
	f := nnunet.Fingerprint{Foreground: map[string]nnunet.Intensity{}}
	relative := make([]float64, len(facts))
	for i, c := range facts {
		f.Spacings = append(f.Spacings, c.spacing)
		f.ShapesAfterCrop = append(f.ShapesAfterCrop, c.shape)
		relative[i] = c.relative
	}
	f.MedianRelativeSize = median(relative)
	for c := range raw.Description.Channels {
		var all []drawn
		for i := range facts {
			all = append(all, facts[i].draws[c]...)
		}
		if len(all) == 0 {
			return fail(errors.New("no voxel of any case has a foreground label: correct the label files"))
		}
		f.Foreground[strconv.Itoa(c)] = describeDraws(merge(all))
	}
	return f, nil
}

// caseFacts is what one case gives to the fingerprint.
type caseFacts struct {
	spacing  [3]float64
	shape    [3]int
	relative float64   // voxels after cropping / before
	draws    [][]drawn // per channel, ascending values
	odd      []string
}

// warn tells of the first odd cases, and how many more there are.
func (raw *Raw) warn(facts []caseFacts) {
	const enough = 5
	told, more := 0, 0
	for i, c := range facts {
		switch {
		case len(c.odd) == 0 || raw.Warn == nil:
		case told == enough:
			more++
		default:
			told++
			raw.Warn("case " + raw.Cases[i].ID + ": " + c.odd[0])
		}
	}
	if more > 0 {
		raw.Warn(fmt.Sprintf("%d more cases are odd in such a way", more))
	}
}

// drawn is an intensity and how often it was drawn.
type drawn struct {
	value float32
	count uint32
}

// examine crops a case to nonzero and draws samples of its foreground.
func examine(image *volume.Image, labels *volume.Labels, samples int) caseFacts {
	box := volume.NonzeroBox(volume.NonzeroMask(image), image.Shape)
	c := caseFacts{spacing: image.Spacing, shape: box.Shape(), draws: make([][]drawn, image.Channels)}
	kept := c.shape[0] * c.shape[1] * c.shape[2]
	c.relative = float64(kept) / float64(image.Voxels())
	foreground := foregroundIn(labels, box)
	rng := NewLegacy(fingerprintSeed)
	counts := make([]uint32, len(foreground))
	for ch := range image.Channels {
		clear(counts)
		rng.Count(counts, samples)
		data := image.Data[ch*image.Voxels():]
		draws := make([]drawn, 0, len(counts))
		for i, n := range counts {
			if n > 0 {
				draws = append(draws, drawn{data[foreground[i]], n})
			}
		}
		c.draws[ch] = slices.Clip(merge(draws))
	}
	return c
}

// foregroundIn lists the voxels of any foreground label inside box, in C order.
func foregroundIn(labels *volume.Labels, box volume.Box) []int32 {
	var out []int32
	for z := box[0][0]; z < box[0][1]; z++ {
		for y := box[1][0]; y < box[1][1]; y++ {
			row := (z*labels.Shape[1] + y) * labels.Shape[2]
			for x := box[2][0]; x < box[2][1]; x++ {
				if labels.Data[row+x] > 0 {
					out = append(out, int32(row+x))
				}
			}
		}
	}
	return out
}

// merge sorts draws by value and adds up those of equal value, in place.
func merge(draws []drawn) []drawn {
	slices.SortFunc(draws, func(a, b drawn) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	n := 0
	for _, d := range draws {
		if n > 0 && draws[n-1].value == d.value {
			draws[n-1].count += d.count
			continue
		}
		draws[n] = d
		n++
	}
	return draws[:n]
}

// describeDraws gives the statistics of draws in ascending order.
func describeDraws(draws []drawn) nnunet.Intensity {
	total, sum := 0, 0.0
	for _, d := range draws {
		total += int(d.count)
		sum += float64(d.value) * float64(d.count)
	}
	mean, squares := sum/float64(total), 0.0
	for _, d := range draws {
		off := float64(d.value) - mean
		squares += off * off * float64(d.count)
	}
	return nnunet.Intensity{
		Max:    float64(draws[len(draws)-1].value),
		Mean:   mean,
		Median: percentile(draws, total, 50),
		Min:    float64(draws[0].value),
		P005:   percentile(draws, total, 0.5),
		P995:   percentile(draws, total, 99.5),
		Std:    math.Sqrt(squares / float64(total)),
	}
}

// percentile is numpy's linear one, q in percent, of total draws.
func percentile(draws []drawn, total int, q float64) float64 {
	at := q / 100 * float64(total-1)
	below := int(math.Floor(at))
	a, b, t := nth(draws, below), nth(draws, min(below+1, total-1)), at-math.Floor(at)
	if t >= 0.5 {
		return b - (b-a)*(1-t)
	}
	return a + (b-a)*t
}

// nth is the draw of rank n, from 0.
func nth(draws []drawn, n int) float64 {
	for _, d := range draws {
		if n -= int(d.count); n < 0 {
			return float64(d.value)
		}
	}
	return float64(draws[len(draws)-1].value)
}

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}
