package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runspec/compiler/plan"
	"runspec/runtime/accelerator"
)

// TestEngine judges the same machine by what is to be trained with.
func TestEngine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugin.so")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(accelerator.Variable, path)
	host := func(string) ([]accelerator.Device, error) {
		return []accelerator.Device{{Platform: "cpu", Kind: "cpu"}}, nil
	}
	none := func(string) ([]accelerator.Device, error) { return nil, nil }
	fails := func(string) ([]accelerator.Device, error) { return nil, errors.New("no driver") }
	for name, c := range map[string]struct {
		engine plan.Engine
		list   func(string) ([]accelerator.Device, error)
		want   Verdict
		says   string
	}{
		"a host's device":           {"", host, Note, "under engine xla alone"},
		"it under xla":              {plan.XLA, host, Good, "cpu 0: cpu"},
		"no device under xla":       {plan.XLA, none, Bad, "has no device"},
		"a plug-in that fails":      {plan.Auto, fails, Bad, "RUNSPEC_PJRT: no driver"},
		"one that nobody would use": {plan.CPU, fails, Note, "run on the processor"},
	} {
		if f := gpu(c.engine, c.list); f.Verdict != c.want || !strings.Contains(f.Text, c.says) {
			t.Errorf("%s: %+v", name, f)
		}
	}
	wheel := accelerator.Plugin{Path: path, From: "the wheel jax-cuda13-pjrt"}
	if f := (Finding{}).broken(plan.Auto, wheel, errors.New("no driver")); f.Verdict != Warn || !strings.HasPrefix(f.Remedy, "Trainings run on the processor") {
		t.Errorf("a wheel that fails: %+v", f)
	}
	if f := (Finding{}).broken(plan.XLA, wheel, errors.New("no driver")); f.Verdict != Bad {
		t.Errorf("it under xla: %+v", f)
	}
	if f := (Finding{}).missing(plan.XLA, accelerator.ErrNoPlugin); f.Verdict != Bad || !strings.Contains(f.Remedy, "pip install") {
		t.Errorf("no plug-in under xla: %+v", f)
	}
}
