package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runspec/runtime/machine"
)

func TestExamine(t *testing.T) {
	dir := t.TempDir()
	r := Examine(Places{Runs: filepath.Join(dir, "not", "yet"), Cache: dir, Data: filepath.Join(dir, "none")})
	if r.Worst() != Bad {
		t.Errorf("a missing data folder is %s", r.Worst())
	}
	if r.Machine.Cores < 1 || r.Program.Go == "" || r.Machine.Instructions == "" {
		t.Errorf("%+v", r)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("it wrote %v", entries)
	}
	var b strings.Builder
	if err := r.Write(&b); err != nil || len(strings.Split(b.String(), "\n")) != len(r.Findings)+1 {
		t.Errorf("%v:\n%s", err, b.String())
	}
}

func TestData(t *testing.T) {
	dir := t.TempDir()
	if f := data(dir); f.Verdict != Warn {
		t.Errorf("an empty folder: %+v", f)
	}
	os.MkdirAll(filepath.Join(dir, "Task04_Hippocampus"), 0o755)
	os.WriteFile(filepath.Join(dir, "Task04_Hippocampus", "dataset.json"), nil, 0o644)
	if f := data(dir); f.Verdict != Good || !strings.HasSuffix(f.Text, "has Task04_Hippocampus") {
		t.Errorf("%+v", f)
	}
	if f := data(""); f.Verdict != Note {
		t.Errorf("none: %+v", f)
	}
}

func TestVerdicts(t *testing.T) {
	if f := memory(machine.Machine{Memory: 8 << 30, Available: 1 << 30}); f.Verdict != Warn {
		t.Errorf("little memory: %+v", f)
	}
	if f := memory(machine.Machine{Memory: 8 << 30, Available: 7 << 30}); f.Verdict != Good {
		t.Errorf("memory: %+v", f)
	}
	if f := memory(machine.Machine{}); f.Verdict != Note {
		t.Errorf("unknown memory: %+v", f)
	}
	if f := disk("runs", t.TempDir(), 1<<62); f.Verdict == Good {
		t.Errorf("a full disk: %+v", f)
	}
	if f := processor(machine.Machine{Instructions: "portable"}); f.Verdict != Warn {
		t.Errorf("portable: %+v", f)
	}
}
