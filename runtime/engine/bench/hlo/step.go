package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla"
	"runspec/runtime/engine/xla/hlo"
	"runspec/runtime/engine/xla/pjrt"
)

// try compiles one network's step, prints what it found, and says what does not
// hold.
func (s settings) try(n network, t *pjrt.Topology) error {
	p, err := n.program()
	if err != nil {
		return err
	}
	text, err := xla.StepModule(p, engine.Precision(s.precision))
	if err != nil {
		return err
	}
	if err := s.store(n.name+".mlir", []byte(text)); err != nil {
		return err
	}
	start := time.Now()
	m, memory, err := s.compile(n.name, t, text)
	if err != nil {
		return err
	}
	f := examine(m, p)
	f.memory = memory
	if f.estimate, err = n.estimate(engine.Precision(s.precision)); err != nil {
		return err
	}
	if engine.Precision(s.precision) == engine.FP32 { // in which all is float32, and twice as large
		f.wide, n.ideal, n.budget = nil, 2*n.ideal, 2*n.budget
	}
	f.print(n, time.Since(start))
	list(m, s.list)
	return f.verdict(n)
}

// file compiles a module of the user's own and lists its kernels.
func (s settings) file(path string, t *pjrt.Topology) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	m, memory, err := s.compile(strings.TrimSuffix(filepath.Base(path), ".mlir"), t, string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	fmt.Printf("\n%s: %d kernels move %.1f MB, and hold %.1f MB\n", path, len(m.Kernels()), float64(m.Bytes())/1e6, float64(memory.Total())/1e6)
	list(m, len(m.Kernels()))
	return nil
}

func (s settings) compile(name string, t *pjrt.Topology, text string) (*hlo.Module, pjrt.Footprint, error) {
	var none pjrt.Footprint
	flags := append(xla.GPUFlags(),
		pjrt.Flag{Name: "xla_gpu_autotune_level", Value: "0"}, // there is no GPU to time on
		pjrt.Flag{Name: "xla_gpu_cuda_data_dir", Value: s.cuda})
	c, err := t.Compile(text, append(flags, s.flags...)...)
	if err != nil {
		return nil, none, err
	}
	defer c.Close()
	code, format, err := c.Optimized()
	if err != nil {
		return nil, none, err
	}
	if err := s.store(name+".hlo.pb", code); err != nil {
		return nil, none, err
	}
	memory, err := c.Footprint()
	if err != nil {
		return nil, none, err
	}
	m, err := hlo.Read(code, format)
	return m, memory, err
}

// store keeps a file, if a folder was named for it.
func (s settings) store(name string, data []byte) error {
	if s.keep == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(s.keep, name), data, 0o666)
}

// findings are what the optimised program shows.
type findings struct {
	kernels      int
	bytes        int64
	memory       pjrt.Footprint
	estimate     int64          // of memory, the plan's
	convolutions map[string]int // by kind
	unknown      []hlo.Kernel   // convolutions of no kind of cuDNN's, or not channels last
	relayouts    []hlo.Kernel
	wide         []hlo.Kernel // float32 of activation size
	filters      int          // gradients by weights that the program should have
	masks        int64        // bytes of booleans of activation size
}

// examine reads a step's program.
func examine(m *hlo.Module, p *engine.Program) findings {
	sizes := activations(p)
	filters := 0
	for _, n := range p.Train.Nodes {
		switch n.Op.(type) {
		case engine.ConvolutionWeight, engine.TransposedWeight:
			filters++
		}
	}
	f := findings{kernels: len(m.Kernels()), bytes: m.Bytes(), convolutions: map[string]int{}, filters: filters}
	for _, c := range m.Convolutions() {
		f.convolutions[c.Kind]++
		if c.Kind == "" || (c.Labels != "b012f_o012i->b012f" && c.Labels != "b01f_o01i->b01f") {
			f.unknown = append(f.unknown, c.Kernel)
		}
	}
	f.relayouts = m.Relayouts(sizes)
	f.wide = m.AtRest("f32", sizes)
	for _, k := range m.AtRest("pred", sizes) {
		f.masks += k.Shape.Bytes()
	}
	return f
}

// small is the size in elements below which an array is not looked at: it never
// leaves a GPU's cache.
const small = 1 << 18

// activations are the sizes of a step's activations and their gradients: of
// whatever lies as (N, D, H, W, C), is neither a weight nor the image, and is not
// small.
func activations(p *engine.Program) (sizes []hlo.Size) {
	for _, n := range p.Train.Nodes {
		switch n.Op.(type) {
		case engine.Image, engine.ParameterInput, engine.ConvolutionWeight, engine.TransposedWeight:
			continue
		}
		if len(n.Shape) != 5 || n.Shape[0] != p.Batch {
			continue
		}
		x := hlo.Size{Elements: int64(engine.Size(n.Shape)), Channels: int64(n.Shape[4])}
		if x.Elements >= small && !slices.Contains(sizes, x) {
			sizes = append(sizes, x)
		}
	}
	return sizes
}

// copied is what an H200 was measured to move in a plain copy, TB/s (read and
// written; section 1 of the project's guide/gpu.md); its data sheet says 4.8.
const copied = 4.3

func (f findings) print(n network, took time.Duration) {
	gb := float64(f.bytes) / 1e9
	fmt.Printf("\n%s: compiled in %.0f s\n", n.title, took.Seconds())
	fmt.Printf("  kernels                       %d\n", f.kernels)
	fmt.Printf("  bytes moved                   %.2f GB (budget %.2f", gb, n.budget)
	if n.ideal > 0 {
		fmt.Printf(", ideal %.2f", n.ideal)
	}
	fmt.Printf("; %.2f ms at %.1f TB/s)\n", gb/copied, copied)
	fmt.Printf("  memory                        %.2f GB, of it %.2f temporary (the plan's estimate %.2f)\n",
		float64(f.memory.Total())/1e9, float64(f.memory.Temporary)/1e9, float64(f.estimate)/1e9)
	fmt.Printf("  convolutions                  %d forward, %d backward-input, %d backward-filter\n",
		f.convolutions["forward"], f.convolutions["backward-input"], f.convolutions["backward-filter"])
	for _, x := range []struct {
		name string
		list []hlo.Kernel
	}{
		{"convolutions of no such kind", f.unknown},
		{"activations transposed", f.relayouts},
		{"fp32 of activation size", f.wide},
	} {
		fmt.Printf("  %-29s %d\n", x.name, len(x.list))
		for _, k := range x.list {
			fmt.Printf("    %s\n", line(k))
		}
	}
	fmt.Printf("  masks of activation size      %.2f GB\n", float64(f.masks)/1e9)
}

// verdict is nil where everything holds.
func (f findings) verdict(n network) error {
	var errs []error
	for what, list := range map[string][]hlo.Kernel{
		"convolutions of none of cuDNN's kinds": f.unknown, "transposed activations": f.relayouts,
		"float32 tensors of activation size": f.wide,
	} {
		if len(list) > 0 {
			errs = append(errs, fmt.Errorf("%d %s", len(list), what))
		}
	}
	if n := f.convolutions["backward-filter"]; n != f.filters {
		errs = append(errs, fmt.Errorf("%d gradients by weights reach cuDNN as such, of %d", n, f.filters))
	}
	if gb := float64(f.bytes) / 1e9; gb > n.budget {
		errs = append(errs, fmt.Errorf("%.2f GB are moved, the budget is %.2f", gb, n.budget))
	}
	return errors.Join(errs...)
}

// list prints the kernels that move most.
func list(m *hlo.Module, count int) {
	kernels := m.Kernels()
	slices.SortStableFunc(kernels, func(a, b hlo.Kernel) int { return int(b.Bytes() - a.Bytes()) })
	for _, k := range kernels[:min(count, len(kernels))] {
		fmt.Println("  " + line(k))
	}
}

func line(k hlo.Kernel) string {
	what := k.Target + k.FusionKind
	if k.Labels != "" {
		what += " " + k.Labels
	}
	return fmt.Sprintf("%8.1f MB (%.1f read) %s %s %s %s", float64(k.Bytes())/1e6, float64(k.Read)/1e6, k.Name, k.Opcode, what, k.Shape)
}
