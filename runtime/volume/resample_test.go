package volume

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"runspec/runtime/internal/golden"
)

const preprocessing = "preprocessing/"

// far gives the largest absolute difference.
func far(t *testing.T, got, want []float32) float64 {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	most := 0.0
	for i := range got {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if !(d <= most) {
			most = d
		}
	}
	return most
}

// differing counts differing labels.
func differing(t *testing.T, got, want []int16) int {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d labels, want %d", len(got), len(want))
	}
	n := 0
	for i := range got {
		if got[i] != want[i] {
			n++
		}
	}
	return n
}

func shape3(a golden.Array) [3]int { return [3]int(a.Shape[len(a.Shape)-3:]) }

var isotropic = [3]float64{1, 1, 1}

func TestResampleData(t *testing.T) {
	var index []struct {
		Name  string
		Shape [3]int `json:"new_shape"`
		Axis  *int
	}
	golden.JSON(t, preprocessing+"prim_index.json", &index)
	image, seg := golden.NPY(t, preprocessing+"prim_img.npy"), golden.NPY(t, preprocessing+"prim_seg.npy")
	from, channels := shape3(image), image.Shape[0]
	for _, e := range index {
		spacing := isotropic
		files := map[string]int{"_o0": 0, "_o1": 1, "_o3": 3}
		if e.Axis != nil {
			spacing[*e.Axis] = 4
			files = map[string]int{"": 3, "_o1": 1}
		}
		for suffix, order := range files {
			t.Run(e.Name+suffix, func(t *testing.T) {
				want := golden.NPY(t, preprocessing+"prim_"+e.Name+suffix+".npy")
				got := ResampleData(image.Float32(), channels, from, e.Shape, spacing, spacing, order, 0)
				if d := far(t, got, want.Float32()); d > 1e-5 {
					t.Errorf("order %d is off by %g", order, d)
				}
			})
		}
		votes := map[string]Vote{"_seg": LargestShare, "_seg_legacy": HalfShare}
		if e.Axis != nil {
			delete(votes, "_seg_legacy")
		}
		for suffix, vote := range votes {
			t.Run(e.Name+suffix, func(t *testing.T) {
				want := golden.NPY(t, preprocessing+"prim_"+e.Name+suffix+".npy")
				got := ResampleSeg(seg.Int16(), from, e.Shape, spacing, spacing, 1, 0, vote)
				if n := differing(t, got, want.Int16()); n > 0 {
					t.Errorf("%d of %d labels differ", n, len(got))
				}
			})
		}
	}
}

func TestResampleLogits(t *testing.T) {
	var index []struct {
		Name       string
		Plan       [3]float64 `json:"plan_spacing"`
		Original   [3]float64 `json:"original_spacing"`
		Transpose  [3]int     `json:"transpose_forward"`
		AfterCrop  [3]int     `json:"shape_after_cropping"`
		Box        Box        `json:"bbox"`
		BeforeCrop [3]int     `json:"shape_before_cropping"`
	}
	golden.JSON(t, preprocessing+"back.json", &index)
	for _, e := range index {
		t.Run(e.Name, func(t *testing.T) {
			logits := golden.NPY(t, preprocessing+"back_"+e.Name+"_logits.npy")
			want := golden.NPY(t, preprocessing+"back_"+e.Name+"_resampled_logits.npy")
			var original [3]float64
			for i, o := range e.Transpose {
				original[i] = e.Original[o]
			}
			if e.Box.Shape() != e.AfterCrop {
				t.Fatalf("box %v is not of shape %v", e.Box, e.AfterCrop)
			}
			got := ResampleData(logits.Float32(), logits.Shape[0], shape3(logits), e.AfterCrop, e.Plan, original, 1, 0)
			if d := far(t, got, want.Float32()); d > 1e-5 {
				t.Errorf("off by %g", d)
			}
		})
	}
}

func TestSeparateAxisAndShape(t *testing.T) {
	var want struct {
		Separate []struct {
			Current, New [3]float64
			Do           bool `json:"do_separate_z"`
			Axis         *int
		} `json:"separate_z"`
		Shapes []struct {
			Shape [3]int     `json:"old_shape"`
			Old   [3]float64 `json:"old_spacing"`
			New   [3]float64 `json:"new_spacing"`
			To    [3]int     `json:"new_shape"`
		} `json:"compute_new_shape"`
	}
	golden.JSON(t, preprocessing+"decisions.json", &want)
	for _, w := range want.Separate {
		axis, ok := SeparateAxis(w.Current, w.New)
		if ok != w.Do || (ok && axis != *w.Axis) {
			t.Errorf("%v to %v: axis %d, %v", w.Current, w.New, axis, ok)
		}
	}
	for _, w := range want.Shapes {
		if got := ResampledShape(w.Shape, w.Old, w.New); got != w.To {
			t.Errorf("%v from %v to %v mm: %v, want %v", w.Shape, w.Old, w.New, got, w.To)
		}
	}
}

func TestResampledShapeIsNeverEmpty(t *testing.T) {
	if got := ResampledShape([3]int{1, 2, 9}, isotropic, [3]float64{3, 3, 3}); got != [3]int{1, 1, 3} {
		t.Errorf("%v", got)
	}
}

// A result must not show how many goroutines made it.
func TestResampleDeterministic(t *testing.T) {
	from, to := [3]int{60, 70, 50}, [3]int{71, 58, 66}
	data, seg := ramp(from), make([]int16, 60*70*50)
	for i := range seg {
		seg[i] = int16(i / 7 % 3)
	}
	var first []float32
	var firstSeg []int16
	for _, n := range []int{1, 2, 5} {
		old := runtime.GOMAXPROCS(n)
		got := ResampleData(data, 1, from, to, isotropic, isotropic, 3, 0)
		gotSeg := ResampleSeg(seg, from, to, isotropic, isotropic, 1, 0, LargestShare)
		runtime.GOMAXPROCS(old)
		if first == nil {
			first, firstSeg = got, gotSeg
		}
		if !slices.Equal(first, got) || !slices.Equal(firstSeg, gotSeg) {
			t.Errorf("%d goroutines give another result than 1", n)
		}
	}
}

// ramp is an array without symmetry.
func ramp(shape [3]int) []float32 {
	data := make([]float32, shape[0]*shape[1]*shape[2])
	for i := range data {
		data[i] = float32(math.Sin(float64(i)*0.37) + float64(i%17)*0.1)
	}
	return data
}

// Axes of one voxel occur with 2-D images.
func TestResampleThinAxes(t *testing.T) {
	for _, from := range [][3]int{{1, 1, 1}, {1, 4, 1}, {2, 1, 3}} {
		for _, to := range [][3]int{{3, 2, 5}, {1, 1, 1}, {1, 7, 2}} {
			for _, order := range []int{0, 1, 3} {
				name := fmt.Sprint(from, to, order)
				data := make([]float32, from[0]*from[1]*from[2])
				for i := range data {
					data[i] = 2.5
				}
				got := ResampleData(data, 1, from, to, isotropic, isotropic, order, 0)
				for _, v := range got {
					if v != 2.5 {
						t.Fatalf("%s: a constant becomes %v", name, v)
					}
				}
				if len(got) != to[0]*to[1]*to[2] {
					t.Fatalf("%s: %d values", name, len(got))
				}
			}
		}
	}
}

func BenchmarkResample(b *testing.B) {
	from, current, target := [3]int{35, 51, 35}, isotropic, [3]float64{1.2, 0.9, 1.1}
	to := ResampledShape(from, current, target)
	data, seg := ramp(from), make([]int16, 35*51*35)
	for i := range seg {
		seg[i] = int16(i / 4000 % 3)
	}
	b.Run("data", func(b *testing.B) {
		for b.Loop() {
			ResampleData(data, 1, from, to, current, target, 3, 0)
		}
	})
	b.Run("seg", func(b *testing.B) {
		for b.Loop() {
			ResampleSeg(seg, from, to, current, target, 1, 0, LargestShare)
		}
	})
}
