package volume

import (
	"fmt"
	"math"
)

// flat is how many times thicker than its pixels nnU-Net takes a 2-D image to be
// (SimpleITKIO), so that its one slice is never resampled.
const flat = 999

// setSpace reads where the voxels lie. The spacing is always |pixdim|.
func (h *header) setSpace(f fields) error {
	scale := millimetres(f.units)
	for i := range 3 {
		s := math.Abs(f.pixdim[i+1])
		if int64(i) >= f.dim[0] {
			s = max(h.grid.Spacing[1], h.grid.Spacing[2]) / scale * flat
		}
		if !(s > 0) || math.IsInf(s*scale, 0) {
			return fmt.Errorf("its spacing is %v along (x, y, z); every spacing must be positive, in millimetres", f.pixdim[1:4])
		}
		h.grid.Spacing[2-i] = s * scale
	}
	a := f.affine(h.grid.Spacing, scale)
	for _, row := range a {
		for _, v := range row {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("its affine is not finite (damaged header)")
			}
		}
	}
	h.grid.Affine = a
	return nil
}

// millimetres per spatial unit: bits 0-2 of xyzt_units are 1 (m), 2 (mm), 3 (µm).
func millimetres(units int32) float64 {
	switch units & 7 {
	case 1:
		return 1000
	case 3:
		return 0.001
	}
	return 1
}

// scanner is the sform code of scanner coordinates (NIFTI_XFORM_SCANNER_ANAT).
const scanner = 1

// affine chooses as ITK 5 does (found by trial): of two transforms the sform if
// its code says scanner coordinates and its axes are orthogonal, else the qform;
// of one transform that one; of none the axes of ITK's patient space. (A sheared
// sform without a qform, which ITK refuses, is taken as it is: the affine only
// goes back into what is written.)
func (f *fields) affine(spacing [3]float64, scale float64) [3][4]float64 {
	sform := f.srow
	for i := range sform {
		for j := range sform[i] {
			sform[i][j] *= scale
		}
	}
	_, _, orthogonal := quaternion(sform)
	switch {
	case f.sform > 0 && (f.qform <= 0 || f.sform == scanner && orthogonal):
		return sform
	case f.qform > 0:
		return f.rotated(spacing, scale)
	}
	return axisAligned(spacing)
}

// rotated is the qform: rotation, qfac and offset.
func (f *fields) rotated(spacing [3]float64, scale float64) (a [3][4]float64) {
	r, qfac := rotation(f.quatern), 1.0
	if f.pixdim[0] < 0 {
		qfac = -1
	}
	for i := range 3 {
		a[i] = [4]float64{r[i][0] * spacing[2], r[i][1] * spacing[1], r[i][2] * spacing[0] * qfac, f.qoffset[i] * scale}
	}
	return a
}

// axisAligned is ITK's identity: origin 0, x to the left and y to the back,
// which are negative in RAS+.
func axisAligned(spacing [3]float64) [3][4]float64 {
	return [3][4]float64{{-spacing[2], 0, 0, 0}, {0, -spacing[1], 0, 0}, {0, 0, spacing[0], 0}}
}

// rotation turns the quaternion (a, b, c, d), a >= 0, into a matrix (nifti1.h,
// method 2). A (b, c, d) longer than 1 is rounding: it is normalised.
func rotation(q [3]float64) [3][3]float64 {
	b, c, d := q[0], q[1], q[2]
	a := 1 - (b*b + c*c + d*d)
	if a < 1e-7 {
		n := 1 / math.Sqrt(b*b+c*c+d*d)
		a, b, c, d = 0, b*n, c*n, d*n
	} else {
		a = math.Sqrt(a)
	}
	return [3][3]float64{
		{a*a + b*b - c*c - d*d, 2 * (b*c - a*d), 2 * (b*d + a*c)},
		{2 * (b*c + a*d), a*a + c*c - b*b - d*d, 2 * (c*d - a*b)},
		{2 * (b*d - a*c), 2 * (c*d + a*b), a*a + d*d - c*c - b*b},
	}
}

// quaternion is the inverse of rotation: (b, c, d) and qfac of the affine's
// directions, which must be orthogonal to 1e-4; ok is false where they are not.
func quaternion(affine [3][4]float64) (q [3]float64, qfac float64, ok bool) {
	var r [3][3]float64
	for j := range 3 {
		n := math.Sqrt(affine[0][j]*affine[0][j] + affine[1][j]*affine[1][j] + affine[2][j]*affine[2][j])
		if n == 0 {
			return q, 1, false
		}
		for i := range 3 {
			r[i][j] = affine[i][j] / n
		}
	}
	for j := range 3 {
		k := (j + 1) % 3
		if math.Abs(r[0][j]*r[0][k]+r[1][j]*r[1][k]+r[2][j]*r[2][k]) > 1e-4 {
			return q, 1, false
		}
	}
	qfac = 1
	if determinant(r) < 0 {
		qfac = -1
		for i := range 3 {
			r[i][2] = -r[i][2]
		}
	}
	return versor(r), qfac, true
}

func determinant(r [3][3]float64) float64 {
	return r[0][0]*(r[1][1]*r[2][2]-r[1][2]*r[2][1]) -
		r[0][1]*(r[1][0]*r[2][2]-r[1][2]*r[2][0]) +
		r[0][2]*(r[1][0]*r[2][1]-r[1][1]*r[2][0])
}

// versor gives (b, c, d) of a proper rotation, with a >= 0. It divides by the
// largest component, so that rotations by 180° are exact.
func versor(r [3][3]float64) [3]float64 {
	// 4a², 4b², 4c², 4d²
	squares := [4]float64{
		1 + r[0][0] + r[1][1] + r[2][2], 1 + r[0][0] - r[1][1] - r[2][2],
		1 - r[0][0] + r[1][1] - r[2][2], 1 - r[0][0] - r[1][1] + r[2][2],
	}
	most := 0
	for i, s := range squares {
		if s > squares[most] {
			most = i
		}
	}
	m := 2 * math.Sqrt(squares[most]) // 4 times the largest component
	var v [4]float64
	switch most {
	case 0:
		v = [4]float64{m / 4, (r[2][1] - r[1][2]) / m, (r[0][2] - r[2][0]) / m, (r[1][0] - r[0][1]) / m}
	case 1:
		v = [4]float64{(r[2][1] - r[1][2]) / m, m / 4, (r[0][1] + r[1][0]) / m, (r[0][2] + r[2][0]) / m}
	case 2:
		v = [4]float64{(r[0][2] - r[2][0]) / m, (r[0][1] + r[1][0]) / m, m / 4, (r[1][2] + r[2][1]) / m}
	default:
		v = [4]float64{(r[1][0] - r[0][1]) / m, (r[0][2] + r[2][0]) / m, (r[1][2] + r[2][1]) / m, m / 4}
	}
	if v[0] < 0 {
		return [3]float64{-v[1], -v[2], -v[3]}
	}
	return [3]float64{v[1], v[2], v[3]}
}
