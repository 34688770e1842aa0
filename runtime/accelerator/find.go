// Package accelerator finds what trainings may run on besides processors: XLA
// plug-ins that are installed, and the devices that each gives. It opens one
// device for a training, and downloads nothing.
package accelerator

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Variable names the plug-in before all that are installed.
const Variable = "RUNSPEC_PJRT"

// ErrNoPlugin is a machine without a plug-in.
var ErrNoPlugin = errors.New("no XLA plug-in is installed")

// Plugin is a PJRT plug-in's shared library, and where it was found.
type Plugin struct {
	Path string `json:"path"`
	From string `json:"from"` // "RUNSPEC_PJRT", "the wheel jax-cuda13-pjrt"
}

// Devices are those that list tells of the plug-in; none is an error.
func (p Plugin) Devices(list func(path string) ([]Device, error)) ([]Device, error) {
	found, err := list(p.Path)
	if err == nil && len(found) == 0 {
		err = errors.New("the plug-in has no device")
	}
	return found, err
}

// wheels are the Python wheels that bring CUDA plug-ins, the newest first, and
// the place of the plug-in below site-packages.
var wheels = []struct{ name, library string }{
	{"jax-cuda13-pjrt", filepath.Join("jax_plugins", "xla_cuda13", "xla_cuda_plugin.so")},
	{"jax-cuda12-pjrt", filepath.Join("jax_plugins", "xla_cuda12", "xla_cuda_plugin.so")},
}

// Find gives the plug-in that RUNSPEC_PJRT names, else that of an installed
// wheel. One that is named and is not there is an error; where there is none,
// ErrNoPlugin. No Python is run: the folders that wheels are unpacked to are
// known.
func Find() (Plugin, error) {
	if path := os.Getenv(Variable); path != "" {
		at, err := os.Stat(path)
		if err == nil && at.IsDir() {
			err = fmt.Errorf("%s is a directory", path)
		}
		if err != nil {
			return Plugin{}, fmt.Errorf("%s names the plug-in: %w; have it name a shared library, or unset it", Variable, err)
		}
		return Plugin{path, Variable}, nil
	}
	folders := sitePackages()
	for _, w := range wheels {
		for _, dir := range folders {
			path := filepath.Join(dir, w.library)
			if _, err := os.Stat(path); err == nil {
				return Plugin{path, "the wheel " + w.name}, nil
			}
		}
	}
	return Plugin{}, ErrNoPlugin
}

// system are the roots of Pythons that are looked at behind the user's.
var system = []string{"/usr/local", "/usr", "/opt/venv", "/opt/conda"}

// sitePackages are the folders where this user's Python looks for wheels: of an
// active environment, of the python3 that is called, of the user, of the system.
func sitePackages() (dirs []string) {
	var roots []string
	for _, name := range []string{"VIRTUAL_ENV", "CONDA_PREFIX"} {
		if root := os.Getenv(name); root != "" {
			roots = append(roots, root)
		}
	}
	if python, err := exec.LookPath("python3"); err == nil {
		roots = append(roots, filepath.Dir(filepath.Dir(python)))
		if real, err := filepath.EvalSymlinks(python); err == nil {
			roots = append(roots, filepath.Dir(filepath.Dir(real)))
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		roots = append(roots, filepath.Join(home, ".local"))
	}
	for _, root := range append(roots, system...) {
		dirs = append(dirs, below(root)...)
	}
	return dirs
}

// below are the folders of wheels in an installation of Python.
func below(root string) (dirs []string) {
	versions, err := os.ReadDir(filepath.Join(root, "lib"))
	if err != nil {
		return nil
	}
	slices.Reverse(versions) // the newest first
	for _, v := range versions {
		if ok, _ := filepath.Match("python3*", v.Name()); !ok {
			continue
		}
		for _, name := range []string{"site-packages", "dist-packages"} {
			dirs = append(dirs, filepath.Join(root, "lib", v.Name(), name))
		}
	}
	return dirs
}
