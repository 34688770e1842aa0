// Package dataset gets cases ready for training: the catalogue and download of
// the Medical Segmentation Decathlon, phantoms, the fingerprint, nnU-Net's
// preprocessing with its cache, and the folds.
package dataset

import (
	"runspec/compiler/nnunet"
	"runspec/runtime/volume"
)

// Raw is a data set on disk in the Decathlon's or nnU-Net's layout.
type Raw struct {
	Dir         string
	Description nnunet.Dataset
	Cases       []RawCase // sorted by ID, bytewise

	Warn func(what string) // told of what is odd and does not hinder; may be nil
}

// RawCase is one labelled case: the files of its channels, and of its labels.
type RawCase struct {
	ID     string
	Images []string // one 4-D file, or one file per channel
	Label  string
	Mask   bool // Preprocess gives a case without Label nnU-Net's mask in place of labels
}

// Case is a preprocessed case (nnU-Net's DefaultPreprocessor): transposed,
// cropped, normalised and resampled.
type Case struct {
	ID         string
	Channels   int
	Shape      [3]int     // voxels (z, y, x)
	Spacing    [3]float64 // mm (z, y, x)
	Data       []float32  // (C, Z, Y, X)
	Seg        []int16    // (Z, Y, X); -1 is outside the nonzero mask
	Locations  []Location // voxels of each foreground label, for oversampling
	Properties Properties
	Odd        []string // what is odd about the files and does not hinder; not kept in a Cache
}

// Location lists sampled voxels of one label, as linear indices into Seg.
type Location struct {
	Label  int16
	Voxels []int32
}

// Properties is what export needs to put a prediction back on the original grid.
type Properties struct {
	Grid              volume.Grid // of the file
	TransposeForward  [3]int
	TransposeBackward [3]int
	ShapeBeforeCrop   [3]int     // transposed (z, y, x)
	Box               [3][2]int  // half-open crop box, transposed axes
	ShapeAfterCrop    [3]int     // before resampling
	SpacingTransposed [3]float64 // of the file, transposed, mm
}

// Fold is one split of a data set: indices into the sorted case IDs.
type Fold struct {
	Train, Validation []int
}
