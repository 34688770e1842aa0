package dataset

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"runspec/compiler/nnunet"
	"runspec/runtime/volume"
)

// readCase reads a case's image, and its labels unless there are none to read
// (then nil), and checks them against each other and dataset.json.
func readCase(c RawCase, d nnunet.Dataset) (*volume.Image, *volume.Labels, error) {
	image, err := volume.ReadImages(c.Images)
	if err != nil {
		return nil, nil, err
	}
	if image.Channels != len(d.Channels) {
		return nil, nil, fmt.Errorf("%s has %d channels, but dataset.json names %d (%q): correct the image or dataset.json",
			c.Images[0], image.Channels, len(d.Channels), d.Channels)
	}
	if !slices.ContainsFunc(image.Data, func(v float32) bool { return v != 0 }) {
		return nil, nil, fmt.Errorf("%s is 0 everywhere, so there is nothing to crop to: restore the file, or remove the case", c.Images[0])
	}
	if c.Label == "" {
		return image, nil, nil
	}
	labels, err := volume.ReadLabels(c.Label)
	if err != nil {
		return nil, nil, err
	}
	if labels.Shape != image.Shape {
		return nil, nil, fmt.Errorf("%s has %v voxels (z, y, x), but its image %s has %v: resample the labels onto the image, or restore the file",
			c.Label, labels.Shape, c.Images[0], image.Shape)
	}
	if err := volume.Agree(image.Grid, labels.Grid); err != nil {
		return nil, nil, fmt.Errorf("%s and its image %s %w: resample the labels onto the image, or correct the header", c.Label, c.Images[0], err)
	}
	if err := volume.Aligned(image.Grid, labels.Grid); err != nil {
		image.Odd = append(image.Odd, fmt.Sprintf("%s and its image %s %v", c.Label, c.Images[0], err))
	}
	if err := checkValues(c, labels, d); err != nil {
		return nil, nil, err
	}
	return image, labels, nil
}

// checkValues refuses a label that dataset.json does not know.
func checkValues(c RawCase, labels *volume.Labels, d nnunet.Dataset) error {
	known := map[int16]bool{0: true}
	values := []int{0}
	add := func(v int) {
		if !known[int16(v)] {
			known[int16(v)] = true
			values = append(values, v)
		}
	}
	for _, l := range d.Labels {
		for _, v := range l.Values {
			add(v)
		}
	}
	if d.Ignore != 0 {
		add(d.Ignore)
	}
	last := int16(0)
	for i, v := range labels.Data {
		if v == last || known[v] {
			last = v
			continue
		}
		z, y, x := i/(labels.Shape[1]*labels.Shape[2]), i/labels.Shape[2]%labels.Shape[1], i%labels.Shape[2]
		slices.Sort(values)
		return fmt.Errorf("%s has label %d at voxel (z %d, y %d, x %d), but dataset.json knows only %v: add the label to dataset.json, or correct the file",
			c.Label, v, z, y, x, values)
	}
	return nil
}

// eachParallel calls do(0) … do(n−1) in up to workers goroutines and stops at the
// first error. progress, which may be nil, is called after each, one call at a
// time.
func eachParallel(ctx context.Context, n, workers int, progress func(done, total int), do func(i int) error) error {
	var mu sync.Mutex
	done := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, workers))
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := do(i); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if done++; progress != nil {
				progress(done, n)
			}
			return nil
		})
	}
	return group.Wait()
}
