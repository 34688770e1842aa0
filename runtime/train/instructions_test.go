package train_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu/kernel"
)

// TestThreadsAndVectorSets wants the same bits of whole steps with AVX2 on one
// thread and with AVX-512 on two: a seed's result must not depend on which of
// them the processor has.
func TestThreadsAndVectorSets(t *testing.T) {
	before := kernel.ISA()
	defer kernel.Force(before)
	if err := kernel.Force("avx512"); err != nil {
		t.Skipf("needs a processor with AVX-512: %v", err)
	}
	programs := map[string]*engine.Program{"task04": task04Program(t, 8)}
	for i, n := range small {
		programs[n.name] = build(t, i)
	}
	for name, p := range programs {
		t.Run(name, func(t *testing.T) {
			b := labelled(p)
			steps := func(set string, workers int) engine.State {
				if err := kernel.Force(set); err != nil {
					t.Fatal(err)
				}
				e := started(t, p, threads(workers))
				for range 3 {
					if _, err := e.Step(b, 1e-3); err != nil {
						t.Fatal(err)
					}
				}
				return e.State()
			}
			if d := cmp.Diff(steps("avx2", 1), steps("avx512", 2)); d != "" {
				t.Errorf("AVX-512 gives another result than AVX2: %.500s", d)
			}
		})
	}
}

// TestPredictAfterChange: a prediction follows the weights, whether a step or Restore
// changed them after an earlier prediction.
func TestPredictAfterChange(t *testing.T) {
	p := task04Program(t, 8)
	b := labelled(p)
	image := engine.Tensor{Shape: append([]int{1}, b.Image.Shape[1:]...), Data: b.Image.Data[:len(b.Image.Data)/p.Batch]}
	predict := func(e engine.Executor) []float32 {
		out, err := e.Predict(image)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(out.Data)
	}
	e := started(t, p, threads(2))
	first := predict(e)
	before := e.State()
	if _, err := e.Step(b, 1e-3); err != nil {
		t.Fatal(err)
	}
	fresh := started(t, p, threads(1))
	if err := fresh.Restore(e.State()); err != nil {
		t.Fatal(err)
	}
	second := predict(e)
	if !slices.Equal(second, predict(fresh)) || slices.Equal(second, first) {
		t.Error("a prediction after a step is not by its weights")
	}
	if err := e.Restore(before); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(predict(e), first) {
		t.Error("a prediction after Restore is not by its weights")
	}
}
