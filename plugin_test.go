package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"runspec/runtime/accelerator"
)

// TestPlugin runs the scripts that train on devices of the plug-in which
// RUNSPEC_PJRT names: .ci/xla fetches one that shows four, for processors. They
// share a cache, so that each network is compiled once.
func TestPlugin(t *testing.T) {
	plugin := os.Getenv(accelerator.Variable)
	if plugin == "" {
		t.Skip("RUNSPEC_PJRT names no PJRT plug-in, so no run was on a device; .ci/xla fetches one for the CPU")
	}
	specs, err := filepath.Abs(filepath.Join("testdata", "spec"))
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "plugin"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("RUNSPEC_CACHE", cache)
			e.Setenv("RUNSPEC_DATA", "")
			e.Setenv(accelerator.Variable, plugin)
			e.Setenv("SPECS", specs)
			e.Setenv("GOMAXPROCS", "2")
			return nil
		},
		Cmds:      commands,
		Condition: condition,
	})
}
