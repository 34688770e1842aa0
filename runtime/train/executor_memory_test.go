package train

import (
	"errors"
	"fmt"
	"testing"

	"runspec/runtime/engine/xla/pjrt"
)

// TestDeviceMemory tells a device's want of memory from its other troubles.
func TestDeviceMemory(t *testing.T) {
	const exhausted, internal = 8, 13
	full, other := &pjrt.Error{Code: exhausted, Message: "no"}, &pjrt.Error{Code: internal, Message: "no"}
	driver := &pjrt.Error{Code: internal, Message: "CUDA_ERROR_OUT_OF_MEMORY: out of memory"}
	for _, x := range []struct {
		err  error
		want bool
	}{
		{full, true}, {driver, true}, {&pjrt.Error{Code: internal, Message: "CUDNN_STATUS_ALLOC_FAILED"}, true}, {other, false}, {errors.New("out of memory"), false},
		{errors.Join(other, full), true}, {errors.Join(other, errors.New("closed")), false},
	} {
		if err := memory(fmt.Errorf("epoch 3: xla: %w", x.err)); errors.Is(err, ErrMemory) != x.want {
			t.Errorf("%v: an ErrMemory is %t", err, !x.want)
		}
	}
	if memory(nil) != nil {
		t.Error("no error became one")
	}
}
