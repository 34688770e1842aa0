package xla

import (
	"strings"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// flags are XLA's for a client's platform. On GPUs convolutions stay channels
// last: cuDNN would otherwise convert the layout of every activation.
func flags(c *pjrt.Client) []pjrt.Flag {
	if strings.HasPrefix(c.Platform, "cuda") {
		return GPUFlags()
	}
	return nil
}

// GPUFlags are the flags that programs are compiled with for NVIDIA's GPUs.
func GPUFlags() []pjrt.Flag {
	return []pjrt.Flag{{Name: "xla_gpu_force_conv_nhwc", Value: "True"}}
}

// StepModule is the training step of a program in StableHLO's text form, for
// compiling it where no executor runs.
func StepModule(p *engine.Program, precision engine.Precision) (string, error) {
	activations, err := atRest(precision)
	if err != nil {
		return "", err
	}
	return lowerStep(p, activations)
}
