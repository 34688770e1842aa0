package augment

import "math"

// Scaling of the spatial transform: a factor above 1 shows a larger part of the
// case, hence smaller objects.
const (
	scaleLo = 0.7
	scaleHi = 1.4
	// margin is the lower end of the range that nnU-Net sizes the loader's
	// initial patch for; the transform itself draws from scaleLo on.
	margin = 0.85
)

// Geometry is what nnU-Net derives from the patch before training
// (configure_rotation_dummyDA_mirroring_and_inital_patch_size).
type Geometry struct {
	Patch   [3]int  // final patch (z, y, x); z is 1 in two dimensions
	Initial [3]int  // what the loader crops, larger by the reach of the rotation
	Angle   float64 // rotations are drawn from [-Angle, Angle), radians
	Planar  bool    // rotate and scale within slices only: 2-D, or 3-D with thick slices ("dummy 2-D")
}

// NewGeometry decides rotation range and initial patch for a final patch
// (z, y, x) of a network with dim (2 or 3) dimensions.
func NewGeometry(patch [3]int, dim int) Geometry {
	g := Geometry{Patch: patch, Angle: math.Pi / 6}
	long := max(patch[0], patch[1], patch[2])
	switch {
	case dim == 2:
		g.Planar = true
		g.Angle = math.Pi
		if float64(max(patch[1], patch[2]))/float64(min(patch[1], patch[2])) > 1.5 {
			g.Angle = math.Pi / 12
		}
	case float64(long)/float64(patch[0]) > 3:
		g.Planar, g.Angle = true, math.Pi
	}
	g.Initial = initial(patch, min(g.Angle, math.Pi/2), g.Planar)
	return g
}

// initial rotates the patch's corner by the largest angle about one axis after
// the other, takes the greatest extent, and divides by the margin for scaling
// (compute_initial_patch_size.get_patch_size).
func initial(patch [3]int, angle float64, planar bool) [3]int {
	sin, cos := math.Sincos(angle)
	z, y, x := float64(patch[0]), float64(patch[1]), float64(patch[2])
	size := [3]float64{z, y, x}
	grow := func(a, b int, u, v float64) {
		size[a] = max(size[a], math.Abs(cos*u+sin*v))
		size[b] = max(size[b], math.Abs(cos*v-sin*u))
	}
	if planar {
		grow(1, 2, y, x)
		return [3]int{patch[0], int(size[1] / margin), int(size[2] / margin)}
	}
	grow(1, 2, y, x)
	grow(2, 0, x, z)
	grow(0, 1, z, y)
	return [3]int{int(size[0] / margin), int(size[1] / margin), int(size[2] / margin)}
}

// affine maps a voxel's offset from the patch's centre to its offset from the
// window's centre, both (z, y, x). float32, as torch computes it.
type affine [3][3]float32

// newAffine is Rz·Ry·Rx·S for angles about the axes 0, 1, 2 in radians and one
// scale for all axes.
func newAffine(angle [3]float64, scale float64) affine {
	rx, ry, rz := rotations(angle)
	m := product(product(rz, ry), rx)
	var a affine
	for i := range 3 {
		for j := range 3 {
			a[i][j] = float32(m[i][j] * scale)
		}
	}
	return a
}

// rotations are those about each axis, by angles in radians.
func rotations(angle [3]float64) (rx, ry, rz [3][3]float64) {
	var s, c [3]float64
	for d := range 3 {
		s[d], c[d] = math.Sincos(angle[d])
	}
	rx = [3][3]float64{{1, 0, 0}, {0, c[0], -s[0]}, {0, s[0], c[0]}}
	ry = [3][3]float64{{c[1], 0, s[1]}, {0, 1, 0}, {-s[1], 0, c[1]}}
	rz = [3][3]float64{{c[2], -s[2], 0}, {s[2], c[2], 0}, {0, 0, 1}}
	return rx, ry, rz
}

// planarAffine rotates and scales within slices.
func planarAffine(angle, scale float64) affine {
	s, c := math.Sincos(angle)
	return affine{
		{1, 0, 0},
		{0, float32(c * scale), float32(-s * scale)},
		{0, float32(s * scale), float32(c * scale)},
	}
}

func product(a, b [3][3]float64) (m [3][3]float64) {
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				m[i][j] += a[i][k] * b[k][j]
			}
		}
	}
	return m
}
