package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"runspec/compiler/plan"
	"runspec/runtime/durable"
)

// FetchOptions say where data sets are looked for and kept.
type FetchOptions struct {
	SpecDir  string                  // what a folder's path is relative to; "": where the program runs
	DataDir  string                  // folder of data sets, or one of them; "": none
	CacheDir string                  // where downloads and phantoms are kept; must be given for these
	Progress func(done, total int64) // bytes of a download; total is -1 where unknown; may be nil
	Client   *http.Client            // nil: http.DefaultClient
	Offline  bool                    // what would have to be downloaded is ErrNotAtHand
}

// ErrNotAtHand is a data set that would have to be downloaded, which
// FetchOptions.Offline forbids.
var ErrNotAtHand = errors.New("the data set is not at hand; give --data, or run the experiment to have it downloaded")

// Fetch gives the folder of a source's data set, in a layout that Open reads.
//
// A Decathlon task is looked for in DataDir (as DataDir/TASK, or DataDir itself),
// then in the cache, and else downloaded there: a broken transfer resumes, a
// wrong checksum keeps the archive aside and stops, and the folder appears only
// when it is complete. Phantoms are made in the cache under the digest of their
// description. A folder is used as it is.
func Fetch(ctx context.Context, s plan.Source, o FetchOptions) (dir string, err error) {
	switch s.Kind {
	case plan.Folder:
		return findFolder(s.Path, o.SpecDir, o.DataDir)
	case plan.Phantoms:
		dir, err = fetchPhantom(ctx, s, o)
	case plan.Decathlon:
		dir, err = fetchDecathlon(ctx, s, o)
	default:
		return "", fmt.Errorf("fetch: there is no kind of data source %q", s.Kind)
	}
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", firstOf(s.Task, string(s.Kind)), err)
	}
	return dir, nil
}

func firstOf(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// findFolder takes an absolute path as it is, any other relative to the spec or
// to the data folder.
func findFolder(path, specDir, dataDir string) (string, error) {
	candidates := []string{path}
	if !filepath.IsAbs(path) {
		candidates[0] = filepath.Join(specDir, path)
		if dataDir != "" {
			candidates = append(candidates, filepath.Join(dataDir, path))
		}
	}
	for _, c := range candidates {
		if info, err := os.Stat(c); err == nil && info.IsDir() {
			return c, nil
		}
	}
	return "", fmt.Errorf("fetch: there is no folder %s: correct the path of the data set, or give --data", strings.Join(candidates, " or "))
}

func fetchPhantom(ctx context.Context, s plan.Source, o FetchOptions) (string, error) {
	if s.Phantom == nil {
		return "", errors.New("the source does not say which phantoms to make")
	}
	digest, err := jsonDigest(struct {
		Version string
		Phantom plan.Phantom
	}{phantomVersion, *s.Phantom})
	if err != nil {
		return "", err
	}
	dir := filepath.Join(o.CacheDir, "phantoms", digest[:16])
	return once(ctx, dir, func() error { return WritePhantom(ctx, dir, *s.Phantom) })
}

// once makes a folder unless it is there. A lock beside it keeps a second process
// from doing the same work at the same time.
func once(ctx context.Context, dir string, fill func() error) (string, error) {
	if isDir(dir) {
		return dir, nil
	}
	if !filepath.IsAbs(dir) {
		return "", errors.New("no cache folder is set, and there is nowhere else to keep the data set")
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("%w: choose a cache folder that can be written to", err)
	}
	release, err := lock(ctx, filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+".lock"))
	if err != nil {
		return "", fmt.Errorf("wait for another process that is making %s: %w", dir, err)
	}
	defer release()
	if isDir(dir) { // another process has made it meanwhile
		return dir, nil
	}
	durable.Sweep(filepath.Dir(dir), 0)
	return dir, fill()
}

// lock waits for a lock file, which release removes. Who waited for a file that
// has been removed since begins again.
func lock(ctx context.Context, path string) (release func(), err error) {
	for {
		l := flock.New(path)
		if _, err := l.TryLockContext(ctx, lockPause); err != nil {
			return nil, err
		}
		mine, err := l.Stat()
		if there, e := os.Stat(path); err == nil && e == nil && os.SameFile(mine, there) {
			return func() {
				os.Remove(path)
				l.Close()
			}, nil
		}
		l.Close()
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func fetchDecathlon(ctx context.Context, s plan.Source, o FetchOptions) (string, error) {
	if s.Task == "" || s.Task != filepath.Base(s.Task) || s.Task == ".." || s.Task == "." {
		return "", fmt.Errorf("%q is no task's name, such as Task04_Hippocampus", s.Task)
	}
	if o.DataDir != "" {
		if !isDir(o.DataDir) {
			return "", fmt.Errorf("there is no folder %s: correct --data or RUNSPEC_DATA", o.DataDir)
		}
		for _, dir := range []string{filepath.Join(o.DataDir, s.Task), o.DataDir} {
			if holdsTask(dir, s.Task) {
				return dir, nil
			}
		}
	}
	dir := filepath.Join(o.CacheDir, "decathlon", s.Task)
	if !isDir(dir) && s.URL == "" {
		return "", fmt.Errorf("the data set is neither in %q nor in %s, and the source has no URL: give --data", o.DataDir, dir)
	}
	if o.Offline && !isDir(dir) {
		return "", ErrNotAtHand
	}
	return once(ctx, dir, func() error {
		archive := dir + ".tar"
		if err := download(ctx, s.URL, s.MD5, archive, o); err != nil {
			return err
		}
		if err := unpackTask(ctx, archive, s.Task, dir); err != nil {
			return err
		}
		return os.Remove(archive)
	})
}

// holdsTask says whether dir is a task's folder: by its name, or by the name in
// its dataset.json ("Hippocampus" for Task04_Hippocampus).
func holdsTask(dir, task string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "dataset.json"))
	if err != nil {
		return false
	}
	if abs, err := filepath.Abs(dir); err == nil && filepath.Base(abs) == task {
		return true
	}
	var d struct {
		Name string `json:"name"`
	}
	_, name, _ := strings.Cut(task, "_")
	return json.Unmarshal(text, &d) == nil && name != "" && strings.EqualFold(d.Name, name)
}
