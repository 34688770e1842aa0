package plan

import (
	"fmt"

	"runspec/compiler/grammar"
	"runspec/compiler/nnunet"
	"runspec/compiler/space"
	"runspec/compiler/unet"
)

// sought is what a configuration of a search says about the network; zero
// fields are nnU-Net's.
type sought struct {
	nnunet.Options
	encoder string
	tree    *tree
}

// tree is a derivation of grammars/unet.hcl.
type tree struct {
	grammar.Derivation
	encoder unet.Encoder
}

// The hyperparameters of a network, by the names that Auto-nnU-Net gives them.
const (
	encoderType  = "encoder_type"
	modelScale   = "model_scale"
	baseFeatures = "base_num_features"
	maxFeatures  = "max_features"
	activation   = "activation"
	norm         = "normalization"
	dropoutRate  = "dropout_rate"
	architecture = "architecture"
)

// scales are the factors on the planner's blocks that model_scale stands for.
var scales = []float64{0.5, 1, 1.5, 2}

// ShapesNetwork says whether a hyperparameter shapes the network, so that it is
// read by SettingsFor and is none of Hyperparameters.
func ShapesNetwork(name string) bool {
	switch name {
	case encoderType, modelScale, baseFeatures, maxFeatures, activation, norm, dropoutRate, architecture:
		return true
	}
	return false
}

// Tree is the hyperparameter that is a derivation of a grammar of networks.
const Tree = architecture

// OverruledByTree says whether a derivation takes the place of a hyperparameter.
func OverruledByTree(name string) bool {
	switch name {
	case encoderType, modelScale, activation, norm:
		return true
	}
	return false
}

// networkOf reads the parameters of a configuration that shape the network, and
// leaves the others alone.
func networkOf(c space.Configuration) (sought, error) {
	var n sought
	for name, v := range c {
		if !ShapesNetwork(name) {
			continue
		}
		if err := n.read(name, v); err != nil {
			return n, fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	return n, nil
}

func (n *sought) read(name string, v space.Value) (err error) {
	text, _ := v.Text()
	number, _ := v.Float()
	switch name {
	case encoderType:
		if text != "ConvolutionalEncoder" && text != "ResidualEncoderM" {
			return fmt.Errorf("no encoder is called %v; there are ConvolutionalEncoder and ResidualEncoderM", v)
		}
		n.encoder = text
	case modelScale:
		if number < 0 || int(number) >= len(scales) || number != float64(int(number)) {
			return fmt.Errorf("it can't be %v; it is 0, 1, 2 or 3", v)
		}
		n.BlockScale = scales[int(number)]
	case baseFeatures:
		n.BaseFeatures = int(number)
	case maxFeatures:
		n.MaxFeatures = int(number)
	case activation:
		n.Activation, err = unet.ParseActivation(text)
	case norm:
		n.Norm, err = unet.ParseNorm(text)
	case dropoutRate:
		n.Dropout = number
	case architecture:
		n.tree, err = readTree(text)
	}
	return err
}

// readTree reads a derivation's text without its grammar; the text has been
// checked against that where the space was.
func readTree(text string) (*tree, error) {
	d, err := grammar.ParseTree(text)
	if err != nil {
		return nil, err
	}
	e, err := unet.DerivedEncoder(d)
	return &tree{d, e}, err
}

// options are what the planner is asked for, in place of the study's planner
// where the configuration chooses an encoder.
func (n sought) options(planner nnunet.Planner) nnunet.Options {
	o := n.Options
	o.Planner = planner
	switch {
	case n.tree != nil:
		o = nnunet.Options{Planner: nnunet.ConvPlanner, BaseFeatures: n.BaseFeatures, MaxFeatures: n.MaxFeatures}
		if n.tree.encoder == unet.Residual {
			o.Planner = nnunet.ResEncMPlanner
		}
	case n.encoder == "ResidualEncoderM":
		o.Planner = nnunet.ResEncMPlanner
	case n.encoder != "":
		o.Planner = nnunet.ConvPlanner
	}
	return o
}

// Bound is the study with its space's grammars bound to a data set.
func (s Study) Bound(d Dataset) (Study, error) {
	stages, err := d.NetworkStages()
	if err != nil {
		return s, err
	}
	if s.Space, err = s.Space.Bind(stages.Count); err != nil {
		return s, fmt.Errorf("study %s: %w", s.Name, err)
	}
	return s, nil
}
