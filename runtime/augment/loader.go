package augment

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"runspec/runtime/dataset"
)

// Options say what batches a Loader makes.
type Options struct {
	Patch        [3]int     // voxels (z, y, x) that the network sees; z is 1 in two dimensions
	Batch        int        // samples per batch
	Dim          int        // dimensions of the network: 3, or 2 for slices; 0 is 3
	Oversample   float64    // share of a batch that must show foreground, 0 to 1; nnU-Net's is 0.33
	Augmentation Generation // "": none, patches as they are, in the final size
	Factor       float64    // multiplies the chance of every transform but mirroring; nnU-Net's is 1, and 0 leaves mirroring alone
	Mirror       []int      // axes (0 z, 1 y, 2 x) to mirror; nil: all that the patch has; empty: none
	TargetShapes [][3]int   // of the deep-supervision outputs, full resolution first; none: the patch alone
	Ignore       int        // value of the ignore label; 0: none
	UseMask      []bool     // per channel: 0 outside the nonzero mask; none: no channel
	Seed         uint64
	Workers      int // goroutines that Batches prefetches with; 0 is 1
}

// Loader draws training batches from preprocessed cases. It is safe for use by
// several goroutines.
type Loader struct {
	cases    []*dataset.Case
	o        Options
	geometry Geometry
	sampler  sampler
	channels int
	down     [][3][]int // per target: voxels of the patch that it takes, along each axis
	spare    sync.Pool  // *scratch
}

// NewLoader checks the options against the cases. An error says which case or
// option does not fit.
func NewLoader(cases []*dataset.Case, o Options) (*Loader, error) {
	if o.Dim == 0 {
		o.Dim = 3
	}
	if len(o.TargetShapes) == 0 {
		o.TargetShapes = [][3]int{o.Patch}
	}
	if o.Mirror == nil && o.Dim == 2 {
		o.Mirror = []int{1, 2}
	} else if o.Mirror == nil {
		o.Mirror = []int{0, 1, 2}
	}
	o.Workers = max(o.Workers, 1)
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("training patches: %w", err)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("training patches: no case to draw from; the fold is empty")
	}
	l := &Loader{cases: cases, o: o, channels: cases[0].Channels}
	for _, c := range cases {
		if err := l.fits(c); err != nil {
			return nil, fmt.Errorf("training patches: case %s: %w", c.ID, err)
		}
	}
	l.geometry = NewGeometry(o.Patch, o.Dim)
	if o.Augmentation == "" {
		l.geometry.Initial = o.Patch
	}
	l.sampler = sampler{initial: l.geometry.Initial, final: o.Patch, ignore: int16(o.Ignore)}
	for _, t := range o.TargetShapes {
		var at [3][]int
		for d := range 3 {
			at[d] = nearestExact(o.Patch[d], t[d])
		}
		l.down = append(l.down, at)
	}
	l.spare.New = func() any { return new(scratch) }
	return l, nil
}

func (o Options) check() error {
	switch {
	case o.Dim != 2 && o.Dim != 3:
		return fmt.Errorf("a network of %d dimensions; it must have 2 or 3", o.Dim)
	case min(o.Patch[0], o.Patch[1], o.Patch[2]) < 1:
		return fmt.Errorf("the patch %v has an empty axis", o.Patch)
	case o.Dim == 2 && o.Patch[0] != 1:
		return fmt.Errorf("the patch %v of a 2-D network must be one slice", o.Patch)
	case o.Batch < 1:
		return fmt.Errorf("a batch of %d samples; it must have at least one", o.Batch)
	case !(o.Oversample >= 0 && o.Oversample <= 1):
		return fmt.Errorf("foreground oversampling is %v; it must lie in [0, 1]", o.Oversample)
	case o.Augmentation != "" && generations[o.Augmentation].spatial == nil:
		return fmt.Errorf("augmentation %q is not known; it must be %q or %q", o.Augmentation, V1, V2)
	case !(o.Factor >= 0):
		return fmt.Errorf("the augmentation factor is %v; it must not be negative", o.Factor)
	case o.Ignore < 0 || o.Ignore > 1<<15-1:
		return fmt.Errorf("the ignore label is %d; it must lie in [0, 32767]", o.Ignore)
	case o.TargetShapes[0] != o.Patch:
		return fmt.Errorf("the first target %v must have the patch's shape %v", o.TargetShapes[0], o.Patch)
	}
	for _, t := range o.TargetShapes {
		if min(t[0], t[1], t[2]) < 1 {
			return fmt.Errorf("the target %v has an empty axis", t)
		}
	}
	for i, axis := range o.Mirror {
		if axis < 3-o.Dim || axis > 2 || slices.Contains(o.Mirror[:i], axis) {
			return fmt.Errorf("mirror axes %v; each may appear once, and lie between %d and 2", o.Mirror, 3-o.Dim)
		}
	}
	return nil
}

func (l *Loader) fits(c *dataset.Case) error {
	n := c.Shape[0] * c.Shape[1] * c.Shape[2]
	switch {
	case c.Channels != l.channels || c.Channels < 1:
		return fmt.Errorf("%d channels, where case %s has %d", c.Channels, l.cases[0].ID, l.channels)
	case min(c.Shape[0], c.Shape[1], c.Shape[2]) < 1:
		return fmt.Errorf("its shape %v has an empty axis", c.Shape)
	case len(c.Data) != n*c.Channels || len(c.Seg) != n:
		return fmt.Errorf("%d image voxels and %d labels, where its shape %v needs %d and %d; preprocess it again",
			len(c.Data), len(c.Seg), c.Shape, n*c.Channels, n)
	case l.o.UseMask != nil && len(l.o.UseMask) != c.Channels:
		return fmt.Errorf("%d channels, but masking is set for %d", c.Channels, len(l.o.UseMask))
	}
	for _, loc := range c.Locations {
		for _, v := range loc.Voxels {
			if v < 0 || int(v) >= n {
				return fmt.Errorf("label %d has a voxel %d outside its shape %v; preprocess it again", loc.Label, v, c.Shape)
			}
		}
	}
	return nil
}

// Batch makes batch i. It depends on the options and i alone.
func (l *Loader) Batch(i int) Batch {
	var b Batch
	work := l.spare.Get().(*scratch)
	defer l.spare.Put(work)
	l.fill(&b, i, work)
	return b
}

// fill makes batch i in b's memory, which it allocates where b is empty.
func (l *Loader) fill(b *Batch, i int, work *scratch) {
	voxels := l.o.Patch[0] * l.o.Patch[1] * l.o.Patch[2]
	if b.Image == nil {
		*b = Batch{Size: l.o.Batch, Channels: l.channels, Shape: l.o.Patch}
		b.Image = make([]float32, l.o.Batch*l.channels*voxels)
		for _, t := range l.o.TargetShapes {
			b.Targets = append(b.Targets, Target{Shape: t, Labels: make([]int16, l.o.Batch*t[0]*t[1]*t[2])})
		}
	}
	for j := range l.o.Batch {
		s := &sample{
			shape: l.o.Patch, channels: l.channels, scratch: work,
			image:  b.Image[j*l.channels*voxels:][:l.channels*voxels],
			labels: b.Targets[0].Labels[j*voxels:][:voxels],
			planar: l.geometry.Planar, flat: l.o.Dim == 2,
		}
		l.draw(s, i, j)
		for k, t := range b.Targets[1:] {
			n := t.Shape[0] * t.Shape[1] * t.Shape[2]
			gather(t.Labels[j*n:][:n], s.labels, s.shape, l.down[k+1])
		}
	}
}

// draw makes sample j of batch i.
func (l *Loader) draw(s *sample, i, j int) {
	r := stream(l.o.Seed, i, j)
	k := r.IntN(len(l.cases))
	if s.recipe != nil {
		s.recipe.Case = k
	}
	w := l.sampler.place(r, l.cases[k], forced(j, l.o.Batch, l.o.Oversample))
	if l.o.Augmentation != "" {
		generations[l.o.Augmentation].apply(s, w, l.geometry, l.o.Factor, l.o.Mirror, r)
	} else {
		crop(s, w)
	}
	if s.recipe != nil {
		return
	}
	if l.o.Augmentation != "" {
		s.mask(l.o.UseMask)
	}
	s.settle()
}

// Batches yields the batches from, from+1, … to-1 in order, made ahead by
// Workers goroutines. It holds Workers+1 batches, whose memory it reuses: a
// batch is valid until the next one is asked for. It ends early when ctx is
// done (see ctx.Err) or when the caller leaves the loop; either way all its
// goroutines have ended when it returns.
func (l *Loader) Batches(ctx context.Context, from, to int) iter.Seq2[int, Batch] {
	return ahead(ctx, from, to, l.o.Workers, l.fill)
}

// ahead yields what fill makes of the indices from … to-1, in order, by workers
// that go ahead of the caller.
func ahead[T any](ctx context.Context, from, to, workers int, fill func(item *T, i int, work *scratch)) iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		type slot struct {
			item  T
			index int
			ready chan struct{}
		}
		depth := min(workers+1, max(to-from, 0))
		queue := make(chan *slot, depth)
		ctx, stop := context.WithCancel(ctx)
		var g errgroup.Group
		for range min(workers, depth) {
			g.Go(func() error {
				work := new(scratch)
				for s := range queue {
					if ctx.Err() != nil {
						continue // nobody waits for it any more
					}
					fill(&s.item, s.index, work)
					s.ready <- struct{}{}
				}
				return nil
			})
		}
		defer func() {
			stop()
			close(queue)
			_ = g.Wait() // the workers return no error
		}()
		ring := make([]*slot, depth)
		for k := range ring {
			ring[k] = &slot{index: from + k, ready: make(chan struct{}, 1)}
			queue <- ring[k]
		}
		for i := from; i < to; i++ {
			s := ring[(i-from)%depth]
			select {
			case <-s.ready:
			case <-ctx.Done():
				return
			}
			if ctx.Err() != nil || !yield(i, s.item) {
				return
			}
			if s.index = i + depth; s.index < to {
				queue <- s
			}
		}
	}
}
