package xla

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"runspec/runtime/augment"
	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// resident is a loader's data set on the device: images (V, C) and labels (V) of
// all cases one behind the other, and the programs that make a batch of them.
type resident struct {
	executor       *Executor
	loader         *augment.Loader
	drawing        *drawing
	starts         []int // of each case, in voxels
	images, labels *pjrt.Buffer
	sample, finish part
	transforms     []part // augment's; none without augmentation
}

// made is a batch that the device is to make of a resident data set.
type made struct {
	*resident
	recipes []augment.Recipe
}

// Reside copies a loader's cases to the device and returns what makes its batches
// there: only what was drawn for them goes up. ErrNoRoom says that the loader is
// to make them on the host.
func (e *Executor) Reside(l *augment.Loader) (func(ctx context.Context, from, to int) iter.Seq[engine.Batch], error) {
	r := &resident{executor: e, loader: l, drawing: newDrawing(e.program, l)}
	if err := r.upload(); err != nil {
		r.close()
		if pjrt.OutOfMemory(err) {
			err = fmt.Errorf("%w: %w", engine.ErrNoRoom, err)
		}
		return nil, fmt.Errorf("xla: the data set on the device: %w", err)
	}
	e.residents = append(e.residents, r)
	return func(ctx context.Context, from, to int) iter.Seq[engine.Batch] {
		return func(yield func(engine.Batch) bool) {
			for _, recipes := range l.Recipes(ctx, from, to) {
				if !yield(engine.Batch{Made: &made{r, recipes}}) {
					return
				}
			}
		}
	}, nil
}

func newDrawing(p *engine.Program, l *augment.Loader) *drawing {
	o, channels := l.Options(), l.Cases()[0].Channels
	return &drawing{
		lowering: newLowering(p, p.Evaluate, f32), options: o, taken: l.Taken(), channels: channels,
		shape: []int{o.Batch, o.Patch[0], o.Patch[1], o.Patch[2], channels},
	}
}

// portion is how many values go up at once.
const portion = 1 << 22

// upload copies the cases in portions, so that neither side holds them twice.
func (r *resident) upload() error {
	e, p := r.executor, r.executor.program
	o := r.loader.Options()
	if !r.loader.Told() || o.Batch != p.Batch || o.Patch != p.Patch || r.drawing.channels != p.Channels || len(o.TargetShapes) != len(p.Train.Logits) {
		return errors.New("its patches are not the program's, or cannot be made on a device")
	}
	voxels := 0
	for _, c := range r.loader.Cases() {
		if err := fits(p, c.Seg); err != nil {
			return fmt.Errorf("case %s: %w", c.ID, err)
		}
		r.starts = append(r.starts, voxels)
		voxels += len(c.Seg)
	}
	rows := max(1, min(portion/r.drawing.channels, voxels))
	whole := (voxels + rows - 1) / rows * rows
	spare, err := e.needs()
	if err != nil {
		return err
	}
	if whole >= 1<<31 || !e.room(whole*(4*r.drawing.channels+2)+spare) {
		return engine.ErrNoRoom
	}
	r.programs(whole)
	if r.images, err = assemble(e, f32, whole, rows, r.drawing.channels, r.pixels()); err == nil {
		r.labels, err = assemble(e, i16, whole, rows, 0, r.segmentation())
	}
	return err
}

// needs is the memory that training takes besides the state, in bytes: the step's
// own, and batches that are made or wait.
func (e *Executor) needs() (int, error) {
	if err := e.ready(&e.step); err != nil {
		return 0, err
	}
	f, err := e.step.Footprint()
	if err != nil { // it cannot be told what is left
		return 0, errors.Join(engine.ErrNoRoom, err)
	}
	p := e.program
	image := 4 * p.Batch * engine.Size(p.Patch[:]) * p.Channels
	batches := (ahead + 3) * 2 * image // with their labels; three more between transforms
	gaps := int(f.Temporary / 8)       // between the allocator's blocks
	return int(f.Total()-f.Arguments) + batches + gaps, nil
}

// programs names what makes a batch, each compiled when it is first needed.
func (r *resident) programs(voxels int) {
	d := r.drawing
	r.sample = part{name: "sampling of patches", lower: func() (string, error) { return d.first(voxels), nil }}
	r.finish = part{name: "end of the augmentation", lower: func() (string, error) { return d.last(), nil }}
	if d.options.Augmentation == "" {
		return
	}
	for _, t := range transforms {
		r.transforms = append(r.transforms, part{name: t.name, lower: func() (string, error) { return d.change(t.apply), nil }})
	}
}

// fits says why a program cannot learn from labels; those below 0 become 0.
func fits(p *engine.Program, labels []int16) error {
	for _, l := range labels {
		ignored := p.Loss.Ignore != 0 && l == p.Loss.Ignore
		if len(p.Loss.Regions) == 0 && int(l) >= p.Classes && !ignored {
			return fmt.Errorf("label %d: labels run from 0 to %d", l, p.Classes-1)
		}
	}
	return nil
}

// pixels gives all images, (V, C).
func (r *resident) pixels() iter.Seq[float32] {
	return func(yield func(float32) bool) {
		for _, c := range r.loader.Cases() {
			n := len(c.Seg)
			for v := range n {
				for k := range c.Channels {
					if !yield(c.Data[k*n+v]) {
						return
					}
				}
			}
		}
	}
}

func (r *resident) segmentation() iter.Seq[int16] {
	return func(yield func(int16) bool) {
		for _, c := range r.loader.Cases() {
			for _, l := range c.Seg {
				if !yield(l) {
					return
				}
			}
		}
	}
}

// run makes a batch: its image and labels become the flight's cargo.
func (m *made) run(f *flight) error {
	e := m.executor
	f.whole, f.real = m.numbers(f.whole[:0], f.real[:0])
	n := len(m.recipes)
	var up flight
	err := errors.Join(send(e, &up, f.whole, n, len(f.whole)/n), send(e, &up, f.real, n, len(f.real)/n))
	f.sent = append(f.sent, up.sent...)
	defer release(up.own)
	if err != nil {
		return err
	}
	patch, err := e.run(&m.sample, append([]*pjrt.Buffer{m.images, m.labels}, up.cargo...))
	if err != nil {
		return err
	}
	defer release(patch)
	for i := range m.transforms {
		if !slices.ContainsFunc(m.recipes, transforms[i].needed) {
			continue
		}
		out, err := e.run(&m.transforms[i], append(patch[:1:1], up.cargo...))
		if err != nil {
			return err
		}
		patch[0].Close()
		patch[0] = out[0]
	}
	out, err := e.run(&m.finish, append(patch[:2:2], up.cargo...))
	f.cargo, f.own = append(f.cargo, out...), append(f.own, out...)
	return err
}

// numbers are the samples' for the program, in the order that drawing.read wants.
func (m *made) numbers(whole []int32, real []float32) ([]int32, []float32) {
	for i := range m.recipes {
		q := &m.recipes[i]
		whole, real = m.head(q, whole, real)
		if m.drawing.options.Augmentation != "" {
			whole, real = m.tables(q, whole, real)
		}
	}
	return whole, real
}

func (m *made) head(q *augment.Recipe, whole []int32, real []float32) ([]int32, []float32) {
	shape := m.loader.Cases()[q.Case].Shape
	corner, size := q.Window.Corner, q.Window.Size
	strides := [3]int{shape[1] * shape[2], shape[2], 1}
	origin := m.starts[q.Case]
	for d := range 3 {
		origin += corner[d] * strides[d]
	}
	whole = append(whole, int32(origin), int32(strides[0]), int32(strides[1]))
	for d := range 3 {
		whole = append(whole, int32(max(0, -corner[d])))
	}
	for d := range 3 {
		whole = append(whole, int32(min(size[d], shape[d]-corner[d])))
	}
	for d := range 3 {
		whole = append(whole, int32(map[bool]int{true: 1}[q.Mirror[d]]))
	}
	whole = append(whole, int32(q.Key[0]), int32(q.Key[1]))
	for d := range 3 {
		real = append(real, q.Matrix[d][:]...)
	}
	return whole, append(append(real, q.Centre[:]...), q.Noise)
}

// tables are the channels' numbers: each table for all channels, one after the
// other.
func (m *made) tables(q *augment.Recipe, whole []int32, real []float32) ([]int32, []float32) {
	patch := m.drawing.options.Patch
	for _, h := range q.Channels {
		real = append(real, h.Brightness, h.Contrast, float32(h.Inverted), float32(h.Gamma))
	}
	for _, h := range q.Channels {
		for d := range 3 {
			taps := h.Kernel(d)
			real = append(real, taps[:]...)
		}
	}
	var high []int32
	for _, h := range q.Channels {
		for d := range 3 {
			low, up, part := h.Coarse(d, patch[d])
			for i := range low {
				whole, high = append(whole, int32(low[i])), append(high, int32(up[i]))
			}
			real = append(real, part...)
		}
	}
	return append(whole, high...), real
}

func (r *resident) parts() []*part {
	list := []*part{&r.sample, &r.finish}
	for i := range r.transforms {
		list = append(list, &r.transforms[i])
	}
	return list
}

func (r *resident) close() error {
	release([]*pjrt.Buffer{r.images, r.labels})
	var err error
	for _, p := range r.parts() {
		if p.Executable != nil {
			err = errors.Join(err, p.Close())
		}
	}
	return err
}
