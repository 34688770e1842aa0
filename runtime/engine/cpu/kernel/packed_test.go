package kernel

import (
	"slices"
	"testing"
)

// TestPacked: kept weights give the bits of a plain Forward with every instruction
// set in turn, serve until Forget, and are packed anew then. The convolutions are
// one for winograd, one direct and one transposed.
func TestPacked(t *testing.T) {
	one, two, three := [3]int{1, 1, 1}, [3]int{2, 2, 2}, [3]int{3, 3, 3}
	minimal, err := NewConv(1, 8, 16, [3]int{12, 12, 12}, three, one, one)
	if err != nil || !minimal.minimal() {
		t.Fatal(err)
	}
	direct, err := NewConv(1, 3, 5, [3]int{4, 6, 5}, three, two, one)
	if err != nil || direct.minimal() {
		t.Fatal(err)
	}
	up, err := NewTransposedConv(1, 6, 5, [3]int{3, 4, 2}, two)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]interface {
		InputLen() int
		OutputLen() int
		WeightLen() int
		ForwardPacked(p *Pool, x, w []float32, k *Packed, bias, y []float32)
	}{"winograd": &minimal, "direct": &direct, "transposed": &up} {
		x, w, bias := random(1, c.InputLen()), random(2, c.WeightLen()), random(3, 16)[:5:5]
		if name == "winograd" {
			bias = random(3, 16)
		}
		var kept Packed
		onEachISA(t, func(t *testing.T) {
			p := NewPool(2)
			plain, got := make([]float32, c.OutputLen()), make([]float32, c.OutputLen())
			c.ForwardPacked(p, x, w, nil, bias, plain)
			for range 2 {
				clear(got)
				c.ForwardPacked(p, x, w, &kept, bias, got)
				if !slices.Equal(got, plain) {
					t.Errorf("%s: kept weights give another result", name)
				}
			}
			other := random(4, c.WeightLen())
			c.ForwardPacked(p, x, other, &kept, bias, got)
			if !slices.Equal(got, plain) {
				t.Errorf("%s: weights were packed again though they were kept", name)
			}
			kept.Forget()
			c.ForwardPacked(p, x, other, &kept, bias, got)
			c.ForwardPacked(p, x, other, nil, bias, plain)
			if !slices.Equal(got, plain) {
				t.Errorf("%s: weights outlived Forget", name)
			}
			kept.Forget()
		})
	}
}
