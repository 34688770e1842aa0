package compiler

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestInitUpdates takes files of an earlier version for what they are.
func TestInitUpdates(t *testing.T) {
	dir := t.TempDir()
	if _, err := Init(dir, false); err != nil {
		t.Fatal(err)
	}
	language := filepath.Join(dir, "cue.mod", "pkg", "runspec.internal", "spec")
	older := []byte("package spec\n")
	list, err := os.ReadFile(filepath.Join(language, sums))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(language, "study.cue"))
	if err != nil {
		t.Fatal(err)
	}
	list = bytes.Replace(list, fmt.Appendf(nil, "%x", sha256.Sum256(text)), fmt.Appendf(nil, "%x", sha256.Sum256(older)), 1)
	list = fmt.Appendf(list, "%x  gone.cue\n", sha256.Sum256(older))
	for name, b := range map[string][]byte{sums: list, "study.cue": older, "gone.cue": older, "own.cue": older} {
		if err := os.WriteFile(filepath.Join(language, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	done, err := Init(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	did := map[string]string{}
	for _, w := range done {
		did[filepath.Base(w.Path)] = w.Did
	}
	if did["study.cue"] != "updated" || did["gone.cue"] != "removed" || did["own.cue"] != "" || did["space.cue"] != "kept" || did[sums] != "updated" {
		t.Error(did)
	}
	if b, _ := os.ReadFile(filepath.Join(language, "study.cue")); !bytes.Equal(b, text) {
		t.Errorf("%s", b)
	}
}

// TestShippedIsFormatted holds the language, the experiments and the starter
// to the formatter's layout.
func TestShippedIsFormatted(t *testing.T) {
	seen := 0
	for _, pattern := range []string{"../spec/*.cue", "../experiments/*.cue", "starter/*.cue"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			seen++
			old, text, err := FormatFile(f)
			if err != nil || !bytes.Equal(old, text) {
				t.Errorf("%s: %v; runspec fmt -w formats it", f, err)
			}
		}
	}
	if seen < 12 {
		t.Errorf("%d files", seen)
	}
}

func TestStarter(t *testing.T) {
	p := must(t, string(starter), Options{})
	if p.Name != "experiment" || len(p.Studies) != 1 {
		t.Errorf("%+v", p)
	}
}
