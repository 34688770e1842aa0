package augment

import (
	"strings"
	"testing"

	"runspec/runtime/dataset"
)

// What does not fit is refused with the case and the reason, before any batch.
func TestNewLoaderRefuses(t *testing.T) {
	for want, spoil := range map[string]func(o *Options, cases []*dataset.Case){
		"empty axis":                  func(o *Options, _ []*dataset.Case) { o.Patch[1] = 0 },
		"one slice":                   func(o *Options, _ []*dataset.Case) { o.Dim = 2 },
		"2 or 3":                      func(o *Options, _ []*dataset.Case) { o.Dim = 4 },
		"at least one":                func(o *Options, _ []*dataset.Case) { o.Batch = 0 },
		"oversampling is 1.5":         func(o *Options, _ []*dataset.Case) { o.Oversample = 1.5 },
		`must be "v1" or "v2"`:        func(o *Options, _ []*dataset.Case) { o.Augmentation = "v3" },
		"must not be negative":        func(o *Options, _ []*dataset.Case) { o.Factor = -1 },
		"first target":                func(o *Options, _ []*dataset.Case) { o.TargetShapes = o.TargetShapes[1:] },
		"mirror axes":                 func(o *Options, _ []*dataset.Case) { o.Mirror = []int{0, 0} },
		"ignore label":                func(o *Options, _ []*dataset.Case) { o.Ignore = 1 << 20 },
		"masking is set for 1":        func(o *Options, _ []*dataset.Case) { o.UseMask = []bool{true} },
		"case b: 1 channels":          func(_ *Options, c []*dataset.Case) { c[1] = blobs("b", 1, [3]int{4, 4, 4}, 1) },
		"case c: its shape":           func(_ *Options, c []*dataset.Case) { c[2].Shape[0] = 0 },
		"case a: 21120 image voxels":  func(_ *Options, c []*dataset.Case) { c[0].Seg = c[0].Seg[:9] },
		"case a: label 2 has a voxel": func(_ *Options, c []*dataset.Case) { c[0].Locations[1].Voxels[0] = 1 << 20 },
	} {
		o, cases := options(), threeCases(2)
		spoil(&o, cases)
		if _, err := NewLoader(cases, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
	if _, err := NewLoader(nil, options()); err == nil || !strings.Contains(err.Error(), "fold is empty") {
		t.Errorf("no cases: error %v", err)
	}
}

// The zero values of the options mean: three dimensions, mirroring along every
// axis, one target, one worker.
func TestDefaults(t *testing.T) {
	l := mustLoad(t, threeCases(2), Options{Patch: [3]int{4, 4, 4}, Batch: 1})
	if l.o.Dim != 3 || len(l.o.Mirror) != 3 || len(l.o.TargetShapes) != 1 || l.o.Workers != 1 {
		t.Errorf("options became %+v", l.o)
	}
	l = mustLoad(t, threeCases(2), Options{Patch: [3]int{1, 4, 4}, Batch: 1, Dim: 2})
	if len(l.o.Mirror) != 2 || l.o.Mirror[0] != 1 {
		t.Errorf("2-D mirror axes %v, want 1 and 2", l.o.Mirror)
	}
}
