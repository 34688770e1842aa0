package unet

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"runspec/compiler/grammar"
)

// words are what terminals of grammars/unet.hcl stand for.
var words = struct {
	encoders    map[string]Encoder
	norms       map[string]Norm
	activations map[string]Activation
}{
	map[string]Encoder{"conv_encoder": Plain, "res_encoder": Residual},
	map[string]Norm{"instance_norm": InstanceNorm, "batch_norm": BatchNorm},
	map[string]Activation{"leaky_relu": LeakyReLU, "relu": ReLU, "elu": ELU, "prelu": PReLU, "gelu": GELU},
}

// DerivedEncoder is the kind of encoder that a derivation of grammars/unet.hcl has.
func DerivedEncoder(d grammar.Derivation) (Encoder, error) {
	for _, c := range d.Children {
		for _, w := range c.Children {
			if e, ok := words.encoders[w.Symbol]; ok {
				return e, nil
			}
		}
	}
	return "", fmt.Errorf("derivation of %s: it has neither conv_encoder nor res_encoder", d.Symbol)
}

// DerivedStages are the blocks of each encoder stage of a derivation.
func DerivedStages(d grammar.Derivation) ([]int, error) {
	if len(d.Children) != 3 {
		return nil, fmt.Errorf("derivation of %s: a U-Net is unet, an encoder and a decoder", d.Symbol)
	}
	return blocksOf(d.Children[1])
}

// DerivedDecoder are the convolutions of each decoder stage of a derivation, the
// deepest first.
func DerivedDecoder(d grammar.Derivation) ([]int, error) {
	if len(d.Children) != 3 {
		return nil, fmt.Errorf("derivation of %s: a U-Net is unet, an encoder and a decoder", d.Symbol)
	}
	return blocksOf(d.Children[2])
}

// Derive is a with the encoder, blocks, norms, activations and dropouts of a
// derivation of grammars/unet.hcl; rate is the dropout's. Features, kernels and
// strides stay a's; a derivation with fewer stages leaves a's deepest out, and
// one with more is refused.
//
// It departs from the authors' code where that errs: a decoder without dropout
// has none beside an encoder with it (theirs gets the rate 0.5). See
// compiler/README.md, "Sampled networks", for what follows from fewer stages.
func (a Architecture) Derive(d grammar.Derivation, rate float64) (Architecture, error) {
	if blocks, err := DerivedStages(d); err == nil && len(blocks) > len(a.Stages) {
		return a, fmt.Errorf("derivation of %s: it has %d stages and the data set's plan %d; bind the grammar's stages to the plan's", d.Symbol, len(blocks), len(a.Stages))
	}
	return a.DeriveWithin(d, rate)
}

// DeriveWithin is Derive where a's patch may have room for fewer stages than the
// derivation has: its deepest are then left out, in the encoder and the decoder.
func (a Architecture) DeriveWithin(d grammar.Derivation, rate float64) (Architecture, error) {
	if len(d.Children) != 3 || d.Children[0].Symbol != "unet" {
		return a, fmt.Errorf("derivation of %s: a U-Net is unet, an encoder and a decoder", d.Symbol)
	}
	encoder, decoder := d.Children[1], d.Children[2]
	var errs [5]error
	out := a
	out.Encoder, errs[0] = DerivedEncoder(d)
	var blocks []int
	blocks, errs[1] = blocksOf(encoder)
	out.DecoderBlocks, errs[2] = blocksOf(decoder)
	var own, theirs Side
	own, errs[3] = sideOf(encoder, rate)
	theirs, errs[4] = sideOf(decoder, rate)
	if err := errors.Join(errs[:]...); err != nil {
		return a, fmt.Errorf("derivation of %s: %w", d.Symbol, err)
	}
	n := min(len(blocks), len(a.Stages))
	if len(out.DecoderBlocks) != len(blocks)-1 {
		return a, fmt.Errorf("derivation of %s: %d stages and %d decoder stages; a U-Net has one fewer", d.Symbol, len(blocks), len(out.DecoderBlocks))
	}
	blocks, out.DecoderBlocks = blocks[:n], out.DecoderBlocks[len(blocks)-n:]
	out.Stages = slices.Clone(a.Stages[:n])
	for i, n := range blocks {
		out.Stages[i].Blocks = n
	}
	out.Norm, out.Activation, out.Dropout = own.Norm, own.Activation, own.Dropout
	out.DecoderSide = nil
	if theirs != own {
		out.DecoderSide = &theirs
	}
	return out, out.Check()
}

// blocksOf are the block counts of one half, in its order: the symbols that
// derive a number and a b.
func blocksOf(half grammar.Derivation) ([]int, error) {
	var out []int
	for _, c := range half.Children {
		if len(c.Children) != 1 {
			continue
		}
		count, is := strings.CutSuffix(c.Children[0].Symbol, "b")
		if n, err := strconv.Atoi(count); is && err == nil {
			out = append(out, n)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no blocks such as 2b", half.Symbol)
	}
	return out, nil
}

// sideOf finds the norm, the activation and the dropout of one half.
func sideOf(half grammar.Derivation, rate float64) (Side, error) {
	var s Side
	drops := false
	for _, c := range half.Children {
		if len(c.Children) != 1 {
			continue
		}
		w := c.Children[0].Symbol
		if n, ok := words.norms[w]; ok {
			s.Norm = n
		}
		if f, ok := words.activations[w]; ok {
			s.Activation = f
		}
		switch w {
		case "dropout":
			s.Dropout, drops = rate, true
		case "no_dropout":
			drops = true
		}
	}
	if s.Norm == "" || s.Activation == "" || !drops {
		return s, fmt.Errorf("%s lacks a norm, an activation, or dropout or no_dropout", half.Symbol)
	}
	return s, nil
}
