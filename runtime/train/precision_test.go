package train_test

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/runtime/engine"
	"runspec/runtime/engine/reference"
	"runspec/runtime/engine/xla"
)

// withPrecision makes executors of a precision on the plug-in, or skips the test.
func withPrecision(t *testing.T, precision engine.Precision) func(*engine.Program) (engine.Executor, error) {
	t.Helper()
	if os.Getenv("RUNSPEC_PJRT") == "" {
		t.Skip("RUNSPEC_PJRT names no XLA plug-in; .ci/xla fetches one for the CPU")
	}
	c, err := client()
	if err != nil {
		t.Fatal(err)
	}
	return func(p *engine.Program) (engine.Executor, error) {
		return xla.New(p, xla.Options{Client: c, Precision: precision})
	}
}

// TestPrecisions holds three steps with short activations to the reference's:
// losses, and momentum in its root mean square, since single gradients of a small
// network may be sums that cancel.
func TestPrecisions(t *testing.T) {
	for _, x := range []struct {
		precision      engine.Precision
		loss, gradient float64
	}{
		{engine.BF16, 2e-2, 0.1},
		{engine.FP16, 3e-3, 0.02},
	} {
		for i, n := range small {
			t.Run(string(x.precision)+"/"+n.name, func(t *testing.T) {
				new := withPrecision(t, x.precision)
				p := build(t, i)
				oracle, e := started(t, p, reference.New), started(t, p, new)
				if x.precision == engine.FP16 { // the scale it finds after some steps
					if err := e.Restore(scaledBy(e.State(), 1024, 0)); err != nil {
						t.Fatal(err)
					}
				}
				b := labelled(p)
				for step := range 3 {
					stepBoth(t, step, oracle, e, b, x.loss)
				}
				slot := p.Optimizer.SlotNames()[0]
				d := distance(e.State().Slots[slot], oracle.State().Slots[slot])
				if !(d <= x.gradient) {
					t.Errorf("%s is %.4f of its size away from the reference's", slot, d)
				}
				t.Logf("%s is %.4f of its size away from the reference's", slot, d)
			})
		}
	}
}

// TestProducts has the convolutions of an fp32 step ask for all of float32's bits,
// which GPUs do not multiply unasked, and those of a bf16 step for none.
func TestProducts(t *testing.T) {
	for i, n := range small {
		p := build(t, i)
		for precision, asks := range map[engine.Precision]bool{engine.FP32: true, engine.BF16: false} {
			text, err := xla.StepModule(p, precision)
			if err != nil {
				t.Fatal(err)
			}
			all, exact := strings.Count(text, "stablehlo.convolution"), strings.Count(text, "[#stablehlo<precision HIGHEST>, #stablehlo<precision HIGHEST>]")
			if want := map[bool]int{true: all}[asks]; all == 0 || exact != want {
				t.Errorf("%s in %s: %d of %d convolutions ask for all bits", n.name, precision, exact, all)
			}
		}
	}
}

// TestOneProgram wants one program for all that a search varies besides the
// network: it is compiled once.
func TestOneProgram(t *testing.T) {
	for i, n := range small {
		p := build(t, i)
		want, err := xla.StepModule(p, engine.FP32)
		if err != nil {
			t.Fatal(err)
		}
		p.Optimizer.WeightDecay, p.Optimizer.Momentum, p.Seed = 0.07, 0.8, 99
		got, err := xla.StepModule(p, engine.FP32)
		if err != nil || got != want {
			t.Errorf("%s: another program for other hyperparameters (%v)", n.name, err)
		}
	}
}

// distance is the root mean square of a difference over that of want.
func distance(got, want map[string]engine.Tensor) float64 {
	var off, size float64
	for name, w := range want {
		for i, v := range w.Data {
			d := float64(got[name].Data[i]) - float64(v)
			off, size = off+d*d, size+float64(v)*float64(v)
		}
	}
	return math.Sqrt(off / size)
}

// TestExchange wants three steps on the processor and three through XLA, or the
// other way round, to give what six on the processor give.
func TestExchange(t *testing.T) {
	for i, n := range small {
		t.Run(n.name, func(t *testing.T) {
			new := withPrecision(t, engine.FP32)
			p := build(t, i)
			b := labelled(p)
			want := after(t, b, started(t, p, threads(2)), 6)
			for _, order := range [][2]func(*engine.Program) (engine.Executor, error){{threads(2), new}, {new, threads(2)}} {
				half := after(t, b, started(t, p, order[0]), 3)
				second := started(t, p, order[1])
				if err := second.Restore(half); err != nil {
					t.Fatal(err)
				}
				got := after(t, b, second, 3)
				if got.Steps != 6 {
					t.Errorf("%d steps", got.Steps)
				}
				closeState(t, "parameters", got.Parameters, want.Parameters, 2e-3)
				closeState(t, "buffers", got.Buffers, want.Buffers, 1e-3)
				for slot, tensors := range want.Slots {
					closeState(t, slot, got.Slots[slot], tensors, 5e-3)
				}
			}
		})
	}
}

// after is the state after some steps.
func after(t *testing.T, b engine.Batch, e engine.Executor, steps int) engine.State {
	t.Helper()
	for range steps {
		if _, err := e.Step(b, 1e-3); err != nil {
			t.Fatal(err)
		}
	}
	return e.State()
}

// scale is a state's loss scale and the steps since it changed.
func scale(t *testing.T, s engine.State) [2]float32 {
	t.Helper()
	slot := s.Slots[engine.ScalerSlot]
	if len(slot) != 2 {
		t.Fatalf("the state keeps %d tensors of a loss scale, want 2", len(slot))
	}
	return [2]float32{slot[engine.ScalerScale].Data[0], slot[engine.ScalerGrowth].Data[0]}
}

// scaledBy is a state with another loss scale.
func scaledBy(s engine.State, scale, growth float32) engine.State {
	s.Slots[engine.ScalerSlot] = map[string]engine.Tensor{
		engine.ScalerScale:  {Shape: []int{1}, Data: []float32{scale}},
		engine.ScalerGrowth: {Shape: []int{1}, Data: []float32{growth}},
	}
	return s
}

// TestLossScale follows float16's scale: it is halved by a step whose gradients
// overflow, which changes nothing else, and doubled after 2000 without; it stays
// with the state, and other executors do without.
func TestLossScale(t *testing.T) {
	new := withPrecision(t, engine.FP16)
	p := build(t, 0)
	b := labelled(p)
	e := started(t, p, new)
	if got := scale(t, after(t, b, e, 1)); got != [2]float32{65536, 1} {
		t.Errorf("after a step scale and growth are %v", got)
	}
	before := scaledBy(e.State(), 1<<40, 77) // no gradient of float16 is finite under it
	if err := e.Restore(before); err != nil {
		t.Fatal(err)
	}
	skipped := after(t, b, e, 1)
	if got := scale(t, skipped); got != [2]float32{1 << 39, 0} {
		t.Errorf("after an overflow scale and growth are %v", got)
	}
	if d := cmp.Diff(before.Parameters, skipped.Parameters); d != "" {
		t.Errorf("the skipped step moved parameters: %.300s", d)
	}
	if d := cmp.Diff(before.Slots["momentum"], skipped.Slots["momentum"]); d != "" {
		t.Errorf("the skipped step moved the momentum: %.300s", d)
	}
	if err := e.Restore(scaledBy(e.State(), 1024, engine.ScalerInterval-1)); err != nil {
		t.Fatal(err)
	}
	grown := after(t, b, e, 1)
	if got := scale(t, grown); got != [2]float32{2048, 0} {
		t.Errorf("after %d steps scale and growth are %v", engine.ScalerInterval, got)
	}
	again := started(t, p, new)
	if err := again.Restore(grown); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(after(t, b, e, 2), after(t, b, again, 2)); d != "" {
		t.Errorf("a training continued in a new executor differs: %.300s", d)
	}
	other := started(t, p, threads(1))
	if err := other.Restore(grown); err != nil {
		t.Errorf("the processor's executor refuses the state: %v", err)
	}
	if _, kept := other.State().Slots[engine.ScalerSlot]; kept {
		t.Error("an executor without a loss scale has one in its state")
	}
}
