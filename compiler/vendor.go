package compiler

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	language "runspec/spec"
)

// starter is the spec that Init leaves for somebody who has none.
//
//go:embed starter/experiment.cue
var starter []byte

// localModule is the module of a folder that has none.
const localModule = "module: \"runspec.local@v0\"\nlanguage: version: \"v0.17.0\"\n"

// sums is the file beside the vendored language that says what Init wrote, as
// sha256sum does. It tells an older copy from one that somebody changed.
const sums = "SHA256SUMS"

// Written is what became of one file.
type Written struct {
	Path string
	Did  string // "wrote", "updated", "removed" or "kept"
}

// Init copies the language to where CUE's own tools look for it: cue vet and
// editors then resolve what runspec itself has built in. The copy goes to
// cue.mod/pkg of dir's module; where there is none, dir becomes one. A folder
// without any spec gets one to begin with.
//
// A file that somebody has changed is overwritten only by force; without it
// nothing is written at all. Specs are never overwritten.
func Init(dir string, force bool) ([]Written, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	root, name, err := findModule(dir)
	if err != nil {
		return nil, err
	}
	v := &vendoring{force: force, want: map[string][]byte{}}
	if root == "" {
		root = dir
		v.want[filepath.Join(root, "cue.mod", "module.cue")] = []byte(localModule)
	}
	if name != module { // inside the language's own module it is there
		if err := v.language(filepath.Join(root, "cue.mod", "pkg", filepath.FromSlash(language.ImportPath))); err != nil {
			return nil, err
		}
	}
	specs, err := filepath.Glob(filepath.Join(escape(dir), "*.cue"))
	if err != nil {
		return nil, err
	}
	if len(specs) == 0 {
		v.want[filepath.Join(dir, "experiment.cue")] = starter
	}
	return v.write()
}

// escape quotes what Glob would take for a pattern.
func escape(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}

// vendoring is what Init means to write.
type vendoring struct {
	force   bool
	want    map[string][]byte // by path
	known   map[string]string // sums of what an earlier Init wrote, by path
	dropped []string          // files of an earlier version
}

// language adds the language's files, and drops those of an earlier version.
func (v *vendoring) language(dir string) error {
	var err error
	if v.known, err = readSums(dir); err != nil {
		return err
	}
	entries, err := fs.ReadDir(language.Files, ".")
	if err != nil {
		return err
	}
	var list bytes.Buffer
	for _, e := range entries {
		text, err := fs.ReadFile(language.Files, e.Name())
		if err != nil {
			return err
		}
		v.want[filepath.Join(dir, e.Name())] = text
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(text), e.Name())
	}
	for path, sum := range v.known {
		if text, err := os.ReadFile(path); v.want[path] == nil && err == nil && fmt.Sprintf("%x", sha256.Sum256(text)) == sum {
			v.dropped = append(v.dropped, path)
		}
	}
	slices.Sort(v.dropped)
	v.want[filepath.Join(dir, sums)] = list.Bytes()
	v.known[filepath.Join(dir, sums)] = "" // is never anybody else's
	return nil
}

func readSums(dir string) (map[string]string, error) {
	out := map[string]string{}
	text, err := os.ReadFile(filepath.Join(dir, sums))
	if errors.Is(err, fs.ErrNotExist) {
		return out, nil
	}
	for line := range strings.Lines(string(text)) {
		if sum, name, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && name == filepath.Base(name) {
			out[filepath.Join(dir, name)] = sum
		}
	}
	return out, err
}

// write writes what is wanted, or nothing where a file is somebody's.
func (v *vendoring) write() ([]Written, error) {
	var done []Written
	var refused []string
	for _, path := range slices.Sorted(maps.Keys(v.want)) {
		old, err := os.ReadFile(path)
		switch sum, ours := v.known[path]; {
		case errors.Is(err, fs.ErrNotExist):
			done = append(done, Written{path, "wrote"})
		case err != nil:
			return nil, err
		case bytes.Equal(old, v.want[path]):
			done = append(done, Written{path, "kept"})
		case v.force, ours && (sum == "" || sum == fmt.Sprintf("%x", sha256.Sum256(old))):
			done = append(done, Written{path, "updated"})
		default:
			refused = append(refused, path)
		}
	}
	if len(refused) > 0 {
		return nil, fmt.Errorf("nothing is written, since these files were changed: %s; --force overwrites them", strings.Join(refused, ", "))
	}
	for _, w := range done {
		if w.Did == "kept" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(w.Path), 0o755); err != nil {
			return nil, err
		}
		if err := renameio.WriteFile(w.Path, v.want[w.Path], 0o644); err != nil {
			return nil, err
		}
	}
	for _, path := range v.dropped {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		done = append(done, Written{path, "removed"})
	}
	return done, nil
}
