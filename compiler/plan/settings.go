package plan

import (
	"fmt"

	"runspec/compiler/nnunet"
)

// Settings plans a data set's network as the planner would, and puts the batch
// and features that the training settings ask for in the place of the
// planner's; patch and stages stay. The configuration is the named one of the
// settings ("3d_fullres"), so changed.
func (t Training) Settings(d nnunet.Dataset, f nnunet.Fingerprint, planner nnunet.Planner, configuration string) (nnunet.Settings, nnunet.Configuration, error) {
	s, err := nnunet.Plan(d, f, nnunet.Options{Planner: planner})
	if err != nil {
		return s, nnunet.Configuration{}, err
	}
	c, ok := s.Configuration(configuration)
	if !ok {
		return s, c, fmt.Errorf("nnU-Net's %s planner gives data set %s no configuration %q; choose one of %v", planner, d.Name, configuration, names(s))
	}
	if t.BaseFeatures > 0 || t.MaxFeatures > 0 {
		base := t.BaseFeatures
		if base == 0 {
			base = c.Architecture.Stages[0].Features
		}
		if c, err = c.WithFeatures(base, t.MaxFeatures); err != nil {
			return s, c, err
		}
	}
	if t.Batch > 0 {
		c, err = c.WithBatch(t.Batch)
	}
	return s, c, err
}

func names(s nnunet.Settings) []string {
	var out []string
	for _, c := range s.Configurations {
		out = append(out, c.Name)
	}
	return out
}
