// Package volume is a 3-D image in memory: reading and writing NIfTI, and the
// pure routines that nnU-Net applies to arrays (crop, normalise, resample).
// Arrays are C-ordered with axes (z, y, x), as SimpleITK gives them to nnU-Net;
// spacings are millimetres in the same order.
package volume

// Grid says where an array of voxels lies in space.
type Grid struct {
	Shape   [3]int        `json:"shape"`   // voxels (z, y, x)
	Spacing [3]float64    `json:"spacing"` // mm (z, y, x)
	Affine  [3][4]float64 `json:"affine"`  // voxel (x, y, z, 1) to mm (RAS+), as NIfTI's sform
}

// Voxels is the number of voxels.
func (g Grid) Voxels() int { return g.Shape[0] * g.Shape[1] * g.Shape[2] }

// Image has one value per channel and voxel.
type Image struct {
	Grid
	Channels int
	Data     []float32 // (C, Z, Y, X)
	Odd      []string  // what its files differ in without being wrong, for people
}

// Labels has one integer per voxel.
type Labels struct {
	Grid
	Data []int16 // (Z, Y, X)
}
