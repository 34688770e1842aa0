package unet

import (
	"errors"
	"fmt"
)

// Check reports every reason why no network can be built from a; nil when
// there is none.
func (a Architecture) Check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if a.Dim != 2 && a.Dim != 3 {
		fail("dim is %d: choose 2 or 3", a.Dim)
	}
	if a.InputChannels < 1 {
		fail("inputChannels is %d: an image has at least one channel", a.InputChannels)
	}
	if a.Classes < 1 {
		fail("classes is %d: at least one output channel is needed", a.Classes)
	}
	if !member(a.Encoder, encoders) {
		fail("unknown encoder %q: choose one of %s", a.Encoder, list(encoders))
	}
	errs = append(errs, Side{a.Norm, a.Activation, a.Dropout}.check("")...)
	if a.DecoderSide != nil {
		errs = append(errs, a.DecoderSide.check("decoder: ")...)
	}
	errs = append(errs, a.checkStages()...)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("architecture: %w", err)
	}
	return nil
}

func (a Architecture) checkStages() (errs []error) {
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(a.Stages) < 2 {
		fail("%d stages: a U-Net needs at least two, one to keep the resolution and one below it", len(a.Stages))
	}
	if len(a.Stages) > 0 && len(a.DecoderBlocks) != len(a.Stages)-1 {
		fail("%d decoderBlocks for %d stages: give one fewer than stages", len(a.DecoderBlocks), len(a.Stages))
	}
	for i, n := range a.DecoderBlocks {
		if n < 1 {
			fail("decoderBlocks[%d] is %d: at least one convolution is needed", i, n)
		}
	}
	for i, s := range a.Stages {
		if s.Features < 1 {
			fail("stage %d has %d features: at least one is needed", i, s.Features)
		}
		if s.Blocks < 1 {
			fail("stage %d has %d blocks: at least one is needed", i, s.Blocks)
		}
		for axis, k := range s.Kernel {
			if k < 1 || k%2 == 0 {
				fail("stage %d has kernel %v: every length must be odd and positive", i, s.Kernel)
				break
			}
			if s.Stride[axis] < 1 {
				fail("stage %d has stride %v: every length must be positive", i, s.Stride)
				break
			}
		}
		if a.Dim == 2 && (s.Kernel[0] != 1 || s.Stride[0] != 1) {
			fail("stage %d of a 2-D network has kernel %v and stride %v: both must be 1 along z", i, s.Kernel, s.Stride)
		}
		if i == 0 && s.Stride != [3]int{1, 1, 1} {
			// The decoder ends at stage 0's resolution, which has to be the image's.
			fail("stage 0 has stride %v: it must be 1 along every axis", s.Stride)
		}
	}
	return errs
}

func (s Side) check(half string) (errs []error) {
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(half+format, args...)) }
	if !member(s.Norm, norms) {
		fail("unknown normalisation %q: choose one of %s", s.Norm, list(norms))
	}
	if !member(s.Activation, activations) {
		fail("unknown activation %q: choose one of %s", s.Activation, list(activations))
	}
	if !(s.Dropout >= 0 && s.Dropout < 1) { // also catches NaN
		fail("dropout is %v: a rate lies in [0, 1)", s.Dropout)
	}
	return errs
}
