package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"runspec/runtime/durable"
	"runspec/runtime/execute"
	"runspec/runtime/progress"
	"runspec/runtime/train"
)

// shelf keeps finished trainings for other runs, each in a folder named by its
// job's key: what the result follows from, be its run directory where it may.
// Files are shared by hard links where both folders lie on one disk: nobody
// writes into them, they are only ever replaced.
//
// It is used only where the user asks for it, since a run that shall show that
// a result can be had again must train it again.
type shelf struct {
	dir      string
	progress *progress.Progress
}

// kept is the record of a folder on the shelf. It is written last.
const kept = "kept.json"

// training is the content of kept.
type training struct {
	Directory string       `json:"directory"` // that it was trained in; its files may name it
	Result    train.Result `json:"result"`
}

// trainer gives the jobs that are on the shelf from there, has the others
// trained, and keeps those. A shelf that can't be read or written stops nothing.
func (s shelf) trainer(next Trainer) Trainer {
	durable.Sweep(s.dir, 0)
	return func(ctx context.Context, job train.Job, tell func(train.Epoch)) (train.Result, error) {
		key, err := job.Key()
		if err != nil || job.Digest == "" { // data that are not known are not the same
			return next(ctx, job, tell)
		}
		dir := filepath.Join(s.dir, strings.TrimPrefix(key.Digest, "sha256:"))
		r, err := take(dir, job)
		switch {
		case err == nil:
			s.progress.Note("%s: taken from the cache, key %.19s", job.Name, key.Digest)
			return r, nil
		case !errors.Is(err, fs.ErrNotExist):
			s.progress.Note("%s: the cache's training can't be used: %v", job.Name, err)
			os.RemoveAll(dir) // what stays is in the way of a better one
		}
		if r, err = next(ctx, job, tell); err != nil || !r.By(job.Code) {
			return r, err
		}
		if err := store(dir, job, r); err != nil {
			s.progress.Note("%s: the training is not kept in the cache: %v", job.Name, err)
		}
		return r, nil
	}
}

// take puts a training from the shelf into the job's directory.
func take(dir string, job train.Job) (train.Result, error) {
	var k training
	text, err := os.ReadFile(filepath.Join(dir, kept))
	if err != nil {
		return train.Result{}, err
	}
	if err := json.Unmarshal(text, &k); err != nil {
		return train.Result{}, fmt.Errorf("%s: %w", dir, err)
	}
	if err := share(dir, job.Directory, kept); err != nil {
		return train.Result{}, err
	}
	r := k.Result
	r.Checkpoint, r.Summary = filepath.Join(job.Directory, r.Checkpoint), filepath.Join(job.Directory, r.Summary)
	if err := rename(r.Summary, k.Directory, job.Directory); err != nil {
		return r, err
	}
	if err := job.Write(filepath.Join(job.Directory, execute.JobFile)); err != nil {
		return r, err
	}
	return r, r.Write(filepath.Join(job.Directory, execute.ResultFile))
}

// rename replaces a folder's name in a JSON file that bears its files' paths.
func rename(path, from, to string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	quoted := func(s string) []byte { b, _ := json.Marshal(s); return bytes.Trim(b, `"`) } // a string always is
	return durable.Write(path, bytes.ReplaceAll(text, quoted(from), quoted(to)))
}

// store puts a finished training on the shelf, whole or not at all. Another
// process may have put it there in the meantime.
func store(dir string, job train.Job, r train.Result) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	part, err := durable.TempDir(dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(part)
	if err := share(job.Directory, part, execute.JobFile, execute.ResultFile, execute.LogFile); err != nil {
		return err
	}
	k := training{Directory: job.Directory, Result: r}
	for _, path := range []*string{&k.Result.Checkpoint, &k.Result.Summary} {
		if *path, err = filepath.Rel(job.Directory, *path); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return err
	}
	if err := durable.Write(filepath.Join(part, kept), text); err != nil {
		return err
	}
	if err := os.Rename(part, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// share links the files of a folder into another, or copies them where they
// can't be linked. Files of the given names are left out, and temporary ones.
func share(from, to string, without ...string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		for _, w := range without {
			if name == w {
				return nil
			}
		}
		if durable.Temporary(name) || !d.Type().IsRegular() {
			return nil
		}
		if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if os.Link(path, target) == nil {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return durable.Write(target, text)
	})
}
