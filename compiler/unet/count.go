package unet

import "fmt"

// ParameterCount is the number of learnable scalars.
func (n Network) ParameterCount() int64 {
	var total int64
	for _, p := range n.Parameters {
		total += product(p.Shape...)
	}
	return total
}

// Divisor is what every axis (z, y, x) of a patch must be a multiple of: the
// product of the stages' strides.
func (a Architecture) Divisor() [3]int {
	d := ones
	for _, s := range a.Stages {
		for axis := range d {
			d[axis] *= s.Stride[axis]
		}
	}
	return d
}

// CheckPatch says why a cannot process a patch (z, y, x), or nil.
func (a Architecture) CheckPatch(patch [3]int) error {
	divisor := a.Divisor()
	for axis, length := range patch {
		if length < 1 || length%divisor[axis] != 0 {
			return fmt.Errorf("patch %v: axis %c must be a positive multiple of %d, the product of the strides along it",
				patch, "zyx"[axis], divisor[axis])
		}
	}
	return nil
}

// Shapes gives the size (z, y, x) in voxels of every block's output, in the
// order of Blocks, for an input patch (z, y, x). The patch has to be a
// multiple of Divisor.
func (n Network) Shapes(patch [3]int) ([][3]int, error) {
	if err := n.Architecture.CheckPatch(patch); err != nil {
		return nil, err
	}
	shapes := make([][3]int, len(n.Blocks))
	for i, b := range n.Blocks {
		size := patch
		if b.In[0] >= 0 {
			size = shapes[b.In[0]]
		}
		for axis := range size {
			switch b.Op {
			case Conv, Head, AveragePool: // odd kernels pad by half; pools divide evenly here
				size[axis] = (size[axis] + b.Stride[axis] - 1) / b.Stride[axis]
			case Transpose:
				size[axis] *= b.Stride[axis]
			}
		}
		shapes[i] = size
	}
	return shapes, nil
}

// FLOPs counts the floating-point operations of one forward pass over batch
// patches (z, y, x): two per multiply-add of every convolution, transposed
// convolution and head. Norms, activations and biases are left out (below one
// percent).
func (n Network) FLOPs(patch [3]int, batch int) (int64, error) {
	shapes, err := n.Shapes(patch)
	if err != nil {
		return 0, err
	}
	var total int64
	for i, b := range n.Blocks {
		per := 2 * int64(b.Channels[0]) * int64(b.Channels[1]) * product(shapes[i][:]...)
		switch b.Op {
		case Conv, Head:
			total += per * product(b.Kernel[:]...)
		case Transpose: // kernel = stride: each output voxel has one source voxel
			total += per
		}
	}
	return total * int64(batch), nil
}

// TrainingFLOPs counts forward and backward pass: the gradients by input and
// by weight cost as much as the forward pass each. (The first convolution
// needs no input gradient, so a measured figure lies slightly lower.)
func (n Network) TrainingFLOPs(patch [3]int, batch int) (int64, error) {
	forward, err := n.FLOPs(patch, batch)
	return 3 * forward, err
}

// FeatureMapSize is nnU-Net's estimate of a network's size for a patch: the
// number of scalars that its convolutions put out for one image, with sizes
// rounded down (compute_conv_feature_map_size of
// dynamic_network_architectures). The planner shrinks patches until this fits,
// with deepSupervision off: then only the full-resolution head counts.
func (a Architecture) FeatureMapSize(patch [3]int, deepSupervision bool) int64 {
	var total int64
	volume := func(size [3]int) int64 { return product(size[:]...) }
	size, in := patch, a.InputChannels
	if a.Encoder == Residual {
		in = a.Stages[0].Features
		total += int64(in) * volume(size) // stem
	}
	sizes := make([][3]int, len(a.Stages))
	for i, s := range a.Stages {
		for axis := range size {
			size[axis] /= s.Stride[axis]
		}
		sizes[i] = size
		convs := int64(s.Blocks)
		if a.Encoder == Residual {
			convs *= 2
			if s.Stride != ones || in != s.Features {
				convs++ // the first block's skip counts, even where it only pools
			}
		}
		total += convs * int64(s.Features) * volume(size)
		in = s.Features
	}
	for i, convs := range a.DecoderBlocks {
		level := len(a.Stages) - 2 - i
		total += int64(convs+1) * int64(a.Stages[level].Features) * volume(sizes[level]) // +1: transposed convolution
		if deepSupervision || level == 0 {
			total += int64(a.Classes) * volume(sizes[level])
		}
	}
	return total
}

// TrainingMemory estimates the bytes that one training step of our CPU
// executor holds at its peak, in float32:
//
//	4 * (batch * (kept + 2 * largest) + 3 * parameters)
//
// kept are the outputs that the backward pass reads: those of every block but
// the norms and dropouts, whose results the following activation replaces and
// which are recomputed from the convolution's output and saved statistics.
// largest is the largest feature map; two of its size hold the gradients that
// pass between blocks. Parameters come with gradient and momentum. Image,
// target and kernels' scratch space are left out.
func (n Network) TrainingMemory(batch int, patch [3]int) (int64, error) {
	kept, largest, err := n.kept(patch)
	return 4 * (int64(batch)*(kept+2*largest) + 3*n.ParameterCount()), err
}

// kept are the elements of the outputs that the backward pass reads of one patch,
// and of the largest of all.
func (n Network) kept(patch [3]int) (kept, largest int64, err error) {
	shapes, err := n.Shapes(patch)
	if err != nil {
		return 0, 0, err
	}
	for i, b := range n.Blocks {
		size := int64(b.Channels[1]) * product(shapes[i][:]...)
		largest = max(largest, size)
		if b.Op != Normalise && b.Op != Drop {
			kept += size
		}
	}
	return kept, largest, nil
}

// DeviceMemory estimates the bytes that one training step holds on a device of
// XLA's, whose activations are of so many bytes each:
//
//	width * batch * (kept + 2 * largest) + 4 * 2 * parameters
//
// with kept and largest as TrainingMemory's; parameters come with their momentum,
// since gradients are used up as they arise. What XLA makes of the steps for an
// H200 holds 0.79 to 0.90 of it (runtime/engine/bench/results, hlo); the rest is
// room for what cuDNN takes to work in.
func (n Network) DeviceMemory(batch int, patch [3]int, width int) (int64, error) {
	kept, largest, err := n.kept(patch)
	return int64(width)*int64(batch)*(kept+2*largest) + 8*n.ParameterCount(), err
}

func product(lengths ...int) int64 {
	p := int64(1)
	for _, l := range lengths {
		p *= int64(l)
	}
	return p
}
