package npy

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runspec/runtime/internal/golden"
)

// What NumPy wrote is read as the tests' own reader reads it, and written again
// byte for byte.
func TestReadsNumPy(t *testing.T) {
	for _, name := range []string{"inference/sw2d/logits_f32.npy", "inference/gauss_40x56x40_f64.npy"} {
		text, err := os.ReadFile(golden.Path(t, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		want := golden.NPY(t, name)
		if !slices.Equal(got.Shape, want.Shape) || !slices.Equal(got.Data, want.Float32()) {
			t.Errorf("%s reads otherwise", name)
		}
		if strings.HasSuffix(name, "_f32.npy") && !bytes.Equal(Encode(got.Shape, got.Data), text) {
			t.Errorf("%s is written otherwise than NumPy writes it", name)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npz")
	want := Array{Shape: []int{2, 3}, Data: []float32{0, 1, -2.5, float32(math.Inf(1)), 1e-30, 7}}
	if err := WriteZip(path, "probabilities", want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadZip(path, "probabilities")
	if err != nil || !slices.Equal(got.Shape, want.Shape) || !slices.Equal(got.Data, want.Data) {
		t.Errorf("%v %v", got, err)
	}
	if _, err := ReadZip(path, "softmax"); err == nil || !strings.Contains(err.Error(), `no array "softmax"`) {
		t.Error(err)
	}
	if text := Encode([]int{3}, []int16{1, -1, 2}); !strings.Contains(string(text), "'<i2'") || !strings.Contains(string(text), "(3,)") || len(text)%64 != 6 {
		t.Errorf("int16: %q", text)
	}
}

func TestHalfPrecision(t *testing.T) {
	for bits, want := range map[uint16]float32{0: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 1: 1.0 / (1 << 24), 0x0400: 1.0 / (1 << 14), 0x3555: 0.33325195, 0x7c00: float32(math.Inf(1))} {
		if got := half(bits); got != want {
			t.Errorf("%#x: %v, want %v", bits, got, want)
		}
	}
	if !math.IsNaN(float64(half(0x7e00))) {
		t.Error("NaN is a number")
	}
}

func TestRefused(t *testing.T) {
	good := Encode([]int{2, 2}, []float32{1, 2, 3, 4})
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"empty":     {nil, "no array"},
		"cut head":  {good[:20], "head was cut short"},
		"cut data":  {good[:len(good)-1], "cut short"},
		"integers":  {Encode([]int{1}, []int16{1}), `"<i2"`},
		"objects":   {bytes.Replace(good, []byte("'<f4'"), []byte("'|O' "), 1), `"|O"`},
		"fortran":   {bytes.Replace(good, []byte("False"), []byte("True "), 1), "Fortran"},
		"too large": {bytes.Replace(good, []byte("(2, 2), }"), []byte("(99999,99999,99999999)}"), 1), "shape"},
		"version":   {append([]byte("\x93NUMPY\x09"), good[7:]...), "version 9"},
	} {
		if a, err := Decode(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v %v", name, a, err)
		}
	}
	path := filepath.Join(t.TempDir(), "a.npz")
	if err := os.WriteFile(path, good, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadZip(path, "a"); err == nil || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode([]int{2, 2}, []float32{1, 2, 3, 4}))
	f.Add([]byte("\x93NUMPY\x02\x00\x10\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := Decode(text)
		if err != nil {
			return
		}
		if b, err := Decode(Encode(a.Shape, a.Data)); err != nil || !slices.Equal(a.Shape, b.Shape) {
			t.Errorf("%v reads as %v (%v)", a.Shape, b.Shape, err)
		}
	})
}
