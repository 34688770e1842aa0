package unet

import "fmt"

// Build lists the blocks and parameters of a's U-Net: PlainConvUNet or
// ResidualEncoderUNet of dynamic_network_architectures 0.4.4, module for
// module. Blocks stand in execution order. The error says everything that is
// wrong with a.
func Build(a Architecture) (Network, error) {
	if err := a.Check(); err != nil {
		return Network{}, err
	}
	b := &builder{arch: a}
	b.params = &b.encoder
	var decoder Side
	b.side, decoder = a.Sides()
	skips := b.encode()
	b.side = decoder
	heads := b.decode(skips)
	n := Network{Architecture: a, Blocks: b.blocks}
	for i := len(heads) - 1; i >= 0; i-- { // the decoder climbs; outputs start at the top
		n.Outputs = append(n.Outputs, heads[i])
	}
	for _, group := range [][]Parameter{b.encoder, b.stages, b.transposed, b.heads} {
		n.Parameters = append(n.Parameters, group...)
	}
	return n, nil
}

// builder appends blocks in execution order and parameters in
// named_parameters order, which differ: PyTorch lists the decoder's module
// lists one after the other, and a residual block's skip last.
type builder struct {
	arch   Architecture
	side   Side // of the half that is being built
	blocks []Block
	params *[]Parameter // the group that new parameters join

	encoder, stages, transposed, heads []Parameter
}

// value is a feature map: the block that makes it (-1: the image) and its channels.
type value struct{ block, channels int }

func (b *builder) add(blk Block, out int, in ...value) value {
	blk.Channels = [2]int{0, out}
	for _, v := range in {
		blk.In = append(blk.In, v.block)
		blk.Channels[0] += v.channels
	}
	if blk.Op == Add {
		blk.Channels[0] = out // two summands of the same width
	}
	b.blocks = append(b.blocks, blk)
	return value{len(b.blocks) - 1, out}
}

func (b *builder) param(v value, name string, shape ...int) {
	*b.params = append(*b.params, Parameter{Name: name, Shape: shape, Block: v.block})
}

var ones = [3]int{1, 1, 1}

func (b *builder) conv(op Op, name string, in value, out int, kernel, stride [3]int, noBias bool) value {
	v := b.add(Block{Op: op, Name: name, Kernel: kernel, Stride: stride, NoBias: noBias}, out, in)
	rows := []int{out, in.channels}
	if op == Transpose {
		rows = []int{in.channels, out}
	}
	b.param(v, name+".weight", append(rows, kernel[:]...)...)
	if !noBias {
		b.param(v, name+".bias", out)
	}
	return v
}

func (b *builder) norm(name string, in value, zeroInit bool) value {
	v := b.add(Block{Op: Normalise, Name: name, Norm: b.side.Norm, ZeroInit: zeroInit}, in.channels, in)
	b.param(v, name+".weight", in.channels)
	b.param(v, name+".bias", in.channels)
	return v
}

func (b *builder) activate(name string, in value) value {
	v := b.add(Block{Op: Activate, Name: name, Activation: b.side.Activation}, in.channels, in)
	if b.side.Activation == PReLU {
		b.param(v, name+".weight", 1)
	}
	return v
}

// convBlock is ConvDropoutNormReLU.
func (b *builder) convBlock(name string, in value, out int, kernel, stride [3]int) value {
	v := b.conv(Conv, name+".conv", in, out, kernel, stride, false)
	if b.side.Dropout > 0 {
		v = b.add(Block{Op: Drop, Name: name + ".dropout", Rate: b.side.Dropout}, out, v)
	}
	v = b.norm(name+".norm", v, false)
	return b.activate(name+".nonlin", v)
}

// stack is StackedConvBlocks: the first convolution takes the stride.
func (b *builder) stack(name string, n int, in value, out int, kernel, stride [3]int) value {
	v := in
	for i := range n {
		if i > 0 {
			stride = ones
		}
		v = b.convBlock(fmt.Sprintf("%s.convs.%d", name, i), v, out, kernel, stride)
	}
	return v
}

// residual is BasicBlockD: a strided average pool and a projection without
// bias on the skip, each only where needed.
func (b *builder) residual(name string, in value, out int, kernel, stride [3]int) value {
	v := b.convBlock(name+".conv1", in, out, kernel, stride)
	v = b.conv(Conv, name+".conv2.conv", v, out, kernel, ones, false)
	v = b.norm(name+".conv2.norm", v, true)

	group := b.params
	var late []Parameter // PyTorch registers the skip after nonlin2
	b.params = &late
	skip, index := in, 0
	if stride != ones {
		skip = b.add(Block{Op: AveragePool, Name: name + ".skip.0", Kernel: stride, Stride: stride}, in.channels, in)
		index++
	}
	if in.channels != out {
		projection := fmt.Sprintf("%s.skip.%d", name, index)
		skip = b.conv(Conv, projection+".conv", skip, out, ones, ones, true)
		skip = b.norm(projection+".norm", skip, false)
	}
	b.params = group

	v = b.add(Block{Op: Add, Name: name + ".add"}, out, v, skip)
	v = b.activate(name+".nonlin2", v)
	*b.params = append(*b.params, late...)
	return v
}

// encode returns the last feature map of every stage.
func (b *builder) encode() []value {
	v := value{-1, b.arch.InputChannels}
	if b.arch.Encoder == Residual {
		first := b.arch.Stages[0]
		v = b.convBlock("encoder.stem.convs.0", v, first.Features, first.Kernel, ones)
	}
	var skips []value
	for i, s := range b.arch.Stages {
		switch b.arch.Encoder {
		case Plain:
			v = b.stack(fmt.Sprintf("encoder.stages.%d.0", i), s.Blocks, v, s.Features, s.Kernel, s.Stride)
		case Residual:
			stride := s.Stride
			for j := range s.Blocks {
				v = b.residual(fmt.Sprintf("encoder.stages.%d.blocks.%d", i, j), v, s.Features, s.Kernel, stride)
				stride = ones
			}
		}
		skips = append(skips, v)
	}
	return skips
}

// decode climbs from the bottleneck and returns the heads, lowest first.
func (b *builder) decode(skips []value) (heads []int) {
	v := skips[len(skips)-1]
	for i := range b.arch.DecoderBlocks {
		below := b.arch.Stages[len(skips)-1-i]
		level := len(skips) - 2 - i
		stage, skip := b.arch.Stages[level], skips[level]

		b.params = &b.transposed
		v = b.conv(Transpose, fmt.Sprintf("decoder.transpconvs.%d", i), v, stage.Features, below.Stride, below.Stride, false)
		v = b.add(Block{Op: Concat, Name: fmt.Sprintf("decoder.concat.%d", i)}, 2*stage.Features, v, skip)
		b.params = &b.stages
		v = b.stack(fmt.Sprintf("decoder.stages.%d", i), b.arch.DecoderBlocks[i], v, stage.Features, stage.Kernel, ones)
		b.params = &b.heads
		head := b.conv(Head, fmt.Sprintf("decoder.seg_layers.%d", i), v, b.arch.Classes, ones, ones, false)
		heads = append(heads, head.block)
	}
	return heads
}
