package unet

import (
	"fmt"
	"strings"
)

// Describe tells a person what each half of a network is, in a line each:
// "plain encoder: 3 stages of 8 16 32 features and 1 4 3 convolutions,
// BatchNorm, ReLU" and "decoder: 2 3 convolutions, BatchNorm, LeakyReLU".
func (a Architecture) Describe() (encoder, decoder string) {
	var features, blocks []int
	for _, s := range a.Stages {
		features, blocks = append(features, s.Features), append(blocks, s.Blocks)
	}
	unit := "convolutions"
	if a.Encoder == Residual {
		unit = "residual blocks"
	}
	own, theirs := a.Sides()
	encoder = fmt.Sprintf("%s encoder: %d stages of %s features and %s %s, %s", a.Encoder, len(a.Stages), spaced(features), spaced(blocks), unit, own.Describe())
	return encoder, fmt.Sprintf("decoder: %s convolutions, %s", spaced(a.DecoderBlocks), theirs.Describe())
}

// Describe names the layers of one half: "BatchNorm, ReLU, dropout 0.2".
func (s Side) Describe() string {
	text := fmt.Sprintf("%s, %s", s.Norm, s.Activation)
	if s.Dropout > 0 {
		text += fmt.Sprintf(", dropout %.2g", s.Dropout)
	}
	return text
}

func spaced(xs []int) string { return strings.Trim(fmt.Sprint(xs), "[]") }
