package dataset

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"

	"runspec/runtime/durable"
)

// unpackTask unpacks a Decathlon archive, whose members lie in a folder named as
// the task, to dir, which appears whole.
func unpackTask(ctx context.Context, archive, task, dir string) error {
	tmp, err := durable.TempDir(dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := unpack(ctx, archive, tmp); err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	for _, found := range []string{filepath.Join(tmp, task), tmp} {
		if isFile(filepath.Join(found, "dataset.json")) {
			return publish(found, dir)
		}
	}
	return fmt.Errorf("unpack %s: it has no %s/dataset.json: it is the archive of something else; remove it", archive, task)
}

// unpack writes a tar archive's folders and files below dir. A member that would
// land outside, or is a link or a device, stops it; resource forks (._*) and
// other hidden files are skipped.
func unpack(ctx context.Context, archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	buffered := bufio.NewReaderSize(f, 1<<20)
	in := io.Reader(buffered)
	if start, _ := buffered.Peek(2); string(start) == "\x1f\x8b" {
		if in, err = gzip.NewReader(buffered); err != nil {
			return err
		}
	}
	// os.Root is the second fence: it refuses to leave dir whatever the name.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for members := tar.NewReader(in); ; {
		head, err := members.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("it is damaged (%w): remove it and try again", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := unpackMember(root, head, members); err != nil {
			return fmt.Errorf("member %q: %w", head.Name, err)
		}
	}
}

func unpackMember(root *os.Root, head *tar.Header, content io.Reader) error {
	name := path.Clean(head.Name)
	if head.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	if !filepath.IsLocal(filepath.FromSlash(head.Name)) || strings.ContainsAny(head.Name, `\`) {
		return errors.New("it would land outside the data set's folder; the archive is not to be trusted: remove it")
	}
	if base := path.Base(name); name != "." && strings.HasPrefix(base, ".") {
		return nil
	}
	local := filepath.FromSlash(name)
	switch head.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(local, 0o755)
	case tar.TypeReg:
		if err := root.MkdirAll(filepath.Dir(local), 0o755); err != nil {
			return err
		}
		return writeMember(root, local, content)
	}
	return fmt.Errorf("it is a link or a device (type %q), which no data set has; the archive is not to be trusted: remove it", head.Typeflag)
}

func writeMember(root *os.Root, name string, content io.Reader) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
