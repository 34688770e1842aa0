package survey

import (
	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/compiler/unet"
)

// Samples are sampled configurations with the networks that they build.
type Samples struct {
	Version    string         `json:"version"`
	Experiment string         `json:"experiment"`
	Prior      bool           `json:"prior"` // drawn from the prior, else uniformly
	Seed       uint64         `json:"seed"`
	Limit      int64          `json:"memoryLimit,omitempty"` // bytes that the spec allows a training; 0: any
	Studies    []StudySamples `json:"studies"`
}

// StudySamples are those of one study on one data set.
type StudySamples struct {
	Study   string      `json:"study"`
	Dataset string      `json:"dataset"`
	Stages  plan.Stages `json:"stages"` // of nnU-Net's own network
	Samples []Sample    `json:"samples"`
}

// Sample is one configuration with its network.
type Sample struct {
	Configuration space.Configuration `json:"configuration"`
	Density       float64             `json:"density"`           // at which it was drawn
	Network       *Network            `json:"network,omitempty"` // nil: it can't be built
	Cause         string              `json:"cause,omitempty"`   // why not
}

// Network is what a configuration builds. Zeros are known after fingerprint.
type Network struct {
	Encoder       unet.Encoder    `json:"encoder"`
	Norm          unet.Norm       `json:"norm"`
	Activation    unet.Activation `json:"activation"`
	Dropout       float64         `json:"dropout"`
	Decoder       *unet.Side      `json:"decoder,omitempty"` // nil: as the encoder
	Stages        int             `json:"stages,omitempty"`
	Features      []int           `json:"features,omitempty"`      // of each stage
	Blocks        []int           `json:"blocks,omitempty"`        // of each encoder stage
	DecoderBlocks []int           `json:"decoderBlocks,omitempty"` // deepest first
	Patch         []int           `json:"patch,omitempty"`         // voxels, as nnU-Net orders the axes
	Batch         int             `json:"batch,omitempty"`
	Parameters    int64           `json:"parameters,omitempty"`
	Memory        int64           `json:"memory,omitempty"` // bytes that a training step holds, estimated
	FLOPs         int64           `json:"flops,omitempty"`  // of a forward pass of one patch; two for each multiply-add
	Fit           plan.Fit        `json:"fit,omitzero"`
	derived       bool            // from a grammar
}

// Draw samples n configurations of each study on each data set.
func Draw(p *plan.Plan, o Options, n int) (Samples, error) {
	out := Samples{Version: "runspec/space/sample/v1", Experiment: p.Name, Prior: !o.Uniform, Seed: o.Seed, Limit: int64(p.Limits.Memory)}
	vs, err := views(p, o)
	if err != nil {
		return out, err
	}
	for _, v := range vs {
		s := StudySamples{Study: v.study.Name, Dataset: v.dataset.Name, Stages: v.stages, Samples: []Sample{}}
		for _, c := range v.sample(o, n) {
			one := Sample{Configuration: c, Density: v.study.Space.Density(c, !o.Uniform)}
			if network, err := v.network(p.Training, c); err == nil {
				one.Network = &network
			} else {
				one.Cause = err.Error()
			}
			s.Samples = append(s.Samples, one)
		}
		out.Studies = append(out.Studies, s)
	}
	return out, nil
}

// network builds a configuration's network, as far as it is known.
func (v view) network(t plan.Training, c space.Configuration) (Network, error) {
	_, derived := c["architecture"]
	if v.dataset.Fingerprint == nil {
		return v.sketch(t, c, derived)
	}
	_, configuration, fit, err := t.Fitted(v.dataset.Description, *v.dataset.Fingerprint, v.study.Planner, v.dataset.Configuration, c)
	if err != nil {
		return Network{}, err
	}
	built, err := unet.Build(configuration.Architecture)
	if err != nil {
		return Network{}, err
	}
	n := describe(configuration.Architecture)
	n.Patch, n.Batch, n.Fit, n.derived = configuration.Patch, configuration.Batch, fit, derived
	n.Parameters = built.ParameterCount()
	if n.Memory, err = built.TrainingMemory(n.Batch, configuration.Patch3()); err != nil {
		return n, err
	}
	n.FLOPs, err = built.FLOPs(configuration.Patch3(), 1)
	return n, err
}

// sketch is a network of a data set that has not been read. The number of
// stages of a residual plan is not known then, nor the features in 2-D.
func (v view) sketch(t plan.Training, c space.Configuration, derived bool) (Network, error) {
	a, err := t.Sketch(v.study.Planner, c, v.stages.Count)
	n := describe(a)
	if !derived && (n.Encoder == unet.Residual || v.study.Planner != nnunet.ConvPlanner || v.stages.Origin == plan.Assumed) {
		n.Stages, n.Features, n.Blocks, n.DecoderBlocks = 0, nil, nil, nil
	}
	if v.dataset.Configuration == "2d" {
		n.Features = nil
	}
	n.derived = derived
	return n, err
}

func describe(a unet.Architecture) Network {
	n := Network{
		Encoder: a.Encoder, Norm: a.Norm, Activation: a.Activation, Dropout: a.Dropout, Decoder: a.DecoderSide,
		Stages: len(a.Stages), DecoderBlocks: a.DecoderBlocks,
	}
	for _, s := range a.Stages {
		n.Features, n.Blocks = append(n.Features, s.Features), append(n.Blocks, s.Blocks)
	}
	return n
}
