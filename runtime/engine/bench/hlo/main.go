// Command hlo compiles whole training steps for an NVIDIA H200 without having
// one, and reads in the optimised program what decides their speed: layouts,
// kinds of convolutions, float32 tensors between kernels, bytes moved.
//
//	go run ./runtime/engine/bench/hlo -plugin xla_cuda_plugin.so [-cuda DIR] [NETWORK …]
//	go run ./runtime/engine/bench/hlo -plugin xla_cuda_plugin.so FILE.mlir …
//
// A file is a StableHLO module of one's own, whose kernels are listed. The plug-in
// is that of the wheel jax-cuda13-pjrt; DIR has bin/ptxas of nvidia-cuda-nvcc and
// nvvm/libdevice of nvidia-nvvm. A network that does not hold what
// results/2026-11-25-hlo.md promises makes the exit code 1.
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// h200 is XLA's description of the device (xla/backends/gpu/target_config/specs).
//
//go:embed h200.txtpb
var h200 string

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "hlo:", err)
		os.Exit(1)
	}
}

// settings are the command line's.
type settings struct {
	plugin, cuda, target, precision, keep string
	list                                  int
	flags                                 []pjrt.Flag
}

func run(args []string) error {
	var s settings
	set := flag.NewFlagSet("hlo", flag.ContinueOnError)
	set.StringVar(&s.plugin, "plugin", os.Getenv("RUNSPEC_PJRT"), "path of the CUDA plug-in")
	set.StringVar(&s.cuda, "cuda", "", "folder with bin/ptxas (default: nvidia/cu13 beside the plug-in's package)")
	set.StringVar(&s.target, "target", "", "file of another device's target_config than the H200's")
	set.StringVar(&s.precision, "precision", string(engine.BF16), "fp32, bf16 or fp16")
	set.StringVar(&s.keep, "keep", "", "folder for the StableHLO and the optimised program of each network")
	set.IntVar(&s.list, "list", 0, "print so many kernels, those that move most first")
	set.Func("flag", "name=value of an XLA flag; may be repeated", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("it is written name=value")
		}
		s.flags = append(s.flags, pjrt.Flag{Name: name, Value: value})
		return nil
	})
	if err := set.Parse(args); err != nil {
		return err
	}
	return s.run(set.Args())
}

func (s settings) run(names []string) error {
	if s.plugin == "" {
		return errors.New("no plug-in: name xla_cuda_plugin.so of the wheel jax-cuda13-pjrt with -plugin")
	}
	if s.cuda == "" {
		s.cuda = filepath.Join(filepath.Dir(s.plugin), "../../nvidia/cu13")
	}
	files, names := modules(names)
	for _, name := range names {
		if !slices.Contains(named(), name) {
			return fmt.Errorf("there is no network %q; there are %s", name, strings.Join(named(), ", "))
		}
	}
	topology, err := s.topology()
	if err != nil {
		return err
	}
	defer topology.Close()
	var failed []error
	for _, file := range files {
		failed = append(failed, s.file(file, topology))
	}
	for _, n := range networks {
		if len(names)+len(files) > 0 && !slices.Contains(names, n.name) {
			continue
		}
		if err := s.try(n, topology); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", n.name, err))
		}
	}
	return errors.Join(failed...)
}

// modules separates files from names of networks.
func modules(list []string) (files, names []string) {
	for _, x := range list {
		if filepath.Ext(x) == ".mlir" {
			files = append(files, x)
		} else {
			names = append(names, x)
		}
	}
	return files, names
}

func (s settings) topology() (*pjrt.Topology, error) {
	target := h200
	if s.target != "" {
		text, err := os.ReadFile(s.target)
		if err != nil {
			return nil, err
		}
		target = string(text)
	}
	p, err := pjrt.Load(s.plugin)
	if err != nil {
		return nil, err
	}
	t, err := p.NewTopology("h200", pjrt.Option{Name: "target_config", Value: target}, pjrt.Option{Name: "topology", Value: "1x1x1"})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.plugin, err)
	}
	return t, nil
}
