package plan

import (
	"strings"
	"testing"

	"runspec/compiler/grammar"
	"runspec/compiler/space"
	"runspec/grammars"
)

// TestRoomOfGrammars holds a grammar that a data set's plan binds, and one whose
// stages are given, against the plan.
func TestRoomOfGrammars(t *testing.T) {
	heart := Dataset{Name: "Dataset002_Heart", Published: "D02", Configuration: "3d_fullres"}
	for stages, fits := range map[int]bool{0: true, 6: true, 7: false} {
		template := &grammar.Template{File: "unet.hcl", HCL: string(grammars.UNet), Variables: grammar.Variables{}}
		if stages > 0 {
			template.Variables[space.Stages] = stages
		}
		s := Study{Space: space.Space{Parameters: []space.Parameter{{Name: Tree, Kind: space.Grammar, Template: template}}}}
		if err := s.Room(heart); (err == nil) != fits {
			t.Errorf("%d stages given: %v", stages, err)
		}
	}
}

// TestRoom holds written derivations against the stages of a data set's plan.
func TestRoom(t *testing.T) {
	const five = "(S unet (5E conv_encoder (ENORM batch_norm) (ENONLIN relu) (EDROPOUT no_dropout) (1CEB 1b) down (2CEB 1b) down (3CEB 1b) down (4CEB 1b) down (5CEB 1b)) " +
		"(4D conv_decoder (DNORM batch_norm) (DNONLIN relu) (DDROPOUT no_dropout) up (1DB 2b) up (2DB 2b) up (3DB 2b) up (4DB 2b)))"
	s := Study{Name: "deep", Space: space.Space{Parameters: []space.Parameter{{Name: Tree, Kind: space.Constant, Choices: []space.Value{space.Text(five)}}}}}
	for _, c := range []struct{ dataset, published, told string }{
		{"Dataset004_Hippocampus", "D04", "study deep: a derivation that parameter architecture may be has no room: it has 5 stages, and nnU-Net's network of Dataset004_Hippocampus has 4 (published)"},
		{"Dataset002_Heart", "D02", ""},
		{"Dataset999_Unread", "", ""},
	} {
		err := s.Room(Dataset{Name: c.dataset, Published: c.published, Configuration: "3d_fullres"})
		if (err == nil) != (c.told == "") || err != nil && !strings.HasPrefix(err.Error(), c.told) {
			t.Errorf("%s: told %v, want %q", c.dataset, err, c.told)
		}
	}
}
