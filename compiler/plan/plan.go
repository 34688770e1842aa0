// Package plan holds the Plan: what compiler and runtime agree on. It is plain
// data with one canonical JSON form (RFC 8785), whose digest names it. A plan
// is enough to run; plan and journal are enough to report and to resume.
package plan

import (
	"runspec/compiler/nnunet"
	"runspec/compiler/space"
)

// Version is the format of a Plan.
const Version = "runspec/plan/v1"

// Plan is a lowered experiment. Everything the run depends on stands in it.
type Plan struct {
	Version    string      `json:"version"`
	Name       string      `json:"name"`
	Seed       uint64      `json:"seed"`
	Datasets   []Dataset   `json:"datasets"`
	Training   Training    `json:"training"`
	Fidelity   Fidelity    `json:"fidelity"`
	Folds      []Fold      `json:"folds"` // on which baselines and incumbents are trained and compared
	Cost       Cost        `json:"cost"`
	Baselines  []Baseline  `json:"baselines"`
	Studies    []Study     `json:"studies"` // sorted by name
	Report     Report      `json:"report"`
	Limits     Limits      `json:"limits,omitzero"`
	Simulation *Simulation `json:"simulation,omitempty"` // nil: trials are trained
	Engine     Engine      `json:"engine"`
	Failures   Failures    `json:"failures,omitzero"`
	Requires   Requires    `json:"requires,omitzero"`
}

// Cost says how training cost, an objective, is counted.
type Cost string

// The two ways of counting.
const (
	CostModel    Cost = "model"    // FLOPs × iterations: reproducible
	CostMeasured Cost = "measured" // hours
)

// Engine says what trains.
type Engine string

// The engines.
const (
	Auto Engine = "auto" // a GPU where there is one, else the processor
	CPU  Engine = "cpu"
	XLA  Engine = "xla" // a device of an XLA plug-in
)

// Simulation is the black box that stands in the place of trainings.
type Simulation struct {
	Kind      string             `json:"kind"`                // "formula" or "nb201"
	Constants map[string]float64 `json:"constants,omitempty"` // of the formula, in the place of the built-in ones
}

// SourceKind says where a data set's cases come from.
type SourceKind string

// The sources of cases.
const (
	Decathlon SourceKind = "decathlon" // an archive of the Medical Segmentation Decathlon, or its unpacked folder
	Folder    SourceKind = "folder"    // a folder in the Decathlon's or nnU-Net's raw layout
	Phantoms  SourceKind = "phantom"   // made on the spot
)

// Source says where a data set's cases come from.
type Source struct {
	Kind    SourceKind `json:"kind"`
	Task    string     `json:"task,omitempty"` // Decathlon: "Task04_Hippocampus"
	URL     string     `json:"url,omitempty"`
	MD5     string     `json:"md5,omitempty"`
	Path    string     `json:"path,omitempty"` // folder
	Phantom *Phantom   `json:"phantom,omitempty"`
}

// Phantom describes synthetic volumes: organs of different brightness, noise,
// a bias field, anisotropic voxels.
type Phantom struct {
	Cases   int        `json:"cases"`
	Shape   [3]int     `json:"shape"`   // mean extent in voxels (z, y, x); cases vary around it
	Spacing [3]float64 `json:"spacing"` // mm (z, y, x)
	Organs  int        `json:"organs"`  // foreground labels
	Noise   float64    `json:"noise"`   // standard deviation, relative to organ contrast
	Bias    float64    `json:"bias"`    // relative strength of the smooth bias field
	Seed    uint64     `json:"seed"`
}

// Dataset is one data set with the network that nnU-Net's planner gives it.
type Dataset struct {
	Name          string              `json:"name"` // nnU-Net's: "Dataset004_Hippocampus"
	Source        Source              `json:"source"`
	Digest        string              `json:"digest,omitempty"`      // of the cases' files; "": not known yet
	Description   nnunet.Dataset      `json:"description"`           // known after fingerprint: zero
	Fingerprint   *nnunet.Fingerprint `json:"fingerprint,omitempty"` // nil: known after fingerprint
	Configuration string              `json:"configuration"`         // "3d_fullres"
	Published     string              `json:"published,omitempty"`   // key in the published tables: "D04"
}

// Training is what every training of the experiment shares, unless a
// configuration's hyperparameter overrides it. The zero values mean what each
// field says.
type Training struct {
	Iterations           int             `json:"iterations"`           // training batches per epoch; nnU-Net 250
	ValidationIterations int             `json:"validationIterations"` // validation batches per epoch; nnU-Net 50
	Batch                int             `json:"batch"`                // 0: the planner's
	BaseFeatures         int             `json:"baseFeatures"`         // 0: the planner's; else replaced after planning
	MaxFeatures          int             `json:"maxFeatures"`          // 0: the planner's
	ValidateWith         string          `json:"validateWith"`         // "best" (the paper's choice) or "final"
	Mirroring            bool            `json:"mirroring"`            // average over mirrored inputs when predicting
	Augmentation         string          `json:"augmentation"`         // "v2", "v1" or "none"
	Precision            string          `json:"precision,omitempty"`  // of activations: "fp32", "bf16", "fp16"; "": what the device does best
	Hyperparameters      Hyperparameters `json:"hyperparameters"`      // nnU-Net's defaults
}

// Hyperparameters are one training's settings: nnU-Net's defaults, overlaid by
// the parameters of a configuration that bear the same names.
type Hyperparameters struct {
	Optimizer    string  `json:"optimizer"` // "SGD", "Adam", "AdamW"
	Momentum     float64 `json:"momentum"`
	InitialLR    float64 `json:"initial_lr"`
	LRScheduler  string  `json:"lr_scheduler"` // "PolyLRScheduler", "CosineAnnealingLR", "None"
	WeightDecay  float64 `json:"weight_decay"`
	Oversample   float64 `json:"oversample_foreground_percent"`
	LossFunction string  `json:"loss_function"` // engine.LossKind's names
	AugFactor    float64 `json:"aug_factor"`
	Clip         float64 `json:"clip"` // gradient norm; nnU-Net 12
}

// Fidelity is what one trial may spend. Horizon is the length of the
// learning-rate schedule whatever the rung (FACTS of Auto-nnU-Net: 1000).
type Fidelity struct {
	Unit    string `json:"unit"` // "epochs"
	Min     int    `json:"min"`
	Max     int    `json:"max"`
	Eta     int    `json:"eta"`
	Horizon int    `json:"horizon"`
}

// Baseline is a training with nnU-Net's defaults under one of its planners.
type Baseline struct {
	Name    string         `json:"name"` // "nnunet/Conv"
	Planner nnunet.Planner `json:"planner"`
}

// OptimizerKind names a search method.
type OptimizerKind string

// The search methods; runtime/search has one file for each.
const (
	RandomSearch      OptimizerKind = "random"
	SuccessiveHalving OptimizerKind = "successive_halving"
	Hyperband         OptimizerKind = "hyperband"
	ParetoBayes       OptimizerKind = "pareto_bayes"
	PriorBand         OptimizerKind = "priorband"
	RegularizedBand   OptimizerKind = "regularized_priorband"
)

// PriorBands says whether the method is PriorBand in one of its forms.
func (k OptimizerKind) PriorBands() bool { return k == PriorBand || k == RegularizedBand }

// Bracketed says whether the method runs the brackets of Hyperband.
func (k OptimizerKind) Bracketed() bool { return k == Hyperband || k.PriorBands() }

// Objectives is how many objectives the method minimises: 1 - Dice, and with two
// the cost.
func (k OptimizerKind) Objectives() int {
	if k == RegularizedBand || k == ParetoBayes {
		return 2
	}
	return 1
}

// Learns says whether what another run observed changes what the method draws.
func (k OptimizerKind) Learns() bool { return k.PriorBands() || k == ParetoBayes }

// CompatAuthors is the word for Auto-nnU-Net's own behaviour.
const CompatAuthors = "authors"

// Optimizer is a study's search method with its settings.
type Optimizer struct {
	Kind    OptimizerKind `json:"kind"`
	Trials  int           `json:"trials"`            // configurations sampled (random: all at the top rung; successive halving: at the lowest; Hyperband: of all brackets)
	Prior   bool          `json:"prior"`             // sample from the prior instead of uniformly
	Default bool          `json:"default"`           // the first configuration is the space's default
	Workers int           `json:"workers,omitempty"` // Pareto-Bayes: of the virtual clock that decides what a proposal knows; 0: proposals follow real ends
	Compat  string        `json:"compat,omitempty"`  // PriorBand: "authors", as Auto-nnU-Net's optimiser ranks, weighs and waits
	Eta     int           `json:"eta,omitempty"`     // PriorBand: of the fidelity
	Min     int           `json:"min,omitempty"`     // PriorBand: of the fidelity, in epochs
}

// Study is one search.
type Study struct {
	Name      string         `json:"name"`
	Space     space.Space    `json:"space"`
	Optimizer Optimizer      `json:"optimizer"`
	Folds     []Fold         `json:"folds"` // on which each trial is trained
	Planner   nnunet.Planner `json:"planner"`
	Known     []Known        `json:"known,omitempty"`    // what other runs observed, from before the first trial (PriorBand, Pareto-Bayes)
	First     int            `json:"first,omitempty"`    // index of the first configuration; those below it were drawn from an earlier space (warm start)
	Seed      uint64         `json:"seed"`               // derived from the experiment's seed and the study's name
	Rungs     []Rung         `json:"rungs"`              // lowest first
	Brackets  []Bracket      `json:"brackets,omitempty"` // Hyperband, PriorBand: all that are run, in order
	Budget    *Budget        `json:"budget,omitempty"`   // Hyperband, PriorBand: what the brackets were cut to
}

// Known is an observation that a study takes over from another run.
type Known struct {
	Dataset       string              `json:"dataset"`
	Configuration space.Configuration `json:"configuration"`
	Epochs        int                 `json:"epochs"`     // those of a rung
	Objectives    []float64           `json:"objectives"` // minimised: 1 - Dice, cost
}

// Rung is one fidelity of a study and the number of trials that reach it, in
// all brackets.
type Rung struct {
	Epochs int `json:"epochs"`
	Trials int `json:"trials"`
}

// Report says which tables are wanted.
type Report struct {
	Against   string `json:"against"`   // baseline that differences are taken to
	Published bool   `json:"published"` // show published numbers beside ours
}
