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
	for code, want := range map[int]bool{exhausted: true, internal: false} {
		err := memory(fmt.Errorf("epoch 3: xla: %w", &pjrt.Error{Function: "LoadedExecutable_Execute", Code: code, Message: "no"}))
		if errors.Is(err, ErrMemory) != want {
			t.Errorf("code %d: %v", code, err)
		}
	}
	if memory(nil) != nil {
		t.Error("no error became one")
	}
}
