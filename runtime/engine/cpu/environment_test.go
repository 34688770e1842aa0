package cpu

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"runspec/runtime/engine"
)

// TestUnknownInstructionSetReachesTheCaller asks New in a process of its own,
// since the environment is read once.
func TestUnknownInstructionSetReachesTheCaller(t *testing.T) {
	if os.Getenv("RUNSPEC_CPU") == "abacus" {
		if _, err := New(&engine.Program{}, Options{Threads: 1}); err != nil {
			t.Fatal(err)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, "-test.run=^TestUnknownInstructionSetReachesTheCaller$")
	c.Env = append(os.Environ(), "RUNSPEC_CPU=abacus")
	out, err := c.CombinedOutput()
	if err == nil || !strings.Contains(string(out), `RUNSPEC_CPU: instruction set "abacus"`) {
		t.Errorf("New with RUNSPEC_CPU=abacus: %v, output %s", err, out)
	}
}
