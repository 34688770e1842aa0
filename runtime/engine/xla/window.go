package xla

import (
	"errors"
	"fmt"
	"slices"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// A task is one flip of one window: three numbers for its first voxel, three that
// say which axes are mirrored.
const taskSize = 6

// canvas are the programs for images of one size on the device. Sizes are rounded
// up to halves of the patch, so that a data set's cases share a few of them; the
// network itself is none of their matter.
type canvas struct{ empty, cut, blend, mean part }

func (e *Executor) canvas(shape [3]int) *canvas {
	if e.canvases == nil {
		e.canvases = map[[3]int]*canvas{}
	}
	if c := e.canvases[shape]; c != nil {
		return c
	}
	p := e.program
	c := &canvas{
		empty: part{name: "empty sum over windows", lower: func() (string, error) { return lowerEmpty(f32, append(shape[:], p.Classes+1)), nil }},
		cut:   part{name: "cutting of windows", lower: func() (string, error) { return lowerCut(p, shape), nil }},
		blend: part{name: "blending of windows", lower: func() (string, error) { return lowerBlend(p, shape), nil }},
		mean:  part{name: "mean over windows", lower: func() (string, error) { return lowerMean(p, shape), nil }},
	}
	e.canvases[shape] = c
	return c
}

// PredictWindows implements engine.WindowPredictor. Windows and their flips go
// through the network in batches of the program's size.
func (e *Executor) PredictWindows(image engine.Tensor, windows [][3]int, flips [][3]bool, importance []float32) (engine.Tensor, error) {
	p := e.program
	if s := image.Shape; len(s) != 4 || s[3] != p.Channels || len(image.Data) != engine.Size(s) || len(importance) != engine.Size(p.Patch[:]) {
		return engine.Tensor{}, fmt.Errorf("xla: image of shape %v with %d values and %d weights, the program is for (Z, Y, X, %d) and %v", s, len(image.Data), len(importance), p.Channels, p.Patch)
	}
	out, err := e.predictWindows(image, windows, flips, importance)
	if pjrt.OutOfMemory(err) {
		err = fmt.Errorf("%w: %w", engine.ErrNoRoom, err)
	}
	if err != nil {
		err = fmt.Errorf("xla: %w", err)
	}
	return out, err
}

func (e *Executor) predictWindows(image engine.Tensor, windows [][3]int, flips [][3]bool, importance []float32) (engine.Tensor, error) {
	p := e.program
	var size [3]int
	for d := range 3 {
		half := max(1, p.Patch[d]/2)
		size[d] = (max(image.Shape[d], p.Patch[d]) + half - 1) / half * half
	}
	voxels := engine.Size(size[:])
	if !e.room(4 * voxels * (p.Channels + 2*(p.Classes+1))) {
		return engine.Tensor{}, engine.ErrNoRoom
	}
	c := e.canvas(size)
	if err := errors.Join(e.ready(&c.empty), e.ready(&c.cut), e.ready(&c.blend), e.ready(&c.mean), e.ready(&e.forward)); err != nil {
		return engine.Tensor{}, err
	}
	run := &sweep{Executor: e, canvas: c}
	defer run.close()
	padded := spread(image, size)
	for _, up := range []struct {
		to    **pjrt.Buffer
		data  []float32
		shape []int
	}{
		{&run.image, padded, append(size[:], p.Channels)},
		{&run.weight, importance, p.Patch[:]},
	} {
		var err error
		if *up.to, err = pjrt.Upload(e.client, e.device, up.data, up.shape...); err != nil {
			return engine.Tensor{}, err
		}
	}
	sum, err := c.empty.Run(nil)
	if err != nil {
		return engine.Tensor{}, err
	}
	run.sum = sum[0]
	tasks := tasks(windows, flips)
	for at := 0; at < len(tasks); at += taskSize * p.Batch {
		if err := run.group(tasks[at:min(at+taskSize*p.Batch, len(tasks))], len(flips)); err != nil {
			return engine.Tensor{}, err
		}
	}
	return run.result(image.Shape, size)
}

// room says whether the device has memory for so many bytes. Where it does not
// tell, some are taken for granted.
func (e *Executor) room(bytes int) bool {
	m, err := e.device.Memory()
	if err != nil || m.Limit <= 0 {
		return bytes <= 4<<30
	}
	return int64(bytes) <= m.Limit-m.InUse
}

// spread lays an image (Z, Y, X, C) into a larger one, from the lowest corner on.
func spread(image engine.Tensor, size [3]int) []float32 {
	s := image.Shape
	out, row := make([]float32, engine.Size(size[:])*s[3]), s[2]*s[3]
	for z := range s[0] {
		for y := range s[1] {
			copy(out[(z*size[1]+y)*size[2]*s[3]:][:row], image.Data[(z*s[1]+y)*row:])
		}
	}
	return out
}

// tasks lists the flips of every window.
func tasks(windows [][3]int, flips [][3]bool) (list []int32) {
	for _, w := range windows {
		for _, f := range flips {
			for d := range 3 {
				list = append(list, int32(w[d]))
			}
			for d := range 3 {
				list = append(list, int32(map[bool]int{true: 1}[f[d]]))
			}
		}
	}
	return list
}

// sweep is one image under prediction. The device works on several groups of
// tasks ahead of the host.
type sweep struct {
	*Executor
	*canvas
	image, weight, sum *pjrt.Buffer
	flights            [ahead]sortie
	count              int
}

// sortie is a group of tasks on its way.
type sortie struct {
	flight
	tasks  []int32
	shares []float32 // of each task in its window; 0 where the group is not full
}

// group sends a group of tasks through the network, and adds their answers.
func (r *sweep) group(tasks []int32, flips int) error {
	f, batch := &r.flights[r.count%ahead], r.program.Batch
	r.count++
	if err := f.land(); err != nil {
		return err
	}
	f.tasks = append(append(f.tasks[:0], tasks...), make([]int32, taskSize*batch-len(tasks))...)
	f.shares = make([]float32, batch)
	for i := range len(tasks) / taskSize {
		f.shares[i] = 1 / float32(flips)
	}
	if err := errors.Join(send(r.Executor, &f.flight, f.tasks, batch, taskSize), send(r.Executor, &f.flight, f.shares, batch)); err != nil {
		return err
	}
	tasksOn, shares := f.cargo[0], f.cargo[1]
	patches, err := r.cut.Run([]*pjrt.Buffer{r.image, tasksOn})
	if err != nil {
		return err
	}
	defer release(patches)
	logits, err := r.forward.Run(append(r.inputs(false), patches...))
	if err != nil {
		return err
	}
	defer release(logits)
	out, done, err := r.blend.Start([]*pjrt.Buffer{r.sum, logits[0], r.weight, tasksOn, shares})
	if err != nil {
		return err
	}
	f.done = done
	r.sum.Close()
	r.sum = out[0]
	return nil
}

// result divides by the weights and downloads the part that the image covers.
func (r *sweep) result(shape []int, size [3]int) (engine.Tensor, error) {
	for i := range r.flights {
		if err := r.flights[i].land(); err != nil {
			return engine.Tensor{}, err
		}
	}
	out, err := r.mean.Run([]*pjrt.Buffer{r.sum})
	if err != nil {
		return engine.Tensor{}, err
	}
	defer release(out)
	k := r.program.Classes
	all, err := download(out[0], append(size[:], k))
	if err != nil {
		return engine.Tensor{}, err
	}
	t := engine.Tensor{Shape: []int{shape[0], shape[1], shape[2], k}}
	for z := range shape[0] {
		for y := range shape[1] {
			t.Data = append(t.Data, all.Data[(z*size[1]+y)*size[2]*k:][:shape[2]*k]...)
		}
	}
	return t, nil
}

func (r *sweep) close() {
	for i := range r.flights {
		r.flights[i].land() // an error has been told already
	}
	release([]*pjrt.Buffer{r.image, r.weight, r.sum})
}

// lowerCut gathers a group of tasks from the image: (N, D, H, W, C).
func lowerCut(p *engine.Program, size [3]int) string {
	l := newLowering(p, p.Evaluate, f32)
	image, tasks := l.argument(f32, append(size[:], p.Channels)), l.argument(i32, []int{p.Batch, taskSize})
	var patches []value
	for i := range p.Batch {
		start, mirrored := l.task(tasks, i)
		patch := l.mirror(l.window(image, append(p.Patch[:], p.Channels), start...), mirrored)
		patches = append(patches, l.reshape(patch, append([]int{1}, patch.shape...)...))
	}
	return l.module("cut", l.join(0, patches...))
}

// task reads a task: the first voxel, with a 0 for the channels, and which axes are
// mirrored.
func (l *lowering) task(tasks value, i int) (start, mirrored []value) {
	row := l.at(tasks, 0, i)
	for d := range 3 {
		start = append(start, l.at(row, 0, d))
		flag := l.at(row, 0, 3+d)
		mirrored = append(mirrored, l.compare("GT", flag, l.like(0, flag)))
	}
	return append(start, l.constant(0, i32, nil)), mirrored
}

// mirror turns the first three axes round where it is said.
func (l *lowering) mirror(a value, mirrored []value) value {
	for d, flag := range mirrored {
		a = l.choose(flag, l.reverse(a, d), a)
	}
	return a
}

// lowerBlend adds a group's logits (N, D, H, W, K) to the sums (Z, Y, X, K+1),
// whose memory the result takes: weighted logits, and the weights themselves.
func lowerBlend(p *engine.Program, size [3]int) string {
	l := newLowering(p, p.Evaluate, f32)
	sum := l.argument(f32, append(size[:], p.Classes+1))
	logits := l.argument(f32, append(append([]int{p.Batch}, p.Patch[:]...), p.Classes))
	weight := l.argument(f32, p.Patch[:])
	tasks, shares := l.argument(i32, []int{p.Batch, taskSize}), l.argument(f32, []int{p.Batch})
	total := sum
	for i := range p.Batch {
		start, mirrored := l.task(tasks, i)
		w := l.mul(weight, l.broadcast(l.at(shares, 0, i), weight.shape))
		answer := l.mirror(l.at(logits, 0, i), mirrored)
		answer = l.mul(answer, l.broadcast(w, answer.shape, 0, 1, 2))
		box := l.join(3, answer, l.reshape(w, append(slices.Clone(w.shape), 1)...))
		total = l.place(total, l.add(l.window(total, box.shape, start...), box), start...)
	}
	l.give(sum, total)
	return l.module("blend", l.results...)
}

// lowerMean divides the sums by the weights: (Z, Y, X, K).
func lowerMean(p *engine.Program, size [3]int) string {
	l := newLowering(p, p.Evaluate, f32)
	sum := l.argument(f32, append(size[:], p.Classes+1))
	logits := l.slice(sum, 3, 0, p.Classes)
	return l.module("mean", l.div(logits, l.broadcast(l.at(sum, 3, p.Classes), logits.shape, 0, 1, 2)))
}
