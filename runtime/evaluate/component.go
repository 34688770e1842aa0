package evaluate

import (
	"slices"

	"runspec/compiler/nnunet"
	"runspec/runtime/volume"
)

// Step is one step of post-processing: of all voxels with one of the values,
// taken together, only the largest component stays (nnU-Net's
// remove_all_but_largest_component_from_segmentation). Voxels are neighbours
// if they share a face, an edge or a corner; components of equal, largest size
// all stay.
type Step struct {
	Values []int `json:"values"`
}

// Apply gives a copy of l in which the smaller components are background.
func (s Step) Apply(l volume.Labels) volume.Labels {
	in := memberOf(s.Values)
	mask := make([]bool, len(l.Data))
	for i, v := range l.Data {
		mask[i] = in(v)
	}
	component, sizes := components(mask, l.Shape)
	largest := slices.Max(append(sizes, 0))
	l.Data = slices.Clone(l.Data)
	for i, c := range component {
		if mask[i] && sizes[c] < largest {
			l.Data[i] = 0
		}
	}
	return l
}

// components numbers the 26-connected components of a mask (z, y, x) from 0
// and counts their voxels; the number of a voxel outside the mask means nothing.
func components(mask []bool, shape [3]int) (component []int32, sizes []int) {
	component = make([]int32, len(mask))
	seen := make([]bool, len(mask))
	var queue []int
	for start, inside := range mask {
		if !inside || seen[start] {
			continue
		}
		number, size := int32(len(sizes)), 0
		seen[start] = true
		queue = append(queue[:0], start)
		for len(queue) > 0 {
			at := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			component[at] = number
			size++
			eachNeighbour(at, shape, func(next int) {
				if mask[next] && !seen[next] {
					seen[next] = true
					queue = append(queue, next)
				}
			})
		}
		sizes = append(sizes, size)
	}
	return component, sizes
}

// eachNeighbour visits the up to 26 neighbours of a voxel, and itself.
func eachNeighbour(at int, shape [3]int, visit func(int)) {
	x, y, z := at%shape[2], at/shape[2]%shape[1], at/shape[2]/shape[1]
	for k := max(z-1, 0); k <= min(z+1, shape[0]-1); k++ {
		for j := max(y-1, 0); j <= min(y+1, shape[1]-1); j++ {
			for i := max(x-1, 0); i <= min(x+1, shape[2]-1); i++ {
				visit((k*shape[1]+j)*shape[2] + i)
			}
		}
	}
}

// Pair is a predicted case with its reference.
type Pair struct {
	Reference, Prediction volume.Labels
}

// DeterminePostprocessing chooses the steps that improve the mean Dice of the
// pairs (nnU-Net's determine_postprocessing): first all foreground together,
// taken if the foreground mean rises and no class falls; then, where there are
// several labels or regions, each alone and in order, taken if its own mean
// rises, upon what was taken before. A mean that is NaN never rises. The steps
// have to be applied in order.
func DeterminePostprocessing(pairs []Pair, labels []nnunet.Label, ignore int) (Postprocessing, error) {
	p := Postprocessing{labels: labels}
	var err error
	if p.Before, err = summariseAfter(pairs, labels, ignore, nil); err != nil {
		return p, err
	}
	p.After = p.Before
	classes := foreground(labels)
	try := func(s Step, better func(before, after Summary) bool) error {
		after, err := summariseAfter(pairs, labels, ignore, append(slices.Clone(p.Steps), s))
		if err == nil && better(p.After, after) {
			p.Steps, p.After = append(p.Steps, s), after
		}
		return err
	}
	if err := try(Step{union(classes)}, improvesAll); err != nil || len(classes) < 2 {
		return p, err
	}
	for i, c := range classes {
		own := func(before, after Summary) bool { return after.Mean[i].Dice > before.Mean[i].Dice }
		if err := try(Step{c.values}, own); err != nil {
			return p, err
		}
	}
	return p, nil
}

func improvesAll(before, after Summary) bool {
	if !(after.ForegroundMean.Dice > before.ForegroundMean.Dice) {
		return false
	}
	for i := range after.Mean {
		if after.Mean[i].Dice < before.Mean[i].Dice {
			return false
		}
	}
	return true
}

func summariseAfter(pairs []Pair, labels []nnunet.Label, ignore int, steps []Step) (Summary, error) {
	cases := make([]CaseMetrics, len(pairs))
	chosen := Postprocessing{Steps: steps}
	for i, p := range pairs {
		var err error
		if cases[i], err = CompareVolumes(p.Reference, chosen.Apply(p.Prediction), labels, ignore); err != nil {
			return Summary{}, err
		}
	}
	return Summarise(cases), nil
}

func union(classes []class) []int {
	var values []int
	for _, c := range classes {
		values = append(values, c.values...)
	}
	slices.Sort(values)
	return slices.Compact(values)
}
