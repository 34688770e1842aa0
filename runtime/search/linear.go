package search

import "math"

// A triangle is the lower half of a symmetric or triangular matrix, by rows.
type triangle [][]float64

// cholesky factors a symmetric positive matrix in place; false where it is not
// positive.
func (l triangle) cholesky() bool {
	for i, row := range l {
		for j, other := range l[:i] {
			row[j] = (row[j] - dot(row[:j], other[:j])) / other[j]
		}
		d := row[i] - dot(row[:i], row[:i])
		if d <= 0 || math.IsNaN(d) {
			return false
		}
		row[i] = math.Sqrt(d)
	}
	return true
}

// forward solves L x = b in place.
func (l triangle) forward(b []float64) {
	for i, row := range l {
		b[i] = (b[i] - dot(row[:i], b[:i])) / row[i]
	}
}

// backward solves Lᵀ x = b in place.
func (l triangle) backward(b []float64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] /= l[i][i]
		for j, v := range l[i][:i] {
			b[j] -= v * b[i]
		}
	}
}

func dot(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

func spreadOf(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean) / float64(len(values))
	}
	if deviation = math.Sqrt(deviation); deviation < 1e-9 {
		return mean, 1 // all equal
	}
	return mean, deviation
}
