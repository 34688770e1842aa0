package accelerator

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// XLA's plug-in for CUDA needs two things that its wheel does not bring: an
// assembler and a library of device functions, both of CUDA's toolkit.
var (
	assembler     = filepath.Join("bin", "ptxas")
	deviceLibrary = filepath.Join("nvvm", "libdevice", "libdevice.10.bc")
)

// packages is the folder of wheels that a plug-in's lies in.
func packages(plugin string) string { return filepath.Dir(filepath.Dir(filepath.Dir(plugin))) }

// toolkit is a folder with CUDA's tools, or "": that of the wheels beside a
// plug-in, else one that the environment or the system has.
func toolkit(plugin string) string {
	site := packages(plugin)
	dirs := []string{filepath.Join(site, "nvidia", "cu13"), filepath.Join(site, "nvidia", "cuda_nvcc")}
	for _, name := range []string{"CUDA_HOME", "CUDA_PATH", "CUDA_DIR"} {
		if dir := os.Getenv(name); dir != "" {
			dirs = append(dirs, dir)
		}
	}
	if nvcc, err := exec.LookPath("nvcc"); err == nil {
		if real, err := filepath.EvalSymlinks(nvcc); err == nil {
			dirs = append(dirs, filepath.Dir(filepath.Dir(real)))
		}
	}
	for _, dir := range append(dirs, "/usr/local/cuda", "/opt/cuda") {
		if isFile(filepath.Join(dir, assembler)) && isFile(filepath.Join(dir, deviceLibrary)) {
			return dir
		}
	}
	return ""
}

func isFile(path string) bool {
	at, err := os.Stat(path)
	return err == nil && at.Mode().IsRegular()
}

// libraries names the libraries of cuDNN beside a plug-in as they are now. A
// compiled program names the kernels that one build of them has.
func libraries(plugin string) string {
	list, _ := filepath.Glob(filepath.Join(packages(plugin), "nvidia", "cudnn", "lib", "libcudnn*.so*")) // the pattern is good
	var out []string
	for _, path := range list {
		if at, err := os.Stat(path); err == nil {
			out = append(out, fmt.Sprintf("%s %d %d", filepath.Base(path), at.Size(), at.ModTime().UnixNano()))
		}
	}
	return strings.Join(out, ", ")
}
