package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/runtime/engine"
	"runspec/runtime/engine/xla"
)

// limits are what a device can do at best.
type limits struct{ flops, bytes float64 } // FLOP/s of dense bfloat16, byte/s

// datasheets are NVIDIA's figures by the name that the driver gives a device. Data
// sheets of Hopper give bfloat16 with sparsity, twice what dense products reach:
// "NVIDIA H200 Tensor Core GPU" (SXM: 1,979 TFLOP/s sparse, 4.8 TB/s), "NVIDIA
// H100 Tensor Core GPU" (SXM: 1,979, 3.35; PCIe: 1,513, 2), "NVIDIA A100 Tensor
// Core GPU" (312 dense; 1.555 with 40 GB; with 80 GB 2.039 for SXM and 1.935 for
// PCIe). Parts of a device (MIG) have names of their own.
var datasheets = map[string]limits{
	"NVIDIA H200":           {989e12, 4.8e12},
	"NVIDIA H100 80GB HBM3": {989e12, 3.35e12}, // SXM
	"NVIDIA H100 PCIe":      {756e12, 2e12},
	"NVIDIA A100-SXM4-80GB": {312e12, 2.039e12},
	"NVIDIA A100 80GB PCIe": {312e12, 1.935e12},
	"NVIDIA A100-SXM4-40GB": {312e12, 1.555e12},
	"NVIDIA A100-PCIE-40GB": {312e12, 1.555e12},
}

// groups times the step's operations one by one, and adds them up by what they
// are and at which resolution they work.
func (b *bench) groups(c nnunet.Configuration, d nnunet.Dataset) (Figure, error) {
	_, p, err := program(c, d)
	if err != nil {
		return Figure{}, err
	}
	e, err := b.device.Executor(p, b.device.Precision(), filepath.Join(b.work, "executables"))
	if err != nil {
		return Figure{}, err
	}
	defer e.Close()
	x, ok := e.(*xla.Executor)
	if !ok {
		return Figure{}, errors.New("the executor cannot be looked into")
	}
	_, runs := b.repeats()
	costs, err := x.Profile(runs)
	if err != nil {
		return Figure{}, err
	}
	return b.add(costs)
}

// add adds costs up: milliseconds, and those of the device's limits.
func (b *bench) add(costs []xla.Cost) (Figure, error) {
	f := Figure{Values: map[string]float64{}}
	best, known := datasheets[b.device.Kind] // of a device that is not known no limit is told
	var errs []error
	for _, c := range costs {
		if c.Err != nil {
			errs = append(errs, fmt.Errorf("%T of %v: %w", c.Op, c.In, c.Err))
			continue
		}
		name, n := family(c.Op)+" "+resolution(c), float64(c.Count)
		f.Values[name+" ms"] += 1000 * n * c.Seconds
		if known {
			f.Values[name+" limit"] += 1000 * n * max(flops(c)/best.flops, c.Bytes/best.bytes)
		}
	}
	if len(errs) > 0 {
		f.Words = map[string]string{"not timed": errors.Join(errs...).Error()}
	}
	return f, nil
}

// family is the kind of an operation.
func family(op engine.Op) string {
	switch op.(type) {
	case engine.Convolution, engine.ConvolutionInput, engine.ConvolutionWeight, engine.BiasGradient:
		return "convolution"
	case engine.Transposed, engine.TransposedInput, engine.TransposedWeight:
		return "transposed"
	case engine.Moments, engine.Normalise, engine.NormaliseSums, engine.NormaliseInput:
		return "norm"
	}
	return "other"
}

// resolution is the largest grid that an operation reads or writes.
func resolution(c xla.Cost) string {
	var grid []int
	for _, s := range append(slices.Clone(c.In), c.Shape) {
		if len(s) == 5 && !weights(c, s) && engine.Size(s[1:4]) > engine.Size(grid) || grid == nil && len(s) == 5 {
			grid = s[1:4]
		}
	}
	if grid == nil {
		return "statistics"
	}
	return fmt.Sprintf("%d×%d×%d", grid[0], grid[1], grid[2])
}

// weights says whether a shape is a convolution's weights, (O, I, D, H, W).
func weights(c xla.Cost, s []int) bool {
	switch c.Op.(type) {
	case engine.ConvolutionWeight, engine.TransposedWeight:
		return slices.Equal(s, c.Shape)
	case engine.Convolution, engine.ConvolutionInput, engine.Transposed, engine.TransposedInput:
		return len(c.In) > 1 && slices.Equal(s, c.In[1])
	}
	return false
}

// flops are those of an operation's products and sums: a convolution's multiply
// each voxel of the lower resolution with every weight.
func flops(c xla.Cost) float64 {
	size := func(s []int) float64 { return float64(engine.Size(s)) }
	switch c.Op.(type) {
	case engine.Convolution:
		return 2 * size(c.Shape[:4]) * size(c.In[1])
	case engine.ConvolutionInput:
		return 2 * size(c.In[0][:4]) * size(c.In[1])
	case engine.ConvolutionWeight:
		return 2 * size(c.In[1][:4]) * size(c.Shape)
	case engine.Transposed:
		return 2 * size(c.In[0][:4]) * size(c.In[1])
	case engine.TransposedInput:
		return 2 * size(c.Shape[:4]) * size(c.In[1])
	case engine.TransposedWeight:
		return 2 * min(size(c.In[0][:4]), size(c.In[1][:4])) * size(c.Shape)
	}
	return 0
}
