package augment

import "slices"

// mirror reverses the sample along one axis, in place.
func (s *sample) mirror(axis int) {
	if s.recipe != nil {
		s.recipe.Mirror[axis] = true
		return
	}
	for c := range s.channels {
		flip(s.channel(c), s.shape, axis)
	}
	flip(s.labels, s.shape, axis)
}

func flip[T float32 | int16](x []T, shape [3]int, axis int) {
	n, inner := shape[axis], 1
	for d := axis + 1; d < 3; d++ {
		inner *= shape[d]
	}
	for start := 0; start < len(x); start += n * inner {
		if inner == 1 {
			slices.Reverse(x[start : start+n])
			continue
		}
		for i := range n / 2 {
			a := x[start+i*inner:][:inner]
			b := x[start+(n-1-i)*inner:][:inner]
			for j := range a {
				a[j], b[j] = b[j], a[j]
			}
		}
	}
}

// mask sets the given channels to 0 where the label says outside (below 0): with
// normalisation inside the nonzero mask, 0 there is what the network must see
// also after the transforms.
func (s *sample) mask(use []bool) {
	for c, masked := range use {
		if !masked {
			continue
		}
		x := s.channel(c)
		for i, l := range s.labels {
			if l < 0 {
				x[i] = 0
			}
		}
	}
}

// settle turns outside (-1) into background.
func (s *sample) settle() {
	for i, l := range s.labels {
		if l < 0 {
			s.labels[i] = 0
		}
	}
}

// Regions tells for each region (a set of labels) and voxel whether the voxel
// belongs to it: labels (N, Z, Y, X) to 0 or 1 in (N, R, Z, Y, X). It is exact on
// every output of deep supervision, since these are downsampled by picking
// voxels, which commutes with it.
func (t Target) Regions(regions [][]int) []uint8 {
	n := t.Shape[0] * t.Shape[1] * t.Shape[2]
	out := make([]uint8, len(t.Labels)*len(regions))
	for start := 0; start < len(t.Labels); start += n {
		for r, region := range regions {
			to := out[start*len(regions)+r*n:][:n]
			for i, l := range t.Labels[start : start+n] {
				if slices.Contains(region, int(l)) {
					to[i] = 1
				}
			}
		}
	}
	return out
}
