package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runspec/compiler/nnunet"
)

func TestInputs(t *testing.T) {
	two := nnunet.Dataset{Channels: []string{"T1", "T2"}, FileEnding: ".nii.gz"}
	for _, c := range []struct{ files, want string }{
		{"a.nii.gz b.nii.gz ._a.nii.gz notes.txt", "a: a.nii.gz; b: b.nii.gz"},
		{"b_0001.nii.gz b_0000.nii.gz a_0000.nii.gz a_0001.nii.gz", "a: a_0000.nii.gz a_0001.nii.gz; b: b_0000.nii.gz b_0001.nii.gz"},
		{"brain_0001.nii.gz brain_0002.nii.gz", "brain_0001: brain_0001.nii.gz; brain_0002: brain_0002.nii.gz"}, // no channels: there is no _0000
		{"a_0000.nii.gz", "a_0001.nii.gz is missing: case a has no channel 1 (T2)"},
		{"a_0000.nii.gz a_0001.nii.gz b_0001.nii.gz", "b_0000.nii.gz is missing"},
		{"a_0000.nii.gz a_0001.nii.gz a_0002.nii.gz", "a_0002.nii.gz is one channel too many"},
		{"a.nii", "holds no .nii.gz file, but a.nii"},
		{"", "holds no .nii.gz file"},
	} {
		dir := t.TempDir()
		for _, name := range strings.Fields(c.files) {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := inputs(two, dir); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.files, got, c.want)
		}
	}
	dir := t.TempDir()
	a, b := filepath.Join(dir, "x", "a.nii.gz"), filepath.Join(dir, "y", "a.nii.gz")
	for _, path := range []string{a, b} {
		os.MkdirAll(filepath.Dir(path), 0o755)
		os.WriteFile(path, nil, 0o644)
	}
	for want, paths := range map[string][]string{
		"a: a.nii.gz":       {a},
		"is there 2 times":  {a, b},
		"no such file":      {filepath.Join(dir, "none")},
		"there is no image": nil,
		"does not end in":   {filepath.Join(dir, "x", "..", "x", "a.nii.gz"), filepath.Join(dir, "plain.txt")},
	} {
		os.WriteFile(filepath.Join(dir, "plain.txt"), nil, 0o644)
		if got := inputs(two, paths...); !strings.Contains(got, want) {
			t.Errorf("%v: %s, want %s", paths, got, want)
		}
	}
}

// inputs are the cases in short, or the error.
func inputs(d nnunet.Dataset, paths ...string) string {
	cases, err := Inputs(paths, d)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, c := range cases {
		var names []string
		for _, path := range c.Images {
			names = append(names, filepath.Base(path))
		}
		out = append(out, fmt.Sprintf("%s: %s", c.ID, strings.Join(names, " ")))
	}
	return strings.Join(out, "; ")
}
