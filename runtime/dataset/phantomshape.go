package dataset

import (
	"math"
	"math/rand/v2"

	"runspec/runtime/volume"
)

// blob is an ellipsoid whose surface waves.
type blob struct {
	centre, radius [3]float64 // mm (z, y, x)
	wave           [3]float64 // amplitude of each wave, relative to the radius
	phase          [3]float64
}

// distance is below 1 inside, 1 on the surface, and grows linearly outward.
func (b *blob) distance(p [3]float64) float64 {
	var u [3]float64
	sum := 0.0
	for i := range u {
		u[i] = (p[i] - b.centre[i]) / b.radius[i]
		sum += u[i] * u[i]
	}
	r := math.Sqrt(sum)
	if r == 0 {
		return 0
	}
	polar, around := math.Acos(u[0]/r), math.Atan2(u[1], u[2])
	swell := 1 + b.wave[0]*math.Sin(2*around+b.phase[0])*math.Sin(polar) +
		b.wave[1]*math.Sin(3*around+b.phase[1])*math.Sin(polar) + b.wave[2]*math.Cos(2*polar+b.phase[2])
	return r / swell
}

// spread is uniform in ±s.
func spread(rng *rand.Rand, s float64) float64 { return s * (2*rng.Float64() - 1) }

// newOrgans sets n organs on a ring about the middle, so near that neighbours
// touch; place, size and form vary from case to case.
func newOrgans(rng *rand.Rand, n int, g volume.Grid) []blob {
	var extent [3]float64
	for i := range extent {
		extent[i] = float64(g.Shape[i]) * g.Spacing[i]
	}
	ring, size := 0.17, 0.215
	if n == 1 {
		ring = 0
	}
	if n > 2 {
		ring, size = 0.19, 0.215*math.Pow(2/float64(n), 0.3)
	}
	turn := spread(rng, 0.35)
	middle := [3]float64{spread(rng, 0.06) * extent[0], spread(rng, 0.08) * extent[1], spread(rng, 0.08) * extent[2]}
	organs := make([]blob, n)
	for i := range organs {
		angle := turn + 2*math.Pi*float64(i)/float64(n)
		along := [3]float64{spread(rng, 0.06), ring * math.Sin(angle), ring * math.Cos(angle)}
		share := [3]float64{0.32, size, size}
		b := &organs[i]
		for a := range 3 {
			b.centre[a] = middle[a] + along[a]*extent[a]
			b.radius[a] = share[a] * extent[a] * (1 + spread(rng, 0.15))
			b.wave[a] = 0.1 * rng.Float64()
			b.phase[a] = 2 * math.Pi * rng.Float64()
		}
	}
	return organs
}

// capsule is how far beyond an organ's surface no distractor may lie, relative
// to the organ's radius.
const capsule = 1.22

// paintOrgans gives each voxel inside an organ the label of the organ that it
// lies deepest in, and returns which voxels are free for distractors.
func paintOrgans(rng *rand.Rand, n int, labels *volume.Labels) (free []bool) {
	organs := newOrgans(rng, n, labels.Grid)
	free = make([]bool, len(labels.Data))
	eachVoxel(labels.Grid, func(k int, mm, _ [3]float64) {
		nearest, label := math.Inf(1), 0
		for i := range organs {
			if d := organs[i].distance(mm); d < nearest {
				nearest, label = d, i+1
			}
		}
		if nearest < 1 {
			labels.Data[k] = int16(label)
		}
		free[k] = nearest > capsule
	})
	return free
}

// crowd is the share of free tissue that distractors of all intensities cover.
const crowd = 0.7

// paintDistractors copies the labels and adds small balls that look like the
// organs, the same volume of each kind, until crowd of the free tissue is
// covered. The result says what each voxel looks like.
func paintDistractors(rng *rand.Rand, n int, labels *volume.Labels, free []bool) []int16 {
	g := labels.Grid
	look := append([]int16(nil), labels.Data...)
	room := 0
	for _, f := range free {
		if f {
			room++
		}
	}
	pixel := min(g.Spacing[1], g.Spacing[2])
	painted := make([]int, n)
	want := int(crowd * float64(room) / float64(n))
	for missed := 0; missed < 1000; {
		kind := 0
		for i := range painted {
			if painted[i] < painted[kind] {
				kind = i
			}
		}
		if painted[kind] >= want {
			break
		}
		added := paintBall(rng, g, pixel*(1.2+rng.Float64()), look, free, int16(kind+1))
		painted[kind] += added
		if missed++; added > 0 {
			missed = 0
		}
	}
	return look
}

// paintBall sets the free tissue within radius (mm) of a random voxel to kind
// and returns how many voxels it set.
func paintBall(rng *rand.Rand, g volume.Grid, radius float64, look []int16, free []bool, kind int16) int {
	var centre, low, high [3]int
	for a := range 3 {
		centre[a] = rng.IntN(g.Shape[a])
		reach := int(radius / g.Spacing[a])
		low[a], high[a] = max(0, centre[a]-reach), min(g.Shape[a]-1, centre[a]+reach)
	}
	added := 0
	for z := low[0]; z <= high[0]; z++ {
		for y := low[1]; y <= high[1]; y++ {
			for x := low[2]; x <= high[2]; x++ {
				dz, dy, dx := float64(z-centre[0])*g.Spacing[0], float64(y-centre[1])*g.Spacing[1], float64(x-centre[2])*g.Spacing[2]
				k := (z*g.Shape[1]+y)*g.Shape[2] + x
				if dz*dz+dy*dy+dx*dx <= radius*radius && free[k] && look[k] == 0 {
					look[k] = kind
					added++
				}
			}
		}
	}
	return added
}

// bias is a smooth multiplicative field: exp of a few slow cosines.
type bias struct {
	strength  float64
	direction [3][3]float64
	phase     [3]float64
}

func newBias(rng *rand.Rand, strength float64) bias {
	b := bias{strength: strength}
	for i := range b.phase {
		for a := range 3 {
			b.direction[i][a] = spread(rng, 1.6)
		}
		b.phase[i] = 2 * math.Pi * rng.Float64()
	}
	return b
}

func (b bias) at(unit [3]float64) float64 {
	sum := 0.0
	for i, d := range b.direction {
		sum += math.Cos(d[0]*unit[0] + d[1]*unit[1] + d[2]*unit[2] + b.phase[i])
	}
	return math.Exp(b.strength * sum / 3)
}
