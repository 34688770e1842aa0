package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"runspec/runtime/durable"
)

// tidy expects that no lock and no temporary file is left in folders.
func tidy(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, "tidy DIR...")
	for _, dir := range args {
		left, err := litter(ts.MkAbs(dir))
		ts.Check(err)
		if len(left) > 0 {
			ts.Fatalf("left over: %s", strings.Join(left, ", "))
		}
	}
}

// litter lists the locks and temporary files below a folder.
func litter(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		hidden := strings.HasPrefix(name, ".") && name != ".gitignore" && path != dir
		if hidden || durable.Temporary(name) || strings.HasPrefix(name, "lease") || strings.HasSuffix(name, ".lock") {
			out = append(out, path)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) { // nor any litter
		err = nil
	}
	return out, err
}
