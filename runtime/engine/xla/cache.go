package xla

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runspec/runtime/durable"
	"runspec/runtime/engine/xla/pjrt"
)

// compiler compiles modules, each once for a program text, flags, plug-in with its
// libraries, and kind of device: rungs, folds and later processes take what an
// earlier one has left in a folder. A folder that can't be read or written, and
// files in it that have changed since, cost time, nothing else.
type compiler struct {
	client    *pjrt.Client
	kind      string // of the device
	flags     []pjrt.Flag
	libraries string // that compiled programs call, by version or file
	folder    string // "": nothing is kept
}

func (c compiler) compile(module string) (*pjrt.Executable, error) {
	path := c.path(module)
	if x := c.load(path); x != nil {
		return x, nil
	}
	x, err := withoutFusion(c.flags, func(flags []pjrt.Flag) (*pjrt.Executable, error) { return c.client.Compile(module, flags...) })
	if err == nil {
		c.keep(path, x)
	}
	return x, err
}

// withoutFusion compiles, and once more with convolutions apart from what follows
// them where cuDNN has no way to compute the two in one: versions of it differ in
// the layouts and channels that they take.
func withoutFusion[T any](flags []pjrt.Flag, compile func([]pjrt.Flag) (T, error)) (T, error) {
	x, first := compile(flags)
	if first == nil || !strings.Contains(first.Error(), "Autotun") { // XLA's autotuner found nothing
		return x, first
	}
	x, err := compile(append(slices.Clip(flags), pjrt.Flag{Name: "xla_disable_hlo_passes", Value: "cudnn-fused-convolution-rewriter"}))
	if err != nil {
		err = errors.Join(first, err)
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
	for _, part := range []string{build, c.libraries, c.client.Platform, c.kind, fmt.Sprint(c.flags), module} {
		fmt.Fprintf(h, "%d\x00%s", len(part), part)
	}
	return filepath.Join(c.folder, hex.EncodeToString(h.Sum(nil))+".pjrt")
}

// load takes an executable from its file; nil where there is none that works.
func (c compiler) load(path string) *pjrt.Executable {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil || len(text) < sha256.Size {
		return nil
	}
	sum, code := text[:sha256.Size], text[sha256.Size:]
	if !bytes.Equal(sum, checksum(path, code)) { // a plug-in might run it all the same
		return nil
	}
	x, err := c.client.Load(code)
	if err != nil { // of a plug-in that cannot read its own bytes back
		return nil
	}
	return x
}

// keep puts an executable into its file, behind its checksum.
func (c compiler) keep(path string, x *pjrt.Executable) {
	if path == "" {
		return
	}
	code, err := x.Serialize()
	if err != nil || os.MkdirAll(c.folder, 0o755) != nil {
		return
	}
	durable.Write(path, append(checksum(path, code), code...)) // else it is compiled again
}

// checksum is of compiled code as that of the module which its file is named by.
func checksum(path string, code []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00", filepath.Base(path))
	h.Write(code)
	return h.Sum(nil)
}
