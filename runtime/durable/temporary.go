package durable

import (
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"runspec/runtime/process"
)

// mark begins the temporary names, behind the dot that hides them.
const mark = ".~"

var parts = regexp.MustCompile(`^\.~.*~([0-9a-f]{8})~(\d+)~(\d+)~[0-9a-f]+$`)

// place is the host, container and boot that a process number holds in.
func place(p process.Process) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s\x00%s\x00%s", p.Host, p.Namespace, p.Boot)
	return fmt.Sprintf("%08x", h.Sum32())
}

// temporary is a name beside path that says who uses it.
func temporary(path string) string {
	p := process.Self()
	base := filepath.Base(path)
	base = base[:min(len(base), 100)] // a name has room for 255 bytes
	return filepath.Join(filepath.Dir(path), fmt.Sprintf("%s%s~%s~%d~%d~%x", mark, base, place(p), p.PID, p.Start, rand.Uint32()))
}

// TempDir makes a folder beside path, to be filled and renamed to it.
func TempDir(path string) (string, error) {
	if err := fault(OpCreate, path); err != nil {
		return "", err
	}
	dir := temporary(path)
	return dir, os.Mkdir(dir, 0o755)
}

// elsewhere is how old the temporary file of a process must be that cannot be
// seen from here before it counts as left over.
const elsewhere = 24 * time.Hour

// Temporary says whether a file's name is one of this package's temporary ones.
func Temporary(name string) bool { return strings.HasPrefix(filepath.Base(name), mark) }

// Sweep removes what killed processes left under temporary names in a folder,
// and in the folders below it down to a depth; 0 is the folder alone. What
// cannot be removed stays.
func Sweep(dir string, depth int) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case Temporary(path):
			if abandoned(e) {
				os.RemoveAll(path)
			}
		case e.IsDir() && depth > 0:
			Sweep(path, depth-1)
		}
	}
}

// abandoned says whether nobody writes a temporary file any more.
func abandoned(e fs.DirEntry) bool {
	m := parts.FindStringSubmatch(e.Name())
	if m == nil {
		return false
	}
	p := process.Self()
	if m[1] != place(p) {
		info, err := e.Info()
		return err == nil && time.Since(info.ModTime()) > elsewhere
	}
	p.PID, _ = strconv.Atoi(m[2])
	p.Start, _ = strconv.ParseUint(m[3], 10, 64)
	return p.State() == process.Gone
}
