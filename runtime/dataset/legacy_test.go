package dataset

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"runspec/runtime/internal/golden"
)

func TestLegacyDrawsAsNumpy(t *testing.T) {
	var want struct {
		With    map[string][]int `json:"seed1234_choice_with_replacement_first64_by_population"`
		Without map[string][]int `json:"seed1234_choice_without_replacement_by_pop_n"`
		Shuffle []int            `json:"seed12345_shuffle_arange20"`
		Bits    []uint32         `json:"seed1234_uint32_first16"`
		Sample  []float64        `json:"seed1234_random_sample_first8"`
		Randint []int            `json:"seed1234_randint0_1000_first16"`
	}
	golden.JSON(t, "fingerprint/numpy_legacy_rng.json", &want)
	if len(want.With) == 0 || len(want.Without) == 0 || len(want.Bits) == 0 || len(want.Shuffle) == 0 || len(want.Sample) == 0 {
		t.Fatal("the reference lacks its tables")
	}
	r := NewLegacy(1234)
	for i, w := range want.Bits {
		if got := r.Uint32(); got != w {
			t.Fatalf("bits %d: %d, numpy %d", i, got, w)
		}
	}
	r = NewLegacy(1234)
	for i, w := range want.Sample { // 53 bits of two draws
		a, b := r.Uint32()>>5, r.Uint32()>>6
		if got := (float64(a)*67108864 + float64(b)) / 9007199254740992; got != w {
			t.Errorf("sample %d: %v, numpy %v", i, got, w)
		}
	}
	r = NewLegacy(1234)
	for i, w := range want.Randint {
		if got := r.Intn(1000); got != w {
			t.Errorf("randint %d: %v, numpy %v", i, got, w)
		}
	}
	for text, w := range want.With {
		n, _ := strconv.Atoi(text)
		r := NewLegacy(1234)
		counts, ours := make([]uint32, n), make([]uint32, n)
		for i := range w {
			if got := r.Intn(n); got != w[i] {
				t.Fatalf("choice of %d, draw %d: %d, numpy %d", n, i, got, w[i])
			}
			counts[w[i]]++
		}
		NewLegacy(1234).Count(ours, len(w))
		if !slices.Equal(ours, counts) {
			t.Errorf("counts of %d draws among %d differ", len(w), n)
		}
	}
	for text, w := range want.Without {
		a, b, _ := strings.Cut(text, "_")
		n, _ := strconv.Atoi(a)
		k, _ := strconv.Atoi(b)
		if got := NewLegacy(1234).Choose(n, k); !slices.Equal(got, w) {
			t.Errorf("%d of %d: %v, numpy %v", k, n, got, w)
		}
	}
	if got := NewLegacy(12345).Permutation(20); !slices.Equal(got, want.Shuffle) {
		t.Errorf("shuffle: %v, numpy %v", got, want.Shuffle)
	}
}

// Count works block by block; it must agree with single draws over many blocks,
// and leave the generator where single draws leave it.
func TestLegacyCountIsManyDraws(t *testing.T) {
	for _, n := range []int{1, 2, 3, 100, 5000} {
		a, b := NewLegacy(7), NewLegacy(7)
		got, want := make([]uint32, n), make([]uint32, n)
		a.Count(got, 3333)
		for range 3333 {
			want[b.Intn(n)]++
		}
		if !slices.Equal(got, want) || a.Uint32() != b.Uint32() {
			t.Errorf("population %d: block draws differ from single draws", n)
		}
	}
}
