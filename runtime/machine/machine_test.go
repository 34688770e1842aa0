package machine

import (
	"path/filepath"
	"runtime"
	"testing"

	"runspec/compiler/plan"
)

func TestHere(t *testing.T) {
	m := Here()
	if m.Cores != runtime.NumCPU() || m.Arch != runtime.GOARCH || m.Instructions == "" {
		t.Errorf("%+v", m)
	}
	if runtime.GOOS == "linux" && (m.Memory < 1<<26 || m.Available > m.Memory) {
		t.Errorf("memory %d, of which %d are free", m.Memory, m.Available)
	}
}

func TestDiskOfAFolderToCome(t *testing.T) {
	dir := t.TempDir()
	d, err := DiskOf(filepath.Join(dir, "a", "b"))
	if err != nil {
		t.Skip(err)
	}
	if d.Path != dir || d.Total == 0 || d.Free > d.Total {
		t.Errorf("%+v", d)
	}
}

func TestProgram(t *testing.T) {
	b := Program()
	if b.Format != BuildVersion || b.Plan != plan.Version || b.Go != runtime.Version() {
		t.Errorf("%+v", b)
	}
}
