package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"runspec/runtime/accelerator"
	"runspec/runtime/machine"
)

// setting is what figures are measured on. Those of two are not mixed.
type setting struct {
	Device accelerator.Device `json:"device"`
	Plugin plugin             `json:"plugin"`
	Driver string             `json:"driver"`
	Small  bool               `json:"small,omitempty"` // toy sizes
}

// other says in which way a setting is another than that of figures that are
// there; "" where it is not.
func (s setting) other(there setting) string {
	switch {
	case there.Device.Kind == "": // there are none
	case s.Device.Kind != there.Device.Kind:
		return fmt.Sprintf("of %s, this is %s", there.Device.Kind, s.Device.Kind)
	case s.Small && !there.Small:
		return "of real sizes, with -small they would be toys"
	case !s.Small && there.Small:
		return "of toy sizes, from -small"
	case !s.Plugin.same(there.Plugin):
		return fmt.Sprintf("by %s, this is %s", there.Plugin, s.Plugin)
	}
	return ""
}

// plugin is a plug-in with what tells its versions apart.
type plugin struct {
	accelerator.Plugin
	Size  int64  `json:"size"`            // of its file, bytes
	Wheel string `json:"wheel,omitempty"` // that brought it, "jax_cuda13_pjrt-0.11.2"; "": unknown
}

// same says whether two are one version, wherever each lies.
func (p plugin) same(q plugin) bool { return p.Size == q.Size && p.Wheel == q.Wheel }

func (p plugin) String() string {
	name := p.Wheel
	if name == "" {
		name = filepath.Base(p.Path)
	}
	return fmt.Sprintf("%s (%d bytes, from %s)", name, p.Size, p.From)
}

// installed looks at a plug-in's file.
func installed(p accelerator.Plugin) (plugin, error) {
	path, err := filepath.Abs(p.Path)
	if err != nil {
		return plugin{}, err
	}
	file, err := os.Stat(path)
	if err != nil {
		return plugin{}, err
	}
	return plugin{p, file.Size(), wheel(path)}, nil
}

// wheel is the Python wheel that brought a file, with its version, or "": beside
// what a wheel brings lies a folder whose RECORD lists it.
func wheel(path string) string {
	for site := filepath.Dir(path); site != filepath.Dir(site); site = filepath.Dir(site) {
		name, _ := filepath.Rel(site, path) // it lies below
		records, _ := filepath.Glob(filepath.Join(site, "*.dist-info", "RECORD"))
		for _, r := range records {
			text, _ := os.ReadFile(r)
			if bytes.Contains(append([]byte("\n"), text...), []byte("\n"+filepath.ToSlash(name)+",")) {
				folder := filepath.Base(filepath.Dir(r))
				return folder[:len(folder)-len(".dist-info")]
			}
		}
	}
	return ""
}

// commit is what the script pack built this command from: it has the linker set it,
// since Go leaves git's second working trees unread.
var commit string

// revision is git's commit of the source, "-dirty" behind it where the source had
// changes; "" where it is not known.
func revision() string {
	b := machine.Program()
	switch {
	case commit != "":
		return commit
	case b.Dirty:
		return b.Commit + "-dirty"
	}
	return b.Commit
}
