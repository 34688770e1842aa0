package augment

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"runspec/runtime/dataset"
	"runspec/runtime/internal/golden"
)

// three puts a one before the shape of two axes.
func three(shape []int) [3]int {
	if len(shape) == 2 {
		return [3]int{1, shape[0], shape[1]}
	}
	return [3]int(shape)
}

func TestForcedAgainstNNUNet(t *testing.T) {
	var recorded []struct {
		Batch   int
		Percent float64
		Force   []bool `json:"force_fg"`
	}
	golden.JSON(t, "sampling/oversample.json", &recorded)
	for _, rec := range recorded {
		for j, want := range rec.Force {
			if got := forced(j, rec.Batch, rec.Percent); got != want {
				t.Errorf("batch %d, %v: sample %d forced %v, want %v", rec.Batch, rec.Percent, j, got, want)
			}
		}
	}
}

func TestPlaceAgainstNNUNet(t *testing.T) {
	var recorded []struct {
		Shape   []int    `json:"data_shape"`
		Initial []int    `json:"initial_patch"`
		Final   []int    `json:"final_patch"`
		Ranges  [][2]int `json:"randint_ranges_low_highExclusive"`
		FG      []struct {
			Voxel []int
			BBox  [2][]int
		}
	}
	golden.JSON(t, "sampling/bbox.json", &recorded)
	for _, rec := range recorded {
		shape := three(rec.Shape)
		s := sampler{initial: three(rec.Initial), final: three(rec.Final)}
		lo, hi := corners(shape, s.initial, s.final)
		for d, want := range rec.Ranges {
			if lo[d] != want[0] || hi[d] != want[1]-1 {
				t.Errorf("shape %v, patch %v: corner along axis %d in [%d, %d], want [%d, %d)",
					shape, s.initial, d, lo[d], hi[d], want[0], want[1])
			}
		}
		for _, fg := range rec.FG {
			v := fg.Voxel[1:] // the first is the channel
			c := &dataset.Case{Shape: shape, Locations: []dataset.Location{
				{Label: 3}, // without voxels: never chosen
				{Label: 5, Voxels: []int32{int32((v[0]*shape[1]+v[1])*shape[2] + v[2])}},
			}}
			w := s.place(stream(1, 2, 3), c, true)
			if !slices.Equal(w.corner[:], fg.BBox[0]) {
				t.Errorf("shape %v, patch %v: corner %v around %v, want %v", shape, s.initial, w.corner, v, fg.BBox[0])
			}
		}
	}
}

func TestCropAgainstNNUNet(t *testing.T) {
	var boxes [][][2]int
	golden.JSON(t, "sampling/crop.json", &boxes)
	var outside struct {
		Image float32 `json:"pad_data"`
		Label int16   `json:"pad_seg"`
	}
	golden.JSON(t, "sampling/facts.json", &outside)
	in := golden.NPY(t, "sampling/crop_in.npy")
	shape := [3]int(in.Shape[len(in.Shape)-3:])
	c := &dataset.Case{Channels: 1, Shape: shape, Seg: in.Int16(), Data: in.Float32()}
	for k, box := range boxes {
		want := golden.NPY(t, "sampling/crop_"+string(rune('0'+k))+".npy")
		w := window{c: c}
		for d := range 3 {
			w.corner[d], w.size[d] = box[d][0], box[d][1]-box[d][0]
		}
		s := empty(1, w.size)
		crop(s, w)
		if n := differing(s.labels, want); len(s.labels) != len(want.Data) || n > 0 {
			t.Errorf("box %v: %d of %d labels differ", box, n, len(want.Data))
		}
		for i, l := range s.labels {
			if l == outside.Label && s.image[i] != outside.Image {
				t.Fatalf("box %v: the image is %v outside the case, want %v", box, s.image[i], outside.Image)
			}
		}
	}
}

// within tells whether a count of n draws with chance p lies within five
// standard deviations of its expectation.
func within(count, n int, p float64) bool {
	return math.Abs(float64(count)-float64(n)*p) <= 5*math.Sqrt(float64(n)*p*(1-p))
}

// Among a label of 10 voxels, one of 1000 and one of none nnU-Net chose the first
// two equally often; and so do we.
func TestClassChoiceAgainstNNUNet(t *testing.T) {
	var choice struct{ Counts [2]int }
	golden.JSON(t, "sampling/class_choice.json", &choice)
	n := choice.Counts[0] + choice.Counts[1]
	c := &dataset.Case{Locations: []dataset.Location{{Label: 1, Voxels: make([]int32, 10)}, {Label: 2, Voxels: make([]int32, 1000)}, {Label: 3}}}
	for i := range c.Locations[1].Voxels {
		c.Locations[1].Voxels[i] = 1
	}
	r, counts := stream(1, 1, 1), [2]int{}
	for range n {
		v, _ := foreground(r, c)
		counts[v]++
	}
	if d := counts[0] - choice.Counts[0]; !within(counts[0], n, 0.5) || !within(choice.Counts[0], n, 0.5) || d*d > 25*n/2 {
		t.Errorf("of %d choices %v, nnU-Net's %v", n, counts, choice.Counts)
	}
}

// Regions are chosen evenly, too: of whole, core and core's core, which share
// voxels, each a third of the time.
func TestRegionsAreChosenEvenly(t *testing.T) {
	c := &dataset.Case{Locations: []dataset.Location{
		{Label: 1, Voxels: []int32{0, 1, 2, 3, 4, 5}}, {Label: 1, Voxels: []int32{3, 4, 5}}, {Label: 3, Voxels: []int32{5}},
		{Label: dataset.AnyLabel, Voxels: []int32{6, 7, 8, 9}},
	}}
	r, n, counts := stream(1, 1, 2), 6000, [6]int{}
	for range n {
		v, _ := foreground(r, c)
		counts[v]++
	}
	for v, want := range []float64{1. / 18, 1. / 18, 1. / 18, 3. / 18, 3. / 18, 9. / 18} {
		if !within(counts[v], n, want) {
			t.Errorf("voxel %d was chosen %d times out of %d, chance %v", v, counts[v], n, want)
		}
	}
}

// Labels are chosen evenly however many voxels they have; random corners cover
// their whole range evenly; cases too.
func TestPlaceIsUniform(t *testing.T) {
	c := &dataset.Case{Shape: [3]int{10, 10, 10}, Seg: make([]int16, 1000)}
	few, many := dataset.Location{Label: 1}, dataset.Location{Label: 3}
	for v := range int32(5) {
		few.Voxels = append(few.Voxels, v)
	}
	for v := range int32(500) {
		many.Voxels = append(many.Voxels, 500+v)
	}
	c.Locations = []dataset.Location{few, {Label: 2}, {Label: -1, Voxels: many.Voxels}, many}
	r, n, low := stream(1, 0, 0), 4000, 0
	for range n {
		v, found := foreground(r, c)
		if !found {
			t.Fatal("no foreground was found")
		}
		if v < 5 {
			low++
		}
	}
	if !within(low, n, 0.5) {
		t.Errorf("the rarer of two labels was chosen %d times out of %d", low, n)
	}
	s := sampler{initial: [3]int{8, 8, 14}, final: [3]int{8, 6, 10}}
	lo, hi := corners(c.Shape, s.initial, s.final)
	counts := [3]map[int]int{{}, {}, {}}
	for range n {
		w := s.place(r, c, false)
		for d := range 3 {
			counts[d][w.corner[d]]++
		}
	}
	for d := range 3 {
		width := hi[d] - lo[d] + 1
		if len(counts[d]) != width {
			t.Errorf("axis %d: %d corners came up, want %d", d, len(counts[d]), width)
		}
		for at, k := range counts[d] {
			if at < lo[d] || at > hi[d] || !within(k, n, 1/float64(width)) {
				t.Errorf("axis %d: corner %d came up %d times out of %d in [%d, %d]", d, at, k, n, lo[d], hi[d])
			}
		}
	}
}

// Cases are drawn evenly, with replacement.
func TestCasesAreUniform(t *testing.T) {
	var cases []*dataset.Case
	for k := range 4 {
		cases = append(cases, &dataset.Case{Channels: 1, Shape: [3]int{1, 1, 1}, Data: []float32{float32(k)}, Seg: []int16{0}})
	}
	l := mustLoad(t, cases, Options{Patch: [3]int{1, 1, 1}, Batch: 2, Seed: 3})
	var counts [4]int
	n, twice := 2000, 0
	for i := range n {
		b := l.Batch(i)
		counts[int(b.Image[0])]++
		counts[int(b.Image[1])]++
		if b.Image[0] == b.Image[1] {
			twice++
		}
	}
	for k, count := range counts {
		if !within(count, 2*n, 0.25) {
			t.Errorf("case %d was drawn %d times out of %d", k, count, 2*n)
		}
	}
	if !within(twice, n, 0.25) {
		t.Errorf("%d of %d batches show one case twice, a quarter is due", twice, n)
	}
}

// The forced part of a batch shows foreground, whatever the transforms do not.
func TestForcedSamplesShowForeground(t *testing.T) {
	// One foreground voxel in a large case: a random patch nearly always misses it.
	c := &dataset.Case{Channels: 1, Shape: [3]int{40, 40, 40}, Data: make([]float32, 64000), Seg: make([]int16, 64000)}
	const voxel = (31*40+7)*40 + 22
	c.Seg[voxel] = 1
	c.Locations = []dataset.Location{{Label: 1, Voxels: []int32{voxel}}}
	l := mustLoad(t, []*dataset.Case{c}, Options{Patch: [3]int{6, 6, 6}, Batch: 3, Oversample: 0.33, Augmentation: V2})
	random, n := 0, 200
	for i := range n {
		labels := l.Batch(i).Targets[0].Labels
		if !slices.Contains(labels[432:], 1) {
			t.Fatalf("batch %d: the forced sample shows no foreground", i)
		}
		if slices.Contains(labels[:432], 1) {
			random++
		}
	}
	if random > n/10 {
		t.Errorf("%d of %d batches show the voxel in their random part", random, n)
	}
}

// With an ignore label every sample is centred on annotated voxels, evenly.
func TestIgnoreLabel(t *testing.T) {
	const ignore = 9
	c := &dataset.Case{Shape: [3]int{4, 10, 10}, Seg: make([]int16, 400)}
	for i := range c.Seg {
		c.Seg[i] = ignore
	}
	c.Seg[123], c.Seg[321] = 0, -1
	s := sampler{initial: [3]int{1, 1, 1}, final: [3]int{1, 1, 1}, ignore: ignore}
	r, first, n := stream(5, 0, 0), 0, 400
	for range n {
		switch w := s.place(r, c, false); w.corner {
		case [3]int{1, 2, 3}:
			first++
		case [3]int{3, 2, 1}:
		default:
			t.Fatalf("corner %v is not annotated", w.corner)
		}
	}
	if !within(first, n, 0.5) {
		t.Errorf("one of two annotated voxels came %d times out of %d", first, n)
	}
	// A forced sample of a case without foreground is, too.
	if w := s.place(r, c, true); w.corner != [3]int{1, 2, 3} && w.corner != [3]int{3, 2, 1} {
		t.Errorf("a forced sample's corner %v is not annotated", w.corner)
	}
	for i := range c.Seg {
		c.Seg[i] = ignore
	}
	seen := map[[3]int]bool{}
	for range n {
		seen[s.place(r, c, true).corner] = true
	}
	if len(seen) < 150 {
		t.Errorf("without annotation corners are random, but only %d of 400 came up", len(seen))
	}
	// The rare annotated voxel is found by the full search, too.
	large := &dataset.Case{Seg: make([]int16, 1<<20)}
	for i := range large.Seg {
		large.Seg[i] = ignore
	}
	large.Seg[777777] = 2
	if v, found := annotated(rand.New(rand.NewPCG(1, 1)), large, ignore); !found || v != 777777 {
		t.Errorf("annotated voxel %d, %v; want 777777", v, found)
	}
}
