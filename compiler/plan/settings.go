package plan

import (
	"fmt"

	"runspec/compiler/nnunet"
	"runspec/compiler/space"
)

// Settings plans a data set's network as the planner would, and puts the batch
// and features that the training settings ask for in the place of the
// planner's; patch and stages stay. The configuration is the named one of the
// settings ("3d_fullres"), so changed.
func (t Training) Settings(d nnunet.Dataset, f nnunet.Fingerprint, planner nnunet.Planner, configuration string) (nnunet.Settings, nnunet.Configuration, error) {
	return t.SettingsFor(d, f, planner, configuration, nil)
}

// SettingsFor is Settings with the network that a configuration of a search
// asks for: patch and batch are planned anew for it, as Auto-nnU-Net does.
//
// A derivation's network is planned with the default blocks of its encoder, as
// the paper does, and keeps the first of that plan's stages. Where its own blocks
// need more memory than that, they are planned as nnU-Net would; see Fit. Where
// the residual plan has fewer stages than the derivation, the plain one's are
// taken, which bound the grammar.
//
// The training settings' features scale searched ones: with baseFeatures 8 a
// searched base_num_features of 64, twice nnU-Net's 32, means 16.
func (t Training) SettingsFor(d nnunet.Dataset, f nnunet.Fingerprint, planner nnunet.Planner, configuration string, c space.Configuration) (nnunet.Settings, nnunet.Configuration, error) {
	s, out, _, err := t.Fitted(d, f, planner, configuration, c)
	return s, out, err
}

// Fitted is SettingsFor, which also tells how the network came by its patch,
// batch and stages.
func (t Training) Fitted(d nnunet.Dataset, f nnunet.Fingerprint, planner nnunet.Planner, configuration string, c space.Configuration) (nnunet.Settings, nnunet.Configuration, Fit, error) {
	n, err := networkOf(c)
	if err != nil {
		return nnunet.Settings{}, nnunet.Configuration{}, Fit{}, err
	}
	s, out, fit, err := n.plan(d, f, planner, configuration)
	if err != nil {
		return s, out, fit, err
	}
	out, err = t.overlay(out, n)
	return s, out, fit, err
}

// overlay puts the training settings' own features and batch in their place.
func (t Training) overlay(out nnunet.Configuration, n sought) (nnunet.Configuration, error) {
	var err error
	if t.BaseFeatures > 0 || t.MaxFeatures > 0 {
		if out, err = out.WithFeatures(t.features(out, n)); err != nil {
			return out, err
		}
	}
	if t.Batch > 0 {
		out, err = out.WithBatch(t.Batch)
	}
	return out, err
}

// one plans a data set, and takes one configuration.
func one(d nnunet.Dataset, f nnunet.Fingerprint, o nnunet.Options, configuration string) (nnunet.Settings, nnunet.Configuration, error) {
	s, err := nnunet.Plan(d, f, o)
	if err != nil {
		return s, nnunet.Configuration{}, err
	}
	c, ok := s.Configuration(configuration)
	if !ok {
		return s, c, fmt.Errorf("nnU-Net's %s planner gives data set %s no configuration %q; choose one of %v", o.Planner, d.Name, configuration, names(s))
	}
	return s, c, nil
}

// features are the base and the limit that the training settings ask for,
// scaled where the configuration searches them.
func (t Training) features(c nnunet.Configuration, n sought) (base, limit int) {
	base, limit = t.BaseFeatures, t.MaxFeatures
	switch {
	case base == 0:
		base = c.Architecture.Stages[0].Features
	case n.BaseFeatures > 0:
		base = max(1, (base*n.BaseFeatures+16)/32)
	}
	switch {
	case limit == 0:
		limit = n.MaxFeatures
	case n.MaxFeatures > 0:
		limit = max(1, (limit*n.MaxFeatures+160)/320)
	}
	return base, limit
}

func names(s nnunet.Settings) []string {
	var out []string
	for _, c := range s.Configurations {
		out = append(out, c.Name)
	}
	return out
}
