package dataset

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runspec/runtime/volume"
)

// TestOdd: labels and channels that agree in voxels and lie elsewhere in space are
// told of, case by case and not without end, and hinder nothing.
func TestOdd(t *testing.T) {
	p := smallPhantom(8, 2)
	dir := filepath.Join(t.TempDir(), "set")
	if err := WritePhantom(context.Background(), dir, p); err != nil {
		t.Fatal(err)
	}
	raw, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	raw.Warn = func(what string) { told = append(told, what) }
	straight, err := Extract(context.Background(), raw, 2, nil)
	if err != nil || told != nil {
		t.Fatal(err, told)
	}
	for i, c := range raw.Cases[1:] {
		labels, err := volume.ReadLabels(c.Label)
		if err != nil {
			t.Fatal(err)
		}
		labels.Affine[1][3] += float64(i + 1)
		if err := volume.WriteLabels(c.Label, labels); err != nil {
			t.Fatal(err)
		}
	}
	moved, err := Extract(context.Background(), raw, 2, nil)
	if err != nil || fmt.Sprint(moved) != fmt.Sprint(straight) {
		t.Error(err, "the fingerprint is another one")
	}
	if len(told) != 6 || !strings.Contains(told[0], "case phantom_002: ") || !strings.Contains(told[0], "have origins of 0 and 1 mm along anterior") || told[5] != "2 more cases are odd in such a way" {
		t.Errorf("%q", told)
	}
}

// TestMask: without labels the mask stands in for them, if it is asked for.
func TestMask(t *testing.T) {
	d := describedPhantom(t, 2)
	s, conf := conf3d(1.5, 1.2, 0.9)
	image, _ := phantomCase(smallPhantom(2, 2), 0)
	clear(image.Data[:len(image.Data)/2])
	image.Data[len(image.Data)/5] = 1 // so that the crop leaves much outside of the mask
	c, err := prepare(image, nil, true, d, s, conf)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Seg) != len(c.Data) || slices.Max(c.Seg) != 0 || slices.Min(c.Seg) != -1 || c.Locations != nil {
		t.Errorf("%d voxels of %d, from %d to %d", len(c.Seg), len(c.Data), slices.Min(c.Seg), slices.Max(c.Seg))
	}
}
