package execute

import (
	"bytes"
	"context"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

// TestGroup stops a command with the child that it has started, also where
// neither heeds a request, and leaves no child behind one that has ended.
func TestGroup(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks at processes in /proc")
	}
	for name, c := range map[string]struct {
		script string
		cancel bool
	}{
		"heeds":    {"sleep 60 & echo $! > pid; wait", true},
		"stubborn": {`trap "" TERM; sleep 60 & echo $! > pid; wait`, true},
		"ends":     {"sleep 60 & echo $! > pid", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			cmd := exec.CommandContext(ctx, "sh", "-c", c.script)
			cmd.Dir, cmd.Stdout = dir, &bytes.Buffer{} // which the child holds open
			ended := make(chan error, 1)
			go func() { ended <- Group(cmd, 200*time.Millisecond) }()
			child := started(t, dir)
			if c.cancel {
				cancel()
			}
			select {
			case err := <-ended:
				if (err != nil) != c.cancel {
					t.Errorf("it ended with %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Error("still waiting")
			}
			gone(t, child)
		})
	}
}
