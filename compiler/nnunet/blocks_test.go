package nnunet

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/unet"
)

// TestBlocks plans networks with blocks of their own: the planner's tables give
// the planner's plan, more blocks a smaller patch, and fewer stages stay fewer.
func TestBlocks(t *testing.T) {
	for name, p := range allPlanned(t) {
		d, f := read(t, p.Dataset, p.Fingerprint)
		for plans, planner := range planNames {
			o := p.options(plans)
			want, err := Plan(d, f, o)
			if err != nil {
				t.Fatal(err)
			}
			c, ok := want.Configuration("3d_fullres")
			if !ok {
				continue
			}
			table := planners[planner]
			own := Blocks{EncoderKind: table.encoder, Encoder: table.encoderBlocks(12, 1), Decoder: table.decoderBlocks(12, 1)}
			o.Blocks = &own
			have, err := Plan(d, f, o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("%s, %s: %s", name, planner, diff)
			}
			for i := range own.Encoder {
				own.Encoder[i] *= 3
			}
			if s, err := Plan(d, f, o); err != nil {
				t.Error(err)
			} else if h, _ := s.Configuration("3d_fullres"); volume(h.Patch) > volume(c.Patch) || volume(h.Patch) == volume(c.Patch) && h.Batch > c.Batch {
				t.Errorf("%s, %s: thrice the blocks have %v × %d, once %v × %d", name, planner, h.Patch, h.Batch, c.Patch, c.Batch)
			}
			own.Encoder, own.Decoder = []int{4, 4}, []int{4}
			if s, err := Plan(d, f, o); err != nil {
				t.Error(err)
			} else if h, _ := s.Configuration("3d_fullres"); len(h.Architecture.Stages) != 2 || h.Architecture.Stages[1].Blocks != 4 || len(h.Architecture.DecoderBlocks) != 1 {
				t.Errorf("%s, %s: %+v", name, planner, h.Architecture)
			}
		}
	}
}

func TestBlocksRejects(t *testing.T) {
	for _, b := range []Blocks{{}, {Encoder: []int{1}}, {Encoder: []int{1, 2}, Decoder: []int{1, 2}}} {
		if _, err := (Options{Blocks: &b}).withDefaults(); err == nil || !strings.Contains(err.Error(), "two stages") {
			t.Errorf("%+v: %v", b, err)
		}
	}
}

// TestSketch knows features and blocks as the whole plan has them.
func TestSketch(t *testing.T) {
	for name, p := range allPlanned(t) {
		d, f := read(t, p.Dataset, p.Fingerprint)
		for plans := range planNames {
			s, err := Plan(d, f, p.options(plans))
			if err != nil {
				t.Fatal(err)
			}
			want, ok := s.Configuration("3d_fullres")
			if !ok {
				continue
			}
			have, err := Sketch(p.options(plans), len(want.Architecture.Stages))
			if err != nil {
				t.Fatal(err)
			}
			strip := func(a unet.Architecture) unet.Architecture {
				a.InputChannels, a.Classes = 0, 0
				stages := a.Stages
				a.Stages = nil
				for _, s := range stages {
					a.Stages = append(a.Stages, unet.Stage{Features: s.Features, Blocks: s.Blocks})
				}
				return a
			}
			if diff := cmp.Diff(strip(want.Architecture), strip(have.Architecture)); diff != "" {
				t.Errorf("%s, %s: %s", name, plans, diff)
			}
			if have.Architecture.Check() != nil {
				t.Error(have.Architecture.Check())
			}
		}
	}
	if _, err := Sketch(Options{}, 1); err == nil {
		t.Error("one stage passes")
	}
}
