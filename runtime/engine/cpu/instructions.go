package cpu

import (
	"fmt"

	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu/kernel"
)

func (p *pass) shape(node int) []int { return p.graph.Nodes[node].Shape }

func (p *pass) convolution(i int, n engine.Node) (kernelCall, error) {
	v, in := p.values, n.In
	switch op := n.Op.(type) {
	case engine.Convolution:
		c, err := conv(p.shape(in[0]), p.shape(in[1]), op.Stride, op.Pad)
		return func(k *kernel.Pool) {
			var bias []float32
			if len(in) == 3 {
				bias = v[in[2]]
			}
			c.ForwardPacked(k, v[in[0]], v[in[1]], p.packed(i), bias, v[i])
		}, err
	case engine.ConvolutionInput:
		c, err := conv(n.Shape, p.shape(in[1]), op.Stride, op.Pad)
		return func(k *kernel.Pool) { c.InputGrad(k, v[in[0]], v[in[1]], v[i]) }, err
	case engine.ConvolutionWeight:
		c, err := conv(p.shape(in[0]), n.Shape, op.Stride, op.Pad)
		return func(k *kernel.Pool) { c.WeightGrad(k, v[in[0]], v[in[1]], v[i]) }, err
	case engine.BiasGradient:
		return func(k *kernel.Pool) { kernel.BiasGrad(k, v[in[0]], v[i]) }, nil
	case engine.Transposed:
		c, err := transposed(p.shape(in[0]), p.shape(in[1]))
		return func(k *kernel.Pool) { c.ForwardPacked(k, v[in[0]], v[in[1]], p.packed(i), v[in[2]], v[i]) }, err
	case engine.TransposedInput:
		c, err := transposed(n.Shape, p.shape(in[1]))
		return func(k *kernel.Pool) { c.InputGrad(k, v[in[0]], v[in[1]], v[i]) }, err
	case engine.TransposedWeight:
		c, err := transposed(p.shape(in[0]), n.Shape)
		return func(k *kernel.Pool) { c.WeightGrad(k, v[in[0]], v[in[1]], v[i]) }, err
	}
	return nil, nil
}

func conv(x, w []int, stride, pad [3]int) (kernel.Conv, error) {
	return kernel.NewConv(x[0], w[3], w[4], [3]int(x[1:4]), [3]int(w[:3]), stride, pad)
}

func transposed(x, w []int) (kernel.TransposedConv, error) {
	return kernel.NewTransposedConv(x[0], w[3], w[4], [3]int(x[1:4]), [3]int(w[:3]))
}

// norm runs the norms. The kernel's backward pass gives all three gradients at
// once, so NormaliseInput does the work of NormaliseSums and
// NormaliseParameter.
func (p *pass) norm(i int, n engine.Node) (kernelCall, error) {
	v, in := p.values, n.In
	switch op := n.Op.(type) {
	case engine.Moments:
		k := norm(p.shape(in[0]), n.Shape)
		return func(pool *kernel.Pool) {
			half := len(v[i]) / 2
			k.Stats(pool, v[in[0]], v[i][:half], v[i][half:])
		}, nil
	case engine.RunningMoments:
		c := n.Shape[2]
		k := kernel.Norm{Groups: 1, Voxels: 1, Channels: c, Eps: engine.NormEpsilon}
		return func(*kernel.Pool) {
			copy(v[i], v[in[0]])
			k.Rstd(v[in[1]], v[i][c:])
		}, nil
	case engine.Normalise:
		slope, err := fusedSlope(op.Function)
		k := norm(p.shape(in[0]), p.shape(in[1]))
		return func(pool *kernel.Pool) {
			m := v[in[1]]
			k.Forward(pool, v[in[0]], m[:len(m)/2], m[len(m)/2:], v[in[2]], v[in[3]], slope, v[i])
		}, err
	case engine.NormaliseInput:
		slope, err := fusedSlope(op.Function)
		k := norm(p.shape(in[0]), p.shape(in[1]))
		gradients := p.normParameters(in[5])
		spare := make([]float32, n.Shape[4])
		return func(pool *kernel.Pool) {
			m := v[in[1]]
			d := [2][]float32{spare, spare}
			for row, node := range gradients {
				if node >= 0 {
					d[row] = v[node]
				}
			}
			k.Backward(pool, v[in[0]], v[in[4]], m[:len(m)/2], m[len(m)/2:], v[in[2]], v[in[3]], slope, v[i], d[0], d[1])
		}, err
	case engine.NormaliseSums, engine.NormaliseParameter:
		return func(*kernel.Pool) {}, p.hasNormaliseInput(n)
	}
	return nil, nil
}

func norm(x, moments []int) kernel.Norm {
	voxels := x[1] * x[2] * x[3]
	if moments[1] == 1 {
		return kernel.BatchNorm(x[0], voxels, x[4], engine.NormEpsilon)
	}
	return kernel.InstanceNorm(x[0], voxels, x[4], engine.NormEpsilon)
}

// normParameters finds the nodes of gamma's and beta's gradient; -1: none.
func (p *pass) normParameters(sums int) [2]int {
	found := [2]int{-1, -1}
	for i, n := range p.graph.Nodes {
		if op, ok := n.Op.(engine.NormaliseParameter); ok && p.need[i] && n.In[0] == sums {
			found[op.Row] = i
		}
	}
	return found
}

func (p *pass) hasNormaliseInput(n engine.Node) error {
	if _, ok := n.Op.(engine.NormaliseSums); ok {
		return nil
	}
	for i, other := range p.graph.Nodes {
		if _, ok := other.Op.(engine.NormaliseInput); ok && p.need[i] && other.In[5] == n.In[0] {
			return nil
		}
	}
	return fmt.Errorf("a norm's parameters have a gradient, its input has none")
}

// fusedSlope is the slope below zero of an activation within a norm.
func fusedSlope(f engine.Function) (float32, error) {
	switch f {
	case engine.Identity:
		return 1, nil
	case engine.LeakyReLU:
		return engine.LeakySlope, nil
	case engine.ReLU:
		return 0, nil
	}
	return 0, fmt.Errorf("%s is not fused into norms", f)
}

func (p *pass) elementwise(i int, n engine.Node) (kernelCall, error) {
	v, in := p.values, n.In
	switch op := n.Op.(type) {
	case engine.Activate:
		a, slope, err := p.activation(op.Function, in, 1)
		return func(k *kernel.Pool) { a.Forward(k, v[in[0]], slope(), v[i]) }, err
	case engine.ActivateGradient:
		a, slope, err := p.activation(op.Function, in, 2)
		return func(k *kernel.Pool) { a.Backward(k, v[in[0]], v[in[1]], slope(), v[i]) }, err
	case engine.SlopeGradient:
		return func(k *kernel.Pool) { v[i][0] = float32(kernel.SlopeGrad(k, v[in[0]], v[in[1]])) }, nil
	case engine.Add:
		return func(k *kernel.Pool) { kernel.Add(k, v[in[0]], v[in[1]], v[i]) }, nil
	case engine.Concat:
		a, b := p.shape(in[0])[4], p.shape(in[1])[4]
		return func(k *kernel.Pool) { kernel.Concat(k, v[in[0]], v[in[1]], a, b, v[i]) }, nil
	case engine.Slice:
		all := p.shape(in[0])[4]
		return func(k *kernel.Pool) {
			kernel.SliceChannels(k, v[in[0]], all, op.Offset, op.Offset+op.Channels, v[i])
		}, nil
	case engine.AveragePool:
		a, err := pool(p.shape(in[0]), op.Window)
		return func(k *kernel.Pool) { a.Forward(k, v[in[0]], v[i]) }, err
	case engine.AveragePoolGradient:
		a, err := pool(n.Shape, op.Window)
		return func(k *kernel.Pool) { a.Backward(k, v[in[0]], v[i]) }, err
	case engine.Drop:
		s := n.Shape
		return func(k *kernel.Pool) {
			kernel.ScaleChannels(k, v[in[0]], v[in[1]], s[0], s[1]*s[2]*s[3], s[4], v[i])
		}, nil
	}
	return nil, fmt.Errorf("no kernel for this operation")
}

func pool(x []int, window [3]int) (kernel.AvgPool, error) {
	return kernel.NewAvgPool(x[0], x[4], [3]int(x[1:4]), window)
}

// activation picks the kernel; slope is read at run time, since PReLU's is the
// operand of that number.
func (p *pass) activation(f engine.Function, in []int, operand int) (kernel.Activation, func() float32, error) {
	fixed := func(s float32) func() float32 { return func() float32 { return s } }
	switch f {
	case engine.LeakyReLU:
		return kernel.Leaky, fixed(engine.LeakySlope), nil
	case engine.ReLU:
		return kernel.Leaky, fixed(0), nil
	case engine.PReLU:
		return kernel.Leaky, func() float32 { return p.values[in[operand]][0] }, nil
	case engine.ELU:
		return kernel.ELU, fixed(0), nil
	case engine.GELU:
		return kernel.GELU, fixed(0), nil
	}
	return 0, nil, fmt.Errorf("no kernel for the activation %q", f)
}
