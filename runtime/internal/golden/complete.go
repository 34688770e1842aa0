package golden

import (
	"flag"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"
)

// asked holds the paths that Path was asked for.
var asked sync.Map

// Complete runs a package's tests, from its TestMain, and gives the exit code. If
// all tests ran, they must have read every recording of the given topics: a
// recording that nothing is compared with proves nothing. It prints how many
// there are. Where the shared folder is absent it asks for nothing.
func Complete(m *testing.M, topics ...string) int {
	code := m.Run()
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if f := flag.Lookup(name); code != 0 || f != nil && f.Value.String() != "" {
			return code
		}
	}
	root, err := findRoot()
	if err != nil {
		return code
	}
	for _, topic := range topics {
		all, unread := recordings(filepath.Join(root, "..", "shared", "reference", "nnunet"), topic)
		fmt.Printf("reference/nnunet/%s: %d of %d recordings compared with\n", topic, all-len(unread), all)
		for _, path := range unread {
			fmt.Printf("reference/nnunet/%s: no test reads it\n", path)
			code = 1
		}
	}
	return code
}

// recordings counts the files of a topic below dir, and lists those that no test
// asked for.
func recordings(dir, topic string) (all int, unread []string) {
	filepath.WalkDir(filepath.Join(dir, topic), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "README.md" {
			return nil
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		all++
		if _, read := asked.Load(filepath.ToSlash(name)); !read {
			unread = append(unread, filepath.ToSlash(name))
		}
		return nil
	})
	return all, unread
}
