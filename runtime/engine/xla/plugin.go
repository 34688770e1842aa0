package xla

import (
	"strings"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// flags are XLA's for a client's platform. On GPUs convolutions stay channels
// last: cuDNN would otherwise convert the layout of every activation. On
// processors, where nobody trains, programs are compiled fast instead of well.
func flags(c *pjrt.Client) []pjrt.Flag {
	if strings.HasPrefix(c.Platform, "cuda") {
		return GPUFlags()
	}
	if strings.HasPrefix(c.Platform, "cpu") {
		return []pjrt.Flag{{Name: "xla_backend_optimization_level", Value: "0"}}
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
