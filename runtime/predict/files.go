package predict

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"runspec/runtime/durable"
	"runspec/runtime/npy"
	"runspec/runtime/volume"
)

// probabilities is the name of the array in nnU-Net's .npz files.
const probabilities = "probabilities"

// Write keeps probabilities as nnU-Net does, stem.npz with the array
// "probabilities" (K, Z, Y, X) of float32; and their grid in stem.json, where
// nnU-Net has a pickle. The grid goes first: where the array is, the grid is.
func (p Probabilities) Write(stem string) error {
	text, err := json.MarshalIndent(p.Grid, "", " ")
	if err != nil {
		return err
	}
	if err := durable.Write(stem+".json", append(text, '\n')); err != nil {
		return fmt.Errorf("write %s.json: %w", stem, err)
	}
	s := p.Grid.Shape
	return npy.WriteZip(stem+".npz", probabilities, npy.Array{Shape: []int{p.K, s[0], s[1], s[2]}, Data: p.Data})
}

// ReadProbabilities reads what Write wrote. Where there is no stem.json, as
// beside nnU-Net's own files, the grid is that of the segmentation stem+ending.
func ReadProbabilities(stem, ending string) (Probabilities, error) {
	a, err := npy.ReadZip(stem+".npz", probabilities)
	if err != nil {
		return Probabilities{}, err
	}
	grid, err := readGrid(stem, ending)
	if err != nil {
		return Probabilities{}, err
	}
	if len(a.Shape) != 4 || !slices.Equal(a.Shape[1:], grid.Shape[:]) {
		return Probabilities{}, fmt.Errorf("%s.npz has the shape %v, its case has %v voxels (z, y, x): they do not belong together", stem, a.Shape, grid.Shape)
	}
	return Probabilities{Grid: grid, K: a.Shape[0], Data: a.Data}, nil
}

func readGrid(stem, ending string) (volume.Grid, error) {
	var grid volume.Grid
	text, err := os.ReadFile(stem + ".json")
	if os.IsNotExist(err) {
		l, err := volume.ReadLabels(stem + ending)
		if err != nil {
			return grid, fmt.Errorf("the place of %s.npz in space: neither %s.json nor the segmentation can be read: %w", stem, stem, err)
		}
		return l.Grid, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &grid)
	}
	if err != nil {
		return grid, fmt.Errorf("read %s.json: %w", stem, err)
	}
	return grid, nil
}
