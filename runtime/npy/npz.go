package npy

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"

	"runspec/runtime/durable"
)

// WriteZip writes one array of float32 as a compressed .npz file under a name,
// as numpy.savez_compressed does; the file appears whole or not at all.
func WriteZip(path, name string, a Array) error {
	f, err := durable.Create(path)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer f.Discard()
	if err = zipOne(f, name, a); err == nil {
		err = f.Commit()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func zipOne(f io.Writer, name string, a Array) error {
	out := bufio.NewWriterSize(f, 1<<16)
	z := zip.NewWriter(out)
	w, err := z.Create(name + ".npy")
	if err != nil {
		return err
	}
	if _, err := w.Write(Encode(a.Shape, a.Data)); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return out.Flush()
}

// limit bounds what an array in a .npz file may unpack to.
const limit = 1 << 36

// ReadZip reads the array of a name from a .npz file.
func ReadZip(path, name string) (Array, error) {
	z, err := zip.OpenReader(path)
	if errors.Is(err, zip.ErrFormat) {
		return Array{}, fmt.Errorf("%s is no .npz file, or was cut short: make it again", path)
	}
	if err != nil {
		return Array{}, err
	}
	defer z.Close()
	f, err := z.Open(name + ".npy")
	if err != nil {
		return Array{}, fmt.Errorf("%s holds no array %q", path, name)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return Array{}, fmt.Errorf("%s: array %q: %w: make it again", path, name, err)
	}
	a, err := Decode(text)
	if err != nil {
		return Array{}, fmt.Errorf("%s: array %q: %w", path, name, err)
	}
	return a, nil
}
