package xla

import (
	"strings"

	"runspec/runtime/engine/xla/pjrt"
)

// flags are XLA's for a client's platform. On GPUs convolutions stay channels
// last: cuDNN would otherwise convert the layout of every activation.
func flags(c *pjrt.Client) []pjrt.Flag {
	if strings.HasPrefix(c.Platform, "cuda") {
		return []pjrt.Flag{{Name: "xla_gpu_force_conv_nhwc", Value: "true"}}
	}
	return nil
}
