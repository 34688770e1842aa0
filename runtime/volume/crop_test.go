package volume

import (
	"math/rand/v2"
	"slices"
	"testing"

	"runspec/runtime/internal/golden"
)

func TestCropToNonzero(t *testing.T) {
	in, seg := golden.NPY(t, preprocessing+"crop_in.npy"), golden.NPY(t, preprocessing+"crop_inseg.npy")
	out, outseg := golden.NPY(t, preprocessing+"crop_out.npy"), golden.NPY(t, preprocessing+"crop_outseg.npy")
	var want struct {
		Box Box `json:"bbox"`
	}
	golden.JSON(t, preprocessing+"crop.json", &want)
	g := Grid{Shape: shape3(in), Spacing: isotropic, Affine: [3][4]float64{{2, 0, 0, 10}, {0, 3, 0, 20}, {0, 0, 4, 30}}}
	im := &Image{Grid: g, Channels: in.Shape[0], Data: in.Float32()}
	got, labels, box := CropToNonzero(im, &Labels{Grid: g, Data: seg.Int16()})
	if box != want.Box || got.Shape != want.Box.Shape() || labels.Shape != got.Shape {
		t.Fatalf("box %v, want %v", box, want.Box)
	}
	if far(t, got.Data, out.Float32()) != 0 || differing(t, labels.Data, outseg.Int16()) != 0 {
		t.Error("image or labels differ")
	}
	for i, origin := range []float64{10 + 2*float64(box[2][0]), 20 + 3*float64(box[1][0]), 30 + 4*float64(box[0][0])} {
		if got.Affine[i][3] != origin {
			t.Errorf("the crop's origin is %v", got.Affine)
		}
	}
	back := make([]float32, len(im.Data))
	Paste(back, im.Channels, im.Shape, box, got.Data)
	if !slices.Equal(back, im.Data) {
		t.Error("pasting the crop does not give the image back")
	}
}

func TestCropNothing(t *testing.T) {
	im := &Image{Grid: Grid{Shape: [3]int{2, 3, 4}}, Channels: 1, Data: make([]float32, 24)}
	got, seg, box := CropToNonzero(im, nil)
	if box.Shape() != im.Shape || len(got.Data) != 24 || seg.Data[0] != -1 {
		t.Errorf("an empty image is cropped to %v", box)
	}
}

// slowFill floods by sweeping until nothing changes.
func slowFill(mask []bool, s [3]int) []bool {
	at := func(z, y, x int) int { return (z*s[1]+y)*s[2] + x }
	out := make([]bool, len(mask))
	for changed := true; changed; {
		changed = false
		for z := range s[0] {
			for y := range s[1] {
				for x := range s[2] {
					i := at(z, y, x)
					if mask[i] || out[i] {
						continue
					}
					border := z == 0 || y == 0 || x == 0 || z == s[0]-1 || y == s[1]-1 || x == s[2]-1
					if border || out[at(z-1, y, x)] || out[at(z+1, y, x)] || out[at(z, y-1, x)] ||
						out[at(z, y+1, x)] || out[at(z, y, x-1)] || out[at(z, y, x+1)] {
						out[i], changed = true, true
					}
				}
			}
		}
	}
	for i := range out {
		out[i] = !out[i]
	}
	return out
}

func TestFillHoles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		s := [3]int{1 + r.IntN(8), 1 + r.IntN(8), 1 + r.IntN(8)}
		mask := make([]bool, s[0]*s[1]*s[2])
		full := r.Float64()
		for i := range mask {
			mask[i] = r.Float64() < full
		}
		want := slowFill(mask, s)
		fillHoles(mask, s)
		if !slices.Equal(mask, want) {
			t.Fatalf("shape %v", s)
		}
	}
}

func TestTranspose(t *testing.T) {
	shape := [3]int{2, 3, 4}
	data := make([]int, 48)
	for i := range data {
		data[i] = i
	}
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		got, to := Transpose(data, 2, shape, order)
		var i, o [3]int
		for o[0] = range to[0] {
			for o[1] = range to[1] {
				for o[2] = range to[2] {
					for k := range 3 {
						i[order[k]] = o[k]
					}
					if v := got[24+(o[0]*to[1]+o[1])*to[2]+o[2]]; v != 24+(i[0]*3+i[1])*4+i[2] {
						t.Fatalf("order %v: %v is %d", order, o, v)
					}
				}
			}
		}
	}
}
