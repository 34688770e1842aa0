package train_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla"
)

// streamers are the executors that need no answer between batches.
func streamers(t *testing.T) []contender {
	list := plugins()
	if list == nil {
		t.Skip("RUNSPEC_PJRT names no PJRT plug-in; .ci/xla fetches one for the CPU")
	}
	return list
}

// batches are three that differ.
func batches(p *engine.Program) (list []engine.Batch) {
	for i := range 3 {
		b := labelled(p)
		for j := range b.Image.Data {
			b.Image.Data[j] *= float32(1 + i)
		}
		for _, labels := range b.Labels {
			slices.Reverse(labels[:len(labels)*i/3])
		}
		list = append(list, b)
	}
	return list
}

// reused yields the batches in the same memory, as a loader does.
func reused(list []engine.Batch) func(func(engine.Batch) bool) {
	return func(yield func(engine.Batch) bool) {
		var shared engine.Batch
		for _, b := range list {
			shared.Image = engine.Tensor{Shape: b.Image.Shape, Data: append(shared.Image.Data[:0], b.Image.Data...)}
			for i, labels := range b.Labels {
				if len(shared.Labels) <= i {
					shared.Labels = append(shared.Labels, nil)
				}
				shared.Labels[i] = append(shared.Labels[i][:0], labels...)
			}
			if !yield(shared) {
				return
			}
		}
	}
}

// TestStream wants a stream of batches to give what each gives alone:
// losses and weights bit for bit, and voxel counts.
func TestStream(t *testing.T) {
	for i, n := range small[:3] {
		for _, x := range streamers(t) {
			t.Run(n.name+"/"+x.name, func(t *testing.T) {
				p := build(t, i)
				e := started(t, p, x.new)
				begin, list := e.State(), slices.Concat(batches(p), batches(p)) // more than are under way at once
				sum := 0.0
				for _, b := range list {
					loss, err := e.Step(b, 1e-3)
					if err != nil {
						t.Fatal(err)
					}
					sum += loss
				}
				alone := e.State()
				if err := e.Restore(begin); err != nil {
					t.Fatal(err)
				}
				mean, err := e.(engine.Streamer).Learn(reused(list), 1e-3)
				if err != nil || mean != sum/float64(len(list)) {
					t.Errorf("mean loss %v, %v; steps give %v", mean, err, sum/float64(len(list)))
				}
				if d := cmp.Diff(alone, e.State()); d != "" {
					t.Errorf("the states differ: %.500s", d)
				}
				monitored(t, p, e, list)
			})
		}
	}
}

func monitored(t *testing.T, p *engine.Program, e engine.Executor, list []engine.Batch) {
	t.Helper()
	counts := make([]int64, 3*p.Classes)
	want := engine.Monitored{TruePositive: counts[:p.Classes], FalsePositive: counts[p.Classes : 2*p.Classes], FalseNegative: counts[2*p.Classes:]}
	for _, b := range list {
		loss, logits, err := e.Evaluate(b)
		if err != nil {
			t.Fatal(err)
		}
		want.Loss += loss / float64(len(list))
		for v, label := range b.Labels[0] {
			if p.Loss.Ignore == 0 || label != p.Loss.Ignore {
				count(&want, p.Loss.Regions, logits.Data[v*p.Classes:][:p.Classes], label)
			}
		}
	}
	got, err := e.(engine.Streamer).Monitor(reused(list))
	if err != nil || math.Abs(got.Loss-want.Loss) > 1e-6 { // two programs, which XLA fuses differently
		t.Errorf("loss %v, %v, want %v", got.Loss, err, want.Loss)
	}
	got.Loss = want.Loss
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// count looks at one voxel.
func count(m *engine.Monitored, regions [][]int16, logits []float32, label int16) {
	for k := range logits {
		answer, truth := slices.Index(logits, slices.Max(logits)) == k, int(label) == k
		if regions != nil {
			answer, truth = logits[k] > 0, slices.Contains(regions[k], label)
		}
		switch {
		case answer && truth:
			m.TruePositive[k]++
		case answer:
			m.FalsePositive[k]++
		case truth:
			m.FalseNegative[k]++
		}
	}
}

// TestStreamNotFinite wants nothing to change from the undefined loss on, and the
// end of the stream to say so.
func TestStreamNotFinite(t *testing.T) {
	for _, x := range streamers(t) {
		t.Run(x.name, func(t *testing.T) {
			p := build(t, 1)
			e := started(t, p, x.new)
			begin, list := e.State(), batches(p)
			step := func(b engine.Batch) {
				t.Helper()
				if _, err := e.Step(b, 1e-3); err != nil {
					t.Fatal(err)
				}
			}
			step(list[0])
			once := e.State()
			step(list[2])
			twice := e.State()
			if err := e.Restore(begin); err != nil {
				t.Fatal(err)
			}
			list[1].Image.Data[5] = float32(math.NaN())
			if _, err := e.(engine.Streamer).Learn(slices.Values(list), 1e-3); !errors.Is(err, engine.ErrNotFinite) {
				t.Errorf("error %v", err)
			}
			if d := cmp.Diff(once, e.State()); d != "" {
				t.Errorf("a step was taken from the undefined loss on: %.500s", d)
			}
			step(list[2])
			if d := cmp.Diff(twice, e.State()); d != "" {
				t.Errorf("the next step differs: %.500s", d)
			}
		})
	}
}

// TestKeep wants a batch that stays on the device to give what it gives from the host.
func TestKeep(t *testing.T) {
	for _, x := range streamers(t) {
		p := build(t, 0)
		e := started(t, p, x.new)
		begin, b := e.State(), labelled(p)
		on, free, err := e.(*xla.Executor).Keep(b)
		if err != nil {
			t.Fatal(err)
		}
		defer free()
		var means [2]float64
		for i, batch := range []engine.Batch{b, on} {
			if err := e.Restore(begin); err != nil {
				t.Fatal(err)
			}
			if means[i], err = e.(engine.Streamer).Learn(slices.Values(slices.Repeat([]engine.Batch{batch}, 6)), 1e-3); err != nil {
				t.Fatal(err)
			}
		}
		if means[0] != means[1] {
			t.Errorf("mean loss %v from the device, %v from the host", means[1], means[0])
		}
		b.Labels = nil
		if _, _, err := e.(*xla.Executor).Keep(b); err == nil {
			t.Error("a batch without labels was kept")
		}
	}
}

// BenchmarkStream times what the host spends on a step of a small network: four
// are started, which wait for nothing.
func BenchmarkStream(b *testing.B) {
	list := plugins()
	if list == nil {
		b.Skip("RUNSPEC_PJRT names no PJRT plug-in")
	}
	p := build(b, 4)
	e, err := list[0].new(p)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	if err := e.Restore(random(p)); err != nil {
		b.Fatal(err)
	}
	batch := labelled(p)
	var host time.Duration
	burst := func(yield func(engine.Batch) bool) {
		for range 4 {
			began := time.Now()
			yield(batch)
			host += time.Since(began)
		}
	}
	for i := range b.N + 1 {
		if i == 1 { // the first has compiled the step
			host = 0
			b.ResetTimer()
		}
		if _, err := e.(engine.Streamer).Learn(burst, 1e-3); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(host.Microseconds())/float64(4*b.N), "host-µs/step")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(4*b.N), "µs/step")
}
