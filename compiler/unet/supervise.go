package unet

// DeepSupervisionWeights are the loss weights of n outputs, full resolution
// first, as nnU-Net's trainers use them: 1/2^i, the last set to zero, then
// divided by their sum. For n = 1 that rule is 0/0, so the only output gets
// weight 1; nnU-Net itself trains on NaN there. n < 1 gives nil.
func DeepSupervisionWeights(n int) []float64 {
	switch {
	case n < 1:
		return nil
	case n == 1:
		return []float64{1}
	}
	w := make([]float64, n)
	sum, weight := 0.0, 1.0
	for i := range n - 1 {
		w[i] = weight
		sum += weight
		weight /= 2
	}
	for i := range w {
		w[i] /= sum
	}
	return w
}

// DeepSupervisionWeights are the loss weights of n's outputs, in their order.
func (n Network) DeepSupervisionWeights() []float64 {
	return DeepSupervisionWeights(len(n.Outputs))
}

// OutputShapes are the sizes (z, y, x) in voxels of n's outputs for a patch,
// full resolution first; the targets of deep supervision have them too.
func (n Network) OutputShapes(patch [3]int) ([][3]int, error) {
	shapes, err := n.Shapes(patch)
	if err != nil {
		return nil, err
	}
	outputs := make([][3]int, len(n.Outputs))
	for i, block := range n.Outputs {
		outputs[i] = shapes[block]
	}
	return outputs, nil
}
