package cpu

import (
	"testing"

	"pgregory.net/rapid"

	"runspec/runtime/engine"
)

// TestPlace draws lifetimes and sizes: no two buffers that live at the same
// time may share memory, and the slab is at least as long as what lives at once.
func TestPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "buffers")
		var buffers []*buffer
		sum := 0
		for range n {
			start := rapid.IntRange(0, 50).Draw(t, "start")
			b := &buffer{start: start, end: start + rapid.IntRange(0, 20).Draw(t, "life"), size: 16 * rapid.IntRange(1, 9).Draw(t, "size")}
			buffers = append(buffers, b)
			sum += b.size
		}
		total := place(buffers)
		if total > sum {
			t.Fatalf("slab of %d for buffers of %d together", total, sum)
		}
		for i, a := range buffers {
			if a.offset < 0 || a.offset+a.size > total {
				t.Fatalf("buffer %d at %d is outside the slab of %d", i, a.offset, total)
			}
			for j, b := range buffers[:i] {
				if a.start <= b.end && b.start <= a.end && a.offset < b.offset+b.size && b.offset < a.offset+a.size {
					t.Fatalf("buffers %d and %d overlap in time and memory: %+v %+v", i, j, *a, *b)
				}
			}
		}
	})
}

// TestPlanInPlace checks who may overwrite whom in a chain of operations.
func TestPlanInPlace(t *testing.T) {
	shape := []int{1, 1, 1, 4, 2}
	g := engine.Graph{Nodes: []engine.Node{
		0: {Op: engine.Image{}, Shape: shape},
		1: {Op: engine.Activate{Function: engine.ReLU}, In: []int{0}, Shape: shape},
		2: {Op: engine.Activate{Function: engine.ReLU}, In: []int{1}, Shape: shape},
		3: {Op: engine.Add{}, In: []int{2, 2}, Shape: shape},
		4: {Op: engine.Activate{Function: engine.ReLU}, In: []int{3}, Shape: shape},
		5: {Op: engine.Add{}, In: []int{3, 4}, Shape: shape},
		6: {Op: engine.Activate{Function: engine.ReLU}, In: []int{5}, Shape: shape},
	}}
	outside := make([]bool, len(g.Nodes))
	outside[0] = true
	_, of := plan(g, g.Needed(6, 5), outside, []int{6, 5})
	same := func(a, b int) bool { return of[a] == of[b] }
	switch {
	case of[0] != nil:
		t.Error("the image got memory of its own")
	case !same(1, 2):
		t.Error("2 does not overwrite 1, which it reads last")
	case same(2, 3):
		t.Error("3 overwrites an operand that it reads twice")
	case same(3, 4):
		t.Error("4 overwrites 3, which 5 still reads")
	case !same(3, 5):
		t.Error("5 does not overwrite 3, which it reads last")
	case same(5, 6):
		t.Error("6 overwrites 5, which is kept")
	}
}
