package main

import (
	"strings"
	"testing"

	"runspec/runtime/accelerator"
	"runspec/runtime/engine"
	"runspec/runtime/train"
)

// TestPrecisionOfARunsNetworks predicts as they were trained, where the device can.
func TestPrecisionOfARunsNetworks(t *testing.T) {
	trained := func(precisions ...string) (set []train.Trained) {
		for _, p := range precisions {
			one := train.Trained{}
			one.Job.Training.Precision = p
			set = append(set, one)
		}
		return set
	}
	hopper, turing := accelerator.Device{Platform: "cuda", Capability: "9.0"}, accelerator.Device{Platform: "cuda", Capability: "7.5"}
	for _, c := range []struct {
		on   accelerator.Device
		set  []train.Trained
		want engine.Precision
		how  string
	}{
		{hopper, trained("fp32", "fp32"), engine.FP32, "which they were trained in"},
		{hopper, trained("fp16"), engine.FP16, "which they were trained in"},
		{hopper, trained("fp16", "fp32"), engine.BF16, "its own: they were trained in several"},
		{hopper, trained("", "fp32"), engine.FP32, "which they were trained in"}, // on the processor, and on a GPU
		{turing, trained("bf16"), engine.FP16, "its own: it lacks bf16"},
	} {
		if got, how := precision(c.on, [][]train.Trained{c.set}); got != c.want || !strings.Contains(how, c.how) {
			t.Errorf("%+v: %s%s, want %s, %s", c.set, got, how, c.want, c.how)
		}
	}
}
