package xla

import (
	"fmt"

	"runspec/runtime/engine"
)

// atRest is the element type of activations between kernels.
func atRest(p engine.Precision) (kind, error) {
	switch p {
	case "", engine.FP32:
		return f32, nil
	case engine.BF16:
		return bf16, nil
	}
	return "", fmt.Errorf("precision %q has no lowering", p)
}
