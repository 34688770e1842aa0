package train_test

import (
	"os"
	"testing"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla"
)

// TestProfile times every operation of a training step by itself: each must have a
// program of its own.
func TestProfile(t *testing.T) {
	if os.Getenv("RUNSPEC_PJRT") == "" {
		t.Skip("RUNSPEC_PJRT names no PJRT plug-in, so no operation was timed; .ci/xla fetches one for the CPU")
	}
	c, err := client()
	if err != nil {
		t.Fatal(err)
	}
	p := smallProgram(t)
	for _, precision := range []engine.Precision{engine.FP32, engine.BF16} {
		e, err := xla.New(p, xla.Options{Client: c, Precision: precision})
		if err != nil {
			t.Fatal(err)
		}
		costs, err := e.(*xla.Executor).Profile(1)
		if err != nil {
			t.Fatal(err)
		}
		convolutions, count := 0, 0
		for _, cost := range costs {
			if cost.Err != nil || cost.Seconds <= 0 || cost.Bytes <= 0 {
				t.Errorf("%s: %T of %v: %g s, %g bytes, %v", precision, cost.Op, cost.In, cost.Seconds, cost.Bytes, cost.Err)
			}
			count += cost.Count
			switch cost.Op.(type) {
			case engine.Convolution, engine.ConvolutionInput, engine.ConvolutionWeight:
				convolutions += cost.Count
			}
		}
		if convolutions < 10 || count < 2*convolutions {
			t.Errorf("%s: %d operations, of them %d convolutions", precision, count, convolutions)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}
