// Package grammars embeds the shipped grammars of hierarchical search spaces;
// compiler/grammar reads them. It only embeds.
package grammars

import _ "embed"

// UNet is the text of unet.hcl, Auto-nnU-Net's grammar of U-Nets. It needs the
// variable stages.
//
//go:embed unet.hcl
var UNet []byte
