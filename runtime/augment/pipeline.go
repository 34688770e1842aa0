package augment

import "math/rand/v2"

// scratch is working memory that samples leave to each other.
type scratch struct {
	run    run
	other  []float32
	spline spline
}

// transform is one step that a sample passes with a chance of p. Its parameters
// are drawn only where it is applied.
type transform struct {
	name  string
	p     float64
	apply func(*sample, *rand.Rand)
}

// pipeline is nnU-Net's training augmentation: how a window becomes a sample,
// then a list of transforms. The two generations of nnU-Net's library are two
// values of it.
type pipeline struct {
	spatial    func(s *sample, w window, g Geometry, factor float64, r *rand.Rand)
	transforms []transform
}

// current is the pipeline of nnU-Net 2.8.1 (nnUNetTrainer.get_training_transforms
// with batchgeneratorsv2 0.3.6), up to mirroring.
var current = pipeline{
	spatial: spatial,
	transforms: []transform{
		{"noise", 0.1, noise},
		{"blur", 0.2, blur},
		{"brightness", 0.15, brightness},
		{"contrast", 0.15, contrast},
		{"low resolution", 0.25, lowResolution},
		{"inverted gamma", 0.1, gammaInverted},
		{"gamma", 0.3, gamma},
	},
}

// earlier is the pipeline of nnU-Net 2.4 (nnUNetTrainer.get_training_transforms
// with batchgenerators 0.25.5), which Auto-nnU-Net used. What is missing here of
// batchgenerators' own is the same but for how it is written: brightness is drawn
// uniformly, since its range is even; and gamma restores deviations that divide
// by n instead of n-1, of which only the ratio counts.
var earlier = pipeline{
	spatial: spatialCubic,
	transforms: []transform{
		{"noise", 0.1, noise},
		{"blur", 0.2, blurRound},
		{"brightness", 0.15, brightness},
		{"contrast", 0.15, contrast},
		{"low resolution", 0.25, lowResolutionCubic},
		{"inverted gamma", 0.1, gammaInverted},
		{"gamma", 0.3, gamma},
	},
}

// Generation names the library whose augmentation is repeated.
type Generation string

// The generations of nnU-Net's augmentation.
const (
	V2 Generation = "v2" // batchgeneratorsv2, since nnU-Net 2.5
	V1 Generation = "v1" // batchgenerators, up to nnU-Net 2.4 and in Auto-nnU-Net
)

var generations = map[Generation]pipeline{V2: current, V1: earlier}

// apply makes the sample from the window. factor multiplies every chance;
// mirroring along each of the axes keeps its even odds.
func (p pipeline) apply(s *sample, w window, g Geometry, factor float64, mirror []int, r *rand.Rand) {
	p.spatial(s, w, g, factor, r)
	for _, t := range p.transforms {
		if r.Float64() < t.p*factor {
			t.apply(s, r)
		}
	}
	for _, axis := range mirror {
		if r.Float64() < 0.5 {
			s.mirror(axis)
		}
	}
}
