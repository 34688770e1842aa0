package plan

import (
	"fmt"

	"runspec/compiler/grammar"
	"runspec/compiler/nnunet"
	"runspec/compiler/space"
	"runspec/compiler/unet"
)

// Origin says where a number of stages is from.
type Origin string

// The origins, the surest first.
const (
	Planned   Origin = "planned"   // by nnU-Net, from the data set's fingerprint
	Published Origin = "published" // by Auto-nnU-Net's authors
	Assumed   Origin = "assumed"   // since nothing is known of the data set
)

// Stages is the number of stages of nnU-Net's own network for a data set.
type Stages struct {
	Count  int    `json:"count"`
	Origin Origin `json:"origin"`
}

// String marks a number that no fingerprint has confirmed.
func (s Stages) String() string {
	if s.Origin == Planned {
		return fmt.Sprint(s.Count)
	}
	return fmt.Sprintf("%d (%s)", s.Count, s.Origin)
}

// publishedStages are those of nnU-Net's 3d_fullres network for the Decathlon's
// tasks, by their keys in the published tables: `default_n_stages` in the data
// sets' settings of Auto-nnU-Net (Becktepe et al. 2025; AutoNNUNet 7c9d676,
// configs/dataset).
var publishedStages = map[string]int{
	"D01": 6, // brain tumour
	"D02": 6, // heart
	"D03": 6, // liver
	"D04": 4, // hippocampus
	"D05": 7, // prostate
	"D06": 6, // lung
	"D07": 6, // pancreas
	"D08": 6, // hepatic vessel
	"D09": 6, // spleen
	"D10": 6, // colon
}

// assumedStages is what eight of the Decathlon's ten tasks have.
const assumedStages = 6

// NetworkStages is the number of stages that nnU-Net's own plan gives a data
// set; a hierarchical space is bound to it. Where the data set has not been read
// yet, it is the published one, which serves display alone: a training has read
// it.
func (d Dataset) NetworkStages() (Stages, error) {
	if d.Fingerprint == nil {
		if n, known := publishedStages[d.Published]; known && d.Configuration == "3d_fullres" {
			return Stages{n, Published}, nil
		}
		return Stages{assumedStages, Assumed}, nil
	}
	_, c, err := one(d.Description, *d.Fingerprint, nnunet.Options{Planner: nnunet.ConvPlanner}, d.Configuration)
	return Stages{len(c.Architecture.Stages), Planned}, err
}

// Room says why a derivation that is written down can't be a network of the
// data set: it has more stages than nnU-Net's plan. Where that number is only
// assumed, nothing is said. A text that is no derivation is told elsewhere.
func (d Dataset) Room(derivation string) error {
	tree, err := grammar.ParseTree(derivation)
	if err != nil {
		return nil
	}
	blocks, err := unet.DerivedStages(tree)
	if err != nil {
		return nil
	}
	stages, err := d.NetworkStages()
	if err != nil || stages.Origin == Assumed || len(blocks) <= stages.Count {
		return err
	}
	return fmt.Errorf("it has %d stages, and nnU-Net's network of %s has %s; take out the deepest %d, of encoder and decoder alike", len(blocks), d.Name, stages, len(blocks)-stages.Count)
}

// Room says which derivation of the study's space, written down or of a grammar
// that has not been bound to the data set's plan, has more stages than that.
func (s Study) Room(d Dataset) error {
	s, err := s.Bound(d)
	if err != nil {
		return err
	}
	p, ok := s.Space.Parameter(Tree)
	if !ok {
		return nil
	}
	var texts []string
	for _, v := range p.Choices {
		text, _ := v.Text()
		texts = append(texts, text)
	}
	if p.Kind == space.Grammar {
		for _, o := range p.Grammar.Openings() {
			texts = append(texts, o.String())
		}
	}
	for _, text := range texts {
		if err := d.Room(text); err != nil {
			return fmt.Errorf("study %s: a derivation that parameter %s may be has no room: %w", s.Name, Tree, err)
		}
	}
	return nil
}
