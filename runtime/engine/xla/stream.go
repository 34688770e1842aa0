package xla

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// ahead is how many batches may be on their way to the device or in its queue:
// enough that it never waits for the host, and few enough that the batches take
// little memory.
const ahead = 4

// flight is one batch on its way through the device: the host's memory that is
// being read, and what has to be awaited before it can be used again.
type flight struct {
	image    []float32
	labels   [][]int32
	masks    [][]float32
	settings []float32
	whole    []int32 // of a batch that the device makes
	real     []float32

	cargo []*pjrt.Buffer // in the order of the arguments
	own   []*pjrt.Buffer // those of them that end with the flight
	sent  []*pjrt.Event
	done  *pjrt.Event
}

// land waits until the device is done with the flight.
func (f *flight) land() error {
	var err error
	for _, s := range append(f.sent, f.done) {
		err = errors.Join(err, s.Await())
	}
	release(f.own)
	f.cargo, f.own, f.sent, f.done = f.cargo[:0], f.own[:0], f.sent[:0], nil
	return err
}

// send adds an array to the flight's cargo.
func send[T pjrt.Number](e *Executor, f *flight, data []T, shape ...int) error {
	b, sent, err := pjrt.Send(e.client, e.device, data, shape...)
	if err == nil {
		f.cargo, f.own, f.sent = append(f.cargo, b), append(f.own, b), append(f.sent, sent)
	}
	return err
}

// load sends settings, if there are any, the image, the labels, and for a step
// the masks. All is copied first: the batch may be overwritten at once.
func (e *Executor) load(f *flight, b engine.Batch, settings []float32) error {
	if settings != nil {
		f.settings = append(f.settings[:0], settings...)
		if err := send(e, f, f.settings, len(settings)); err != nil {
			return err
		}
	}
	if err := e.batch(f, b); err != nil {
		return err
	}
	if settings == nil {
		return nil
	}
	return e.drop(f)
}

// batch sends image and labels, or has them made.
func (e *Executor) batch(f *flight, b engine.Batch) error {
	switch m := b.Made.(type) {
	case nil:
	case *made:
		return m.run(f)
	case kept:
		f.cargo = append(f.cargo, m...)
		return nil
	default:
		return fmt.Errorf("the batch is to be made by another executor (%T)", m)
	}
	f.image = append(f.image[:0], b.Image.Data...)
	if err := send(e, f, f.image, b.Image.Shape...); err != nil {
		return err
	}
	for i, labels := range b.Labels {
		if len(f.labels) <= i {
			f.labels = append(f.labels, nil)
		}
		wide := f.labels[i][:0]
		for _, l := range labels {
			wide = append(wide, int32(l))
		}
		f.labels[i] = wide
		shape := e.program.Train.Nodes[e.program.Train.Logits[i]].Shape[:4]
		if err := send(e, f, wide, shape...); err != nil {
			return err
		}
	}
	return nil
}

// kept is a batch on the device.
type kept []*pjrt.Buffer

// Keep copies a batch to the device, for streams that come back to it; free gives
// its memory back.
func (e *Executor) Keep(b engine.Batch) (on engine.Batch, free func(), err error) {
	if err := e.program.CheckBatch(b); err != nil {
		return b, nil, err
	}
	f := &flight{}
	err = e.batch(f, b)
	for _, s := range f.sent {
		err = errors.Join(err, s.Await())
	}
	if err != nil {
		release(f.own)
		return b, nil, fmt.Errorf("xla: %w", err)
	}
	return engine.Batch{Made: kept(f.cargo)}, func() { release(f.own) }, nil
}

// drop sends the dropout masks of the coming step, in the order of their index.
func (e *Executor) drop(f *flight) error {
	masks := map[int]engine.Node{}
	for _, n := range e.program.Train.Nodes {
		if m, ok := n.Op.(engine.Mask); ok {
			masks[m.Index] = n
		}
	}
	for index := range len(masks) {
		n := masks[index]
		if len(f.masks) <= index {
			f.masks = append(f.masks, make([]float32, engine.Size(n.Shape)))
		}
		engine.DropMask(f.masks[index], e.program.Seed, e.steps, index, n.Op.(engine.Mask).Rate)
		if err := send(e, f, f.masks[index], n.Shape...); err != nil {
			return err
		}
	}
	return nil
}

// stream is a part that runs on one batch after the other and adds to totals. It
// waits only for the flight that left some batches ago.
type stream struct {
	part    *part
	totals  *pjrt.Buffer
	flights [ahead]flight
}

// pass lets leave start the part on every batch, and returns the totals.
func (e *Executor) pass(p *part, totals int, batches iter.Seq[engine.Batch], leave func(*stream, *flight, engine.Batch) error) ([]float64, error) {
	if err := e.ready(p); err != nil {
		return nil, err
	}
	s := &stream{part: p}
	var err error
	if s.totals, err = pjrt.Upload(e.client, e.device, make([]float64, totals), totals); err != nil {
		return nil, err
	}
	defer func() { s.totals.Close() }()
	count := 0
	for b := range batches {
		f := &s.flights[count%ahead]
		if b.Made == nil {
			err = e.program.CheckBatch(b)
		}
		if err = errors.Join(err, f.land()); err == nil {
			err = leave(s, f, b)
		}
		if err != nil {
			break
		}
		count++
	}
	for i := range s.flights {
		err = errors.Join(err, s.flights[i].land())
	}
	if err != nil {
		return nil, err
	}
	sums := make([]float64, totals)
	return sums, pjrt.Download(s.totals, 1, sums)
}

// start runs the part: its results replace the state, then the totals.
func (s *stream) start(f *flight, state []**pjrt.Buffer, inputs []*pjrt.Buffer) error {
	out, done, err := s.part.Start(inputs)
	if err != nil {
		return err
	}
	f.done = done
	for i, at := range append(state, &s.totals) {
		(*at).Close()
		*at = out[i]
	}
	return nil
}

// Learn implements engine.Streamer.
func (e *Executor) Learn(batches iter.Seq[engine.Batch], rate float64) (float64, error) {
	before, count := e.steps, 0
	totals, err := e.pass(&e.step, stepTotals, batches, func(s *stream, f *flight, b engine.Batch) error {
		if err := e.load(f, b, e.settings(rate)); err != nil {
			return err
		}
		e.steps++ // taken back below where the step fails
		count++
		return s.start(f, e.state(), slices.Concat(e.inputs(true), f.cargo[:1], []*pjrt.Buffer{s.totals}, f.cargo[1:]))
	})
	if err != nil {
		return 0, fmt.Errorf("xla: %w", err)
	}
	e.steps = before + int(totals[stepsTotal])
	mean := totals[lossTotal] / float64(count)
	if totals[failedTotal] > 0 {
		return mean, engine.ErrNotFinite
	}
	return mean, nil
}

// Monitor implements engine.Streamer.
func (e *Executor) Monitor(batches iter.Seq[engine.Batch]) (engine.Monitored, error) {
	k, count := e.program.Classes, 0
	totals, err := e.pass(&e.monitor, 1+3*k, batches, func(s *stream, f *flight, b engine.Batch) error {
		if err := e.load(f, b, nil); err != nil {
			return err
		}
		count++
		return s.start(f, nil, slices.Concat(e.inputs(false), f.cargo, []*pjrt.Buffer{s.totals}))
	})
	if err != nil {
		return engine.Monitored{}, fmt.Errorf("xla: %w", err)
	}
	m := engine.Monitored{Loss: totals[0] / float64(count)}
	for i, list := range []*[]int64{&m.TruePositive, &m.FalsePositive, &m.FalseNegative} {
		for _, n := range totals[1+i*k:][:k] {
			*list = append(*list, int64(n))
		}
	}
	return m, nil
}
