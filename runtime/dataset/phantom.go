package dataset

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sync/errgroup"

	"runspec/compiler/plan"
	"runspec/runtime/durable"
	"runspec/runtime/volume"
)

// phantomVersion changes whenever the same plan.Phantom gives other voxels.
const phantomVersion = "phantom/v1"

// WritePhantom makes synthetic labelled volumes in the Decathlon's layout: a
// few touching organs in a tissue full of small blobs that are as bright or as
// dark as the organs, under noise and a bias field, in anisotropic voxels. An
// organ is told from its distractors by size and surroundings, not by its
// intensity. The folder appears whole, under a temporary name until it is
// complete; the same p gives the same voxels whatever the number of processors.
func WritePhantom(ctx context.Context, dir string, p plan.Phantom) error {
	fail := func(err error) error { return fmt.Errorf("write phantoms %s: %w", dir, err) }
	if err := checkPhantom(p); err != nil {
		return fail(err)
	}
	if _, err := os.Stat(dir); err == nil {
		return fail(fmt.Errorf("the folder exists already; remove it to make the phantoms anew"))
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fail(err)
	}
	tmp, err := durable.TempDir(dir)
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(tmp)
	if err := writePhantoms(ctx, tmp, p); err != nil {
		return fail(err)
	}
	if err := publish(tmp, dir); err != nil {
		return fail(err)
	}
	return nil
}

func checkPhantom(p plan.Phantom) error {
	switch {
	case p.Cases < 1:
		return fmt.Errorf("%d cases asked for; ask for at least 1", p.Cases)
	case p.Organs < 1 || p.Organs > 6:
		return fmt.Errorf("%d organs asked for; there can be 1 to 6", p.Organs)
	case !(p.Noise >= 0) || !(p.Bias >= 0) || math.IsInf(p.Noise+p.Bias, 0):
		return fmt.Errorf("noise %v and bias %v must be finite and not negative", p.Noise, p.Bias)
	}
	for i := range 3 {
		if p.Shape[i] < 8 {
			return fmt.Errorf("shape %v (z, y, x): every axis needs at least 8 voxels", p.Shape)
		}
		if !(p.Spacing[i] > 0) || math.IsInf(p.Spacing[i], 0) {
			return fmt.Errorf("spacing %v mm (z, y, x): every one must be positive", p.Spacing)
		}
	}
	return nil
}

func writePhantoms(ctx context.Context, dir string, p plan.Phantom) error {
	for _, sub := range []string{"imagesTr", "labelsTr"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range p.Cases {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			image, labels := phantomCase(p, i)
			if err := volume.WriteImage(filepath.Join(dir, "imagesTr", phantomID(i)+".nii.gz"), image); err != nil {
				return err
			}
			return volume.WriteLabels(filepath.Join(dir, "labelsTr", phantomID(i)+".nii.gz"), labels)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	b, err := json.MarshalIndent(describePhantom(p), "", " ")
	if err != nil {
		return err
	}
	return durable.Write(filepath.Join(dir, "dataset.json"), append(b, '\n'))
}

func phantomID(i int) string { return fmt.Sprintf("phantom_%03d", i+1) }

// decathlonJSON is the Decathlon's dataset.json as far as WritePhantom fills it.
type decathlonJSON struct {
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Modality    map[string]string `json:"modality"`
	Labels      map[string]string `json:"labels"`
	NumTraining int               `json:"numTraining"`
	NumTest     int               `json:"numTest"`
	Training    []trainingPair    `json:"training"`
	Test        []string          `json:"test"`
}

type trainingPair struct {
	Image string `json:"image"`
	Label string `json:"label"`
}

func describePhantom(p plan.Phantom) decathlonJSON {
	d := decathlonJSON{
		Name:        "Phantom",
		Description: "Synthetic organs among distractors of the same intensities",
		Modality:    map[string]string{"0": "MRI"},
		Labels:      map[string]string{"0": "background"},
		NumTraining: p.Cases,
		Test:        []string{},
	}
	for i := range p.Organs {
		d.Labels[strconv.Itoa(i+1)] = fmt.Sprintf("Organ%d", i+1)
	}
	for i := range p.Cases {
		name := phantomID(i) + ".nii.gz"
		d.Training = append(d.Training, trainingPair{"./imagesTr/" + name, "./labelsTr/" + name})
	}
	return d
}

// Intensities of a phantom, before bias and noise.
const (
	tissue   = 300.0 // what lies between organs and distractors
	contrast = 80.0  // between an organ and the tissue, or the next organ's level
)

// intensity alternates above and below the tissue: organ 1 bright, 2 dark, 3
// brighter, and so on; label 0 is the tissue.
func intensity(label int) float64 {
	step := float64((label + 1) / 2)
	if label%2 == 0 {
		step = -step
	}
	return tissue + contrast*step
}

// phantomCase draws case i. Its own generator makes it independent of the other
// cases and of who draws them.
func phantomCase(p plan.Phantom, i int) (*volume.Image, *volume.Labels) {
	rng := rand.New(rand.NewPCG(p.Seed, uint64(i)+1))
	grid := volume.Grid{Spacing: p.Spacing}
	for a := range 3 {
		grid.Shape[a] = max(8, int(math.Round(float64(p.Shape[a])*(0.92+0.16*rng.Float64()))))
		grid.Affine[a] = [4]float64{}
		grid.Affine[a][a] = p.Spacing[2-a]
	}
	labels := &volume.Labels{Grid: grid, Data: make([]int16, grid.Voxels())}
	free := paintOrgans(rng, p.Organs, labels)
	look := paintDistractors(rng, p.Organs, labels, free)
	image := &volume.Image{Grid: grid, Channels: 1, Data: make([]float32, grid.Voxels())}
	scale, bias := 0.9+0.2*rng.Float64(), newBias(rng, p.Bias)
	eachVoxel(grid, func(k int, _ [3]float64, unit [3]float64) {
		v := scale * bias.at(unit) * intensity(int(look[k]))
		v += p.Noise * contrast * rng.NormFloat64()
		// Whole numbers, as scanners store them: they also hide the last bit in
		// which processors may differ. 0 would count as outside the body.
		image.Data[k] = float32(max(1, math.Round(v)))
	})
	return image, labels
}

// eachVoxel visits the voxels in order with their place in millimetres (z, y,
// x) from the centre of the grid, and in units from −1 to 1 across it.
func eachVoxel(g volume.Grid, visit func(k int, mm, unit [3]float64)) {
	var mm, unit [3]float64
	k := 0
	at := func(axis, i int) {
		n := float64(g.Shape[axis])
		offset := float64(i) + 0.5 - n/2
		mm[axis], unit[axis] = offset*g.Spacing[axis], 2*offset/n
	}
	for z := range g.Shape[0] {
		at(0, z)
		for y := range g.Shape[1] {
			at(1, y)
			for x := range g.Shape[2] {
				at(2, x)
				visit(k, mm, unit)
				k++
			}
		}
	}
}
