package main

import (
	"archive/zip"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"runspec/runtime/execute"
)

//go:embed theirs.py
var script []byte

// theirs has nnU-Net and PyTorch measured: a part of theirs.py with a shape.
func (b *bench) theirs(ctx context.Context, part string, s shape, args ...string) (Figure, error) {
	if b.python == "" {
		return Figure{}, errors.New("no Python was named")
	}
	path := filepath.Join(b.work, "theirs.py")
	if err := os.WriteFile(path, script, 0o644); err != nil {
		return Figure{}, err
	}
	dir := filepath.Join(b.pack, "plans", s.dataset)
	args = append([]string{path, part, "--plans", filepath.Join(dir, s.plans), "--dataset", filepath.Join(dir, "dataset.json"), "--work", b.work}, args...)
	if b.small {
		args = append(args, "--small")
	}
	packages, err := b.packages()
	if err != nil {
		return Figure{}, err
	}
	cmd := exec.CommandContext(ctx, b.python, args...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+packages+string(os.PathListSeparator)+os.Getenv("PYTHONPATH"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := execute.Group(cmd, grace); err != nil {
		os.Stderr.Write(out.Bytes()) // workers tell their errors there
		return Figure{}, fmt.Errorf("%s %s: %w", b.python, part, err)
	}
	return figure(out.Bytes())
}

// packages unpacks the wheels that the pack carries, all of pure Python, and gives
// their folder: nnU-Net looks for its classes in folders, so archives will not do.
func (b *bench) packages() (string, error) {
	dir := filepath.Join(b.work, "packages")
	list, err := filepath.Glob(filepath.Join(b.pack, "wheels", "*.whl"))
	if err != nil {
		return dir, err
	}
	for _, wheel := range list {
		if err := unpack(wheel, dir); err != nil {
			return dir, fmt.Errorf("%s: %w", wheel, err)
		}
	}
	return dir, nil
}

// unpack writes an archive's files into a folder, those that are not there.
func unpack(archive, dir string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, f := range z.File {
		if !filepath.IsLocal(f.Name) {
			return fmt.Errorf("it holds %s, which would lie outside", f.Name)
		}
		path := filepath.Join(dir, f.Name)
		if _, err := os.Stat(path); err == nil || f.FileInfo().IsDir() {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		text, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close(), os.MkdirAll(filepath.Dir(path), 0o755)); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func lastLine(out []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return lines[len(lines)-1]
}

func number(n int) string { return strconv.Itoa(n) }
