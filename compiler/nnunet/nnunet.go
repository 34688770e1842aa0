// Package nnunet is nnU-Net's experiment planner as a pure function: from a
// Dataset (dataset.json) and its Fingerprint to Settings (spacing, patch,
// batch, stages, kernels). What nnU-Net calls plans is called Settings here.
package nnunet

import "runspec/compiler/unet"

// Dataset is the part of nnU-Net's dataset.json that planning, training and
// evaluation need.
type Dataset struct {
	Name        string   `json:"name"`
	Channels    []string `json:"channels"` // names in channel order; they choose the normalisation
	Labels      []Label  `json:"labels"`   // in dataset.json's order of values, background first
	Ignore      int      `json:"ignore"`   // value of the ignore label; 0: none
	NumTraining int      `json:"numTraining"`
	FileEnding  string   `json:"fileEnding"`
	RegionOrder []int    `json:"regionOrder,omitempty"` // regions_class_order
	Reader      string   `json:"-"`                     // overwrite_image_reader_writer, which plans repeat; runspec reads NIfTI whatever it says
}

// Label is one entry of dataset.json's labels; several values make a region.
type Label struct {
	Name   string `json:"name"`
	Values []int  `json:"values"`
	Listed bool   `json:"listed,omitempty"` // its one value stands as a list of one, which matters to Dataset.Key
}

// Intensity is what a fingerprint records of the foreground of one channel.
type Intensity struct {
	Max    float64 `json:"max"`
	Mean   float64 `json:"mean"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	P005   float64 `json:"percentile_00_5"`
	P995   float64 `json:"percentile_99_5"`
	Std    float64 `json:"std"`
}

// Fingerprint is nnU-Net's dataset_fingerprint.json.
type Fingerprint struct {
	Spacings           [][3]float64         `json:"spacings"`          // mm (z, y, x), case order
	ShapesAfterCrop    [][3]int             `json:"shapes_after_crop"` // (z, y, x), case order
	Foreground         map[string]Intensity `json:"foreground_intensity_properties_per_channel"`
	MedianRelativeSize float64              `json:"median_relative_size_after_cropping"`
}

// Planner names one of nnU-Net's experiment planners.
type Planner string

// The planners; XL follows the same rule.
const (
	ConvPlanner     Planner = "Conv" // nnU-Net's default
	ResEncMPlanner  Planner = "ResEncM"
	ResEncLPlanner  Planner = "ResEncL"
	ResEncXLPlanner Planner = "ResEncXL"
)

// Settings is what a planner decides for a data set.
type Settings struct {
	Planner           Planner         `json:"planner"`
	TransposeForward  [3]int          `json:"transposeForward"`
	TransposeBackward [3]int          `json:"transposeBackward"`
	OriginalSpacing   [3]float64      `json:"originalSpacing"` // median, transposed, mm
	OriginalShape     [3]float64      `json:"originalShape"`   // median, transposed
	Foreground        []Intensity     `json:"foreground"`      // per channel
	Configurations    []Configuration `json:"configurations"`  // order 2d, 3d_lowres, 3d_fullres, 3d_cascade_fullres
}

// Configuration is one of nnU-Net's configurations of a data set.
type Configuration struct {
	Name          string            `json:"name"`    // "2d", "3d_lowres", "3d_fullres", "3d_cascade_fullres"
	Spacing       []float64         `json:"spacing"` // target, transposed axes, mm; 2 or 3 long
	MedianShape   []float64         `json:"medianShape"`
	Patch         []int             `json:"patch"`
	Batch         int               `json:"batch"`
	Normalisation []string          `json:"normalisation"` // per channel: "ZScoreNormalization", "CTNormalization", …
	UseMask       []bool            `json:"useMask"`
	BatchDice     bool              `json:"batchDice"`
	Architecture  unet.Architecture `json:"architecture"`
	InheritsFrom  string            `json:"inheritsFrom,omitempty"`
	PreviousStage string            `json:"previousStage,omitempty"`
	NextStage     string            `json:"nextStage,omitempty"`
}

// Configuration returns the named configuration, or false.
func (s Settings) Configuration(name string) (Configuration, bool) {
	for _, c := range s.Configurations {
		if c.Name == name {
			return c, true
		}
	}
	return Configuration{}, false
}
