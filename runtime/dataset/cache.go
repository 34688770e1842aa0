package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/runtime/durable"
)

// Cache keeps preprocessed cases on disk, one file each, named by the digest of
// everything that the case depends on: the contents of its files, the labels,
// the settings and this code's version. So a stale entry cannot be found, and
// several experiments and processes share one folder. A damaged file is made
// anew. With Dir "" nothing is kept.
type Cache struct {
	Dir string
}

// Prepare makes every case that the cache lacks, in up to workers goroutines,
// without keeping any in memory. progress may be nil.
func (k Cache) Prepare(ctx context.Context, raw *Raw, s nnunet.Settings, conf nnunet.Configuration, workers int, progress func(done, total int)) error {
	if k.Dir == "" {
		return nil
	}
	return eachParallel(ctx, len(raw.Cases), workers, progress, func(i int) error {
		_, err := k.Case(raw.Cases[i], raw.Description, s, conf)
		return err
	})
}

// Load gives every case of raw, in its order, from the cache where it has them.
// Their arrays are the files themselves, mapped for as long as the process lives:
// the system reads what is looked at, gives the memory back where it is short of
// it, and shares it between processes. So a data set may be larger than memory.
func (k Cache) Load(ctx context.Context, raw *Raw, s nnunet.Settings, conf nnunet.Configuration, workers int) ([]*Case, error) {
	out := make([]*Case, len(raw.Cases))
	err := eachParallel(ctx, len(raw.Cases), workers, nil, func(i int) (err error) {
		out[i], err = k.find(raw.Cases[i], raw.Description, s, conf, mapFile)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Case is Preprocess, or its result read back.
func (k Cache) Case(c RawCase, d nnunet.Dataset, s nnunet.Settings, conf nnunet.Configuration) (*Case, error) {
	return k.find(c, d, s, conf, os.ReadFile)
}

// find is Case; read gets the bytes of a file.
func (k Cache) find(c RawCase, d nnunet.Dataset, s nnunet.Settings, conf nnunet.Configuration, read func(path string) ([]byte, error)) (*Case, error) {
	if k.Dir == "" {
		return Preprocess(c, d, s, conf)
	}
	key, err := caseKey(c, d, s, conf)
	if err != nil {
		return nil, fmt.Errorf("preprocess case %s: %w", c.ID, err)
	}
	path := filepath.Join(k.Dir, c.ID+"-"+key[:24]+".case")
	if kept, err := readCached(path, key, read); err == nil {
		return kept, nil
	}
	// Absent or damaged: either way a new file replaces it.
	out, err := Preprocess(c, d, s, conf)
	if err != nil {
		return nil, err
	}
	if err := writeCached(path, key, out); err != nil {
		return nil, fmt.Errorf("keep preprocessed case %s: %w; make room, or choose another cache folder", c.ID, err)
	}
	if kept, err := readCached(path, key, read); err == nil {
		return kept, nil
	}
	return out, nil
}

func readCached(path, key string, read func(path string) ([]byte, error)) (*Case, error) {
	b, err := read(path)
	if err != nil {
		return nil, err
	}
	return decodeCase(b, key)
}

func writeCached(path, key string, c *Case) error {
	b, err := encodeCase(c, key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return durable.Write(path, b)
}

// caseKey is the digest of what a preprocessed case depends on.
func caseKey(c RawCase, d nnunet.Dataset, s nnunet.Settings, conf nnunet.Configuration) (string, error) {
	meaning := struct {
		Version       string
		ID            string
		Files         []string
		Channels      int
		Labels        []nnunet.Label
		Ignore        int
		Forward       [3]int
		Backward      [3]int
		Spacing       []float64
		Normalisation []string
		UseMask       []bool
		Foreground    []nnunet.Intensity
		HasLabels     bool
	}{
		Version: preprocessVersion, ID: c.ID, Channels: len(d.Channels), Labels: d.Labels, Ignore: d.Ignore,
		Forward: s.TransposeForward, Backward: s.TransposeBackward,
		Spacing: conf.Spacing, Normalisation: conf.Normalisation, UseMask: conf.UseMask, HasLabels: c.Label != "",
	}
	if slices.Contains(conf.Normalisation, "CTNormalization") { // no other scheme reads it
		meaning.Foreground = s.Foreground
	}
	paths := slices.Clone(c.Images)
	if c.Label != "" {
		paths = append(paths, c.Label)
	}
	for _, path := range paths {
		sum, err := fileDigest(path)
		if err != nil {
			return "", err
		}
		meaning.Files = append(meaning.Files, sum)
	}
	return jsonDigest(meaning)
}

// Digest names the content of a data set: every case's files, the channels and
// the labels. File times and the folder's place do not count.
func (r *Raw) Digest(ctx context.Context, workers int) (string, error) {
	type content struct {
		ID     string
		Images []string
		Label  string
	}
	cases := make([]content, len(r.Cases))
	err := eachParallel(ctx, len(r.Cases), workers, nil, func(i int) error {
		c := r.Cases[i]
		cases[i] = content{ID: c.ID, Images: make([]string, len(c.Images))}
		for j, path := range c.Images {
			var err error
			if cases[i].Images[j], err = fileDigest(path); err != nil {
				return err
			}
		}
		var err error
		cases[i].Label, err = fileDigest(c.Label)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", r.Dir, err)
	}
	return jsonDigest(struct {
		Channels []string
		Labels   []nnunet.Label
		Ignore   int
		Cases    []content
	}{r.Description.Channels, r.Description.Labels, r.Description.Ignore, cases})
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: restore the file, or remove the case from the data set", err)
	} else if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// jsonDigest is the sha256 of v's JSON, whose order of fields is the struct's.
func jsonDigest(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
