package dataset

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"runspec/compiler/nnunet"
	"runspec/runtime/internal/golden"
	"runspec/runtime/volume"
)

// goldenFacts are nnU-Net's of one case; the statistics are of its samples.
type goldenFacts struct {
	Shape     [3]int
	Spacing   [3]float64
	Samples50 [][]float64
	Samples40 [][]float64
	Stats     []goldenStats
	Rel       float64
}

type goldenStats struct {
	Mean, Median, Min, Max float64
	P995                   float64 `json:"percentile_99_5"`
	P005                   float64 `json:"percentile_00_5"`
}

// spell lists draws one by one.
func spell(draws []drawn) []float64 {
	var out []float64
	for _, d := range draws {
		for range d.count {
			out = append(out, float64(d.value))
		}
	}
	return out
}

func TestExamineSynthetic(t *testing.T) {
	cases := map[string]goldenFacts{}
	golden.JSON(t, "fingerprint/cases.json", &cases)
	image, seg := golden.NPY(t, "fingerprint/synthetic_img.npy"), golden.NPY(t, "fingerprint/synthetic_seg.npy")
	shape := [3]int(image.Shape[1:])
	im := &volume.Image{Grid: volume.Grid{Shape: shape, Spacing: [3]float64{1, 1, 1}}, Channels: image.Shape[0], Data: image.Float32()}
	labels := &volume.Labels{Grid: im.Grid, Data: seg.Int16()}
	want := cases["synthetic_2ch"]
	if len(want.Samples40) != 2 {
		t.Fatal("the reference lacks synthetic_2ch")
	}
	compareFacts(t, im, labels, examine(im, labels, 40), want.Samples40, want.Stats)
}

// compareFacts holds our samples against nnU-Net's exactly, and the statistics of
// the whole foreground, which is what nnU-Net's entry beside them is about.
func compareFacts(t *testing.T, image *volume.Image, labels *volume.Labels, got caseFacts, samples [][]float64, stats []goldenStats) {
	t.Helper()
	foreground := foregroundIn(labels, volume.NonzeroBox(volume.NonzeroMask(image), image.Shape))
	for c := range samples {
		if ours, theirs := spell(got.draws[c]), slices.Sorted(slices.Values(samples[c])); !slices.Equal(ours, theirs) {
			t.Errorf("channel %d: samples %v, nnU-Net %v", c, ours, theirs)
		}
		var all []drawn
		for _, k := range foreground {
			all = append(all, drawn{image.Data[c*image.Voxels()+int(k)], 1})
		}
		g, w := describeDraws(merge(all)), stats[c]
		for name, pair := range map[string][2]float64{"mean": {g.Mean, w.Mean}, "median": {g.Median, w.Median}, "min": {g.Min, w.Min},
			"max": {g.Max, w.Max}, "percentile 0.5": {g.P005, w.P005}, "percentile 99.5": {g.P995, w.P995}} {
			tolerance := 0.0
			if name == "mean" {
				tolerance = 5e-5 * math.Abs(pair[1])
			}
			if math.Abs(pair[0]-pair[1]) > tolerance {
				t.Errorf("channel %d, %s: %v, nnU-Net %v", c, name, pair[0], pair[1])
			}
		}
	}
}

func TestExamineTask04(t *testing.T) {
	raw, err := Open(golden.Shared(t, "data/Task04_Hippocampus"))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]goldenFacts{}
	golden.JSON(t, "fingerprint/cases.json", &cases)
	for _, id := range []string{"hippocampus_001", "hippocampus_003", "hippocampus_150"} {
		c, err := raw.Case(id)
		if err != nil {
			t.Fatal(err)
		}
		image, labels, err := readCase(c, raw.Description)
		if err != nil {
			t.Fatal(err)
		}
		want := cases[id]
		got := examine(image, labels, 50)
		if got.shape != want.Shape || got.spacing != want.Spacing || got.relative != want.Rel || len(want.Samples50) != 1 {
			t.Errorf("%s: %v %v %v, nnU-Net %+v", id, got.shape, got.spacing, got.relative, want)
		}
		compareFacts(t, image, labels, got, want.Samples50, want.Stats)
	}
}

// The whole of Task04 against nnU-Net's fingerprint: 99,999,900 draws.
func TestExtractTask04(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 260 cases")
	}
	raw, err := Open(golden.Shared(t, "data/Task04_Hippocampus"))
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	got, err := Extract(context.Background(), raw, 2, func(done, total int) {
		if calls++; done != calls || total != 260 {
			t.Errorf("progress %d of %d at call %d", done, total, calls)
		}
	})
	if err != nil || calls != 260 {
		t.Fatal(calls, err)
	}
	var want nnunet.Fingerprint
	golden.JSON(t, "fingerprint/hippocampus_fingerprint.json", &want)
	if !slices.Equal(got.ShapesAfterCrop, want.ShapesAfterCrop) || !slices.Equal(got.Spacings, want.Spacings) || got.MedianRelativeSize != want.MedianRelativeSize {
		t.Error("shapes, spacings or relative size differ from nnU-Net's")
	}
	g, w := got.Foreground["0"], want.Foreground["0"]
	for name, pair := range map[string][2]float64{"max": {g.Max, w.Max}, "min": {g.Min, w.Min}, "median": {g.Median, w.Median},
		"percentile 0.5": {g.P005, w.P005}, "percentile 99.5": {g.P995, w.P995}} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %v, nnU-Net %v", name, pair[0], pair[1])
		}
	}
	var exact struct {
		N    int
		Mean float64 `json:"mean_f64"`
		Std  float64 `json:"std_f64"`
	}
	golden.JSON(t, "fingerprint/float64_stats.json", &exact)
	for name, pair := range map[string][3]float64{"mean": {g.Mean, w.Mean, exact.Mean}, "std": {g.Std, w.Std, exact.Std}} {
		t.Logf("%s off by %.1e relative of float64, %.1e of nnU-Net's float32", name, relative(pair[0], pair[2]), relative(pair[0], pair[1]))
		if relative(pair[0], pair[1]) > 5e-5 || relative(pair[0], pair[2]) > 1e-9 {
			t.Errorf("%s: %v, nnU-Net %v, in float64 %v", name, pair[0], pair[1], pair[2])
		}
	}
	again, err := Extract(context.Background(), raw, 1, nil)
	if err != nil || !reflect.DeepEqual(got, again) {
		t.Error("the fingerprint depends on the number of workers", err)
	}
}

func relative(got, want float64) float64 { return math.Abs(got-want) / math.Abs(want) }

// Statistics of weighted draws must be those of the draws one by one.
func TestDescribeDraws(t *testing.T) {
	draws := merge([]drawn{{4, 2}, {-1, 3}, {2.5, 1}, {4, 1}, {0, 5}})
	all := spell(draws)
	if !slices.Equal(all, []float64{-1, -1, -1, 0, 0, 0, 0, 0, 2.5, 4, 4, 4}) {
		t.Fatal(all)
	}
	got := describeDraws(draws)
	var mean, squares float64
	for _, v := range all {
		mean += v / 12
	}
	for _, v := range all {
		squares += (v - mean) * (v - mean) / 12
	}
	// numpy.percentile(all, [0.5, 50, 99.5]) = [-1, 0, 4]; 62.5 lies at rank 6.875.
	if relative(got.Mean, mean) > 1e-12 || relative(got.Std, math.Sqrt(squares)) > 1e-12 || got.Median != 0 || got.Min != -1 || got.Max != 4 || got.P005 != -1 || got.P995 != 4 {
		t.Errorf("%+v", got)
	}
	if p := percentile(draws, 12, 70); math.Abs(p-1.75-0) > 1e-12 { // rank 7.7: 0.7 of the way from 0 to 2.5
		t.Errorf("70th percentile %v", p)
	}
}

func TestExtractNamesTheFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	if err := WritePhantom(context.Background(), dir, smallPhantom(3, 2)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "imagesTr", "phantom_002.nii.gz")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	raw, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Extract(context.Background(), raw, 2, nil)
	wantError(t, err, path, "cut short")
}

func BenchmarkExtractTask04(b *testing.B) {
	raw, err := Open(golden.Shared(b, "data/Task04_Hippocampus"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Extract(context.Background(), raw, 1, nil); err != nil {
			b.Fatal(err)
		}
	}
}
