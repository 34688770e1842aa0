package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"runspec/runtime/accelerator"
)

// TestMain lets the scripts run this very binary as the program: the copy of
// it that is called runspec behaves as runspec does, workers included.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"runspec": main})
}

func TestScripts(t *testing.T) {
	specs, err := filepath.Abs(filepath.Join("testdata", "spec"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("RUNSPEC_CACHE", filepath.Join(e.WorkDir, ".cache"))
			e.Setenv("RUNSPEC_DATA", "")
			e.Setenv("SPECS", specs)
			e.Setenv("GOMAXPROCS", "2")
			e.Setenv("PLUGIN", os.Getenv(accelerator.Variable))
			return nil
		},
		Cmds:      commands,
		Condition: condition,
	})
}

// condition adds [root], which permissions do not hold back, and [plugin], where
// RUNSPEC_PJRT names an XLA plug-in; scripts have it as $PLUGIN.
func condition(name string) (bool, error) {
	switch name {
	case "root":
		return os.Geteuid() == 0, nil
	case "plugin":
		return os.Getenv(accelerator.Variable) != "", nil
	}
	return false, os.ErrInvalid
}
