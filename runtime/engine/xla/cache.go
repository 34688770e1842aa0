package xla

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"runspec/runtime/durable"
	"runspec/runtime/engine/xla/pjrt"
)

// compiler compiles modules, each once for a program text, flags, plug-in and
// kind of device: rungs, folds and later processes take what an earlier one has
// left in a folder. A folder that can't be read or written costs time, nothing else.
type compiler struct {
	client *pjrt.Client
	kind   string // of the device
	flags  []pjrt.Flag
	folder string // "": nothing is kept
}

func (c compiler) compile(module string) (*pjrt.Executable, error) {
	path := c.path(module)
	if x := c.load(path); x != nil {
		return x, nil
	}
	x, err := c.client.Compile(module, c.flags...)
	if err == nil {
		c.keep(path, x)
	}
	return x, err
}

// path is the file of a module's executable, or "".
func (c compiler) path(module string) string {
	build, err := c.client.Plugin().Build()
	if c.folder == "" || err != nil {
		return ""
	}
	h := sha256.New()
	for _, part := range []string{build, c.client.Platform, c.kind, fmt.Sprint(c.flags), module} {
		fmt.Fprintf(h, "%d\x00%s", len(part), part)
	}
	return filepath.Join(c.folder, hex.EncodeToString(h.Sum(nil))+".pjrt")
}

// load takes an executable from its file; nil where there is none that works.
func (c compiler) load(path string) *pjrt.Executable {
	if path == "" {
		return nil
	}
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	x, err := c.client.Load(bytes)
	if err != nil { // of a plug-in that cannot read its own bytes back
		return nil
	}
	return x
}

// keep puts an executable into its file.
func (c compiler) keep(path string, x *pjrt.Executable) {
	if path == "" {
		return
	}
	bytes, err := x.Serialize()
	if err != nil || os.MkdirAll(c.folder, 0o755) != nil {
		return
	}
	durable.Write(path, bytes) // else it is compiled again
}
