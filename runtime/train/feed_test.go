package train

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"

	"runspec/runtime/augment"
	"runspec/runtime/dataset"
	"runspec/runtime/engine"
)

// shelf is an executor that keeps data sets, or says why not.
type shelf struct {
	engine.Executor
	err   error
	asked int
}

func (s *shelf) Reside(*augment.Loader) (func(context.Context, int, int) iter.Seq[engine.Batch], error) {
	s.asked++
	return func(context.Context, int, int) iter.Seq[engine.Batch] {
		return func(yield func(engine.Batch) bool) { yield(engine.Batch{Made: s}) }
	}, s.err
}

// TestFeed wants batches from the device where it holds the data set, from the
// processor where it has no room or cannot make them, and other errors to be told.
func TestFeed(t *testing.T) {
	broken := errors.New("broken")
	c := &dataset.Case{ID: "a", Channels: 1, Shape: [3]int{4, 4, 4}, Data: make([]float32, 64), Seg: make([]int16, 64)}
	for _, test := range []struct {
		generation augment.Generation
		err, want  error
		asked      int
		made       bool
	}{
		{augment.V2, nil, nil, 1, true},
		{"", nil, nil, 1, true},
		{augment.V1, nil, nil, 0, false},
		{augment.V2, fmt.Errorf("full: %w", engine.ErrNoRoom), nil, 1, false},
		{augment.V2, broken, broken, 1, false},
	} {
		l, err := augment.NewLoader([]*dataset.Case{c}, augment.Options{Patch: [3]int{2, 2, 2}, Batch: 2, Augmentation: test.generation, ChannelsLast: true})
		if err != nil {
			t.Fatal(err)
		}
		s := &shelf{err: test.err}
		f, err := (&trainer{executor: s}).feed(l)
		if !errors.Is(err, test.want) || s.asked != test.asked {
			t.Errorf("%+v: error %v, asked %d times", test, err, s.asked)
		}
		if err != nil {
			continue
		}
		for b := range f(context.Background(), 0, 1) {
			if made := b.Made != nil; made != test.made || made == (b.Image.Data != nil) {
				t.Errorf("%+v: batch %+v", test, b)
			}
		}
	}
}
