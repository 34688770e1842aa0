package plan

import (
	"runspec/compiler/nnunet"
	"runspec/compiler/space"
	"runspec/compiler/unet"
)

// Fit is how a searched network came by its patch, batch and stages. Only a
// derivation's can depart from what was planned: all others are planned as they
// are, and fit.
type Fit struct {
	Shrunk  bool   `json:"shrunk,omitempty"`  // its blocks need more memory than the encoder's default ones, so patch or batch are smaller
	Patch   [3]int `json:"patch,omitzero"`    // where shrunk, what the default blocks have: voxels (z, y, x)
	Batch   int    `json:"batch,omitempty"`   // likewise
	Dropped int    `json:"dropped,omitempty"` // its deepest stages for which the smaller patch has no room
	Shallow int    `json:"shallow,omitempty"` // stages of the plan that it does without
}

// plan plans the network that a configuration asks for.
func (n sought) plan(d nnunet.Dataset, f nnunet.Fingerprint, planner nnunet.Planner, configuration string) (nnunet.Settings, nnunet.Configuration, Fit, error) {
	o := n.options(planner)
	s, out, err := one(d, f, o, configuration)
	if err != nil || n.tree == nil {
		return s, out, Fit{}, err
	}
	blocks, err := n.tree.blocks()
	if err != nil {
		return s, out, Fit{}, err
	}
	if len(blocks.Encoder) > len(out.Architecture.Stages) {
		o.Planner = nnunet.ConvPlanner // the residual plan has fewer stages than the one that bound the grammar
		if s, out, err = one(d, f, o, configuration); err != nil {
			return s, out, Fit{}, err
		}
	}
	fit := Fit{Shallow: max(0, len(out.Architecture.Stages)-len(blocks.Encoder))}
	o.Blocks = &blocks
	ownSettings, own, err := one(d, f, o, configuration)
	if err != nil {
		return s, out, fit, err
	}
	if !smaller(own, out) {
		out.Architecture, err = out.Architecture.Derive(n.tree.Derivation, n.Dropout)
		return s, out, fit, err
	}
	fit.Shrunk, fit.Patch, fit.Batch = true, out.Patch3(), out.Batch
	fit.Dropped = len(blocks.Encoder) - len(own.Architecture.Stages)
	own.Architecture, err = own.Architecture.DeriveWithin(n.tree.Derivation, n.Dropout)
	return ownSettings, own, fit, err
}

// Sketch is what is known of a configuration's network while the data set has
// not been read: encoder, blocks and features for a number of stages of its
// plan. Kernels, strides, channels and classes are nnU-Net's commonest.
func (t Training) Sketch(planner nnunet.Planner, c space.Configuration, stages int) (unet.Architecture, error) {
	n, err := networkOf(c)
	if err != nil {
		return unet.Architecture{}, err
	}
	out, err := nnunet.Sketch(n.options(planner), stages)
	if err == nil && n.tree != nil {
		out.Architecture, err = out.Architecture.Derive(n.tree.Derivation, n.Dropout)
	}
	if err != nil {
		return unet.Architecture{}, err
	}
	out, err = t.overlay(out, n)
	return out.Architecture, err
}

// smaller says whether a's patches, or batches of equal patches, are smaller.
func smaller(a, b nnunet.Configuration) bool {
	x, y := a.Patch3(), b.Patch3()
	if p, q := x[0]*x[1]*x[2], y[0]*y[1]*y[2]; p != q {
		return p < q
	}
	return a.Batch < b.Batch
}

// blocks are the derivation's own.
func (t tree) blocks() (nnunet.Blocks, error) {
	b := nnunet.Blocks{EncoderKind: t.encoder}
	var err error
	if b.Encoder, err = unet.DerivedStages(t.Derivation); err == nil {
		b.Decoder, err = unet.DerivedDecoder(t.Derivation)
	}
	return b, err
}
