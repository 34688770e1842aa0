package volume

import "fmt"

// Vote is how the labels around a point become one label.
type Vote int

const (
	// LargestShare takes the label with the largest interpolated share; of
	// equal ones the nearest voxel's, or else the smallest (batchgenerators
	// 0.25.5, nnU-Net 2.8).
	LargestShare Vote = iota
	// HalfShare takes the largest label whose share is at least one half, and 0
	// where there is none (older batchgenerators, as Auto-nnU-Net uses).
	HalfShare
)

// ResampleSeg resamples labels (Z, Y, X) as nnU-Net does: each label's share of a
// point is interpolated with order 1, and the vote decides; at order 0 the
// nearest label is taken. A separate axis (see ResampleData) takes the nearest
// label, so orderZ must be 0. Equal shapes give seg itself.
func ResampleSeg(seg []int16, from, to [3]int, current, target [3]float64, order, orderZ int, vote Vote) []int16 {
	if orderZ != 0 || (order != 0 && order != 1) {
		panic(fmt.Sprintf("volume: labels resampled with orders %d and %d", order, orderZ))
	}
	if from == to {
		return seg
	}
	axis, separate := SeparateAxis(current, target)
	if !separate {
		return resizeSeg(seg, from, to, order, vote)
	}
	forth, back := toFront(axis)
	seg, from = Transpose(seg, 1, from, forth)
	to = [3]int{to[forth[0]], to[forth[1]], to[forth[2]]}
	plane := [3]int{from[0], to[1], to[2]}
	if plane != from {
		seg = resizeSeg(seg, from, plane, order, vote)
	}
	if plane != to {
		seg = resizeSeg(seg, plane, to, 0, vote)
	}
	seg, _ = Transpose(seg, 1, to, back)
	return seg
}

// neighbours are the two input samples around an output sample along one axis,
// their weights, and the nearest input sample.
type neighbours struct {
	at      [2]int
	weights [2]float64
	nearest int
}

// around gives the neighbours along an axis as offsets of the given stride.
func around(in, out, stride, order int) []neighbours {
	all := make([]neighbours, out)
	for i := range all {
		near := nearest(i, in, out) * stride
		if order == 0 || in == out {
			all[i] = neighbours{[2]int{near, near}, [2]float64{1, 0}, near}
			continue
		}
		lo, hi, w := linear(i, in, out)
		all[i] = neighbours{[2]int{lo * stride, hi * stride}, [2]float64{1 - w, w}, near}
	}
	return all
}

func resizeSeg(seg []int16, from, to [3]int, order int, vote Vote) []int16 {
	zs := around(from[0], to[0], from[1]*from[2], order)
	ys := around(from[1], to[1], from[2], order)
	xs := around(from[2], to[2], 1, order)
	out := make([]int16, to[0]*to[1]*to[2])
	parallel(to[0]*to[1], 8*to[2], func(lo, hi int) {
		for row := lo; row < hi; row++ {
			z, y := &zs[row/to[1]], &ys[row%to[1]]
			resizeSegRow(out[row*to[2]:(row+1)*to[2]], seg, z, y, xs, vote)
		}
	})
	return out
}

func resizeSegRow(out, seg []int16, z, y *neighbours, xs []neighbours, vote Vote) {
	a, b := seg[z.at[0]+y.at[0]:], seg[z.at[0]+y.at[1]:]
	c, d := seg[z.at[1]+y.at[0]:], seg[z.at[1]+y.at[1]:]
	for i := range out {
		x := &xs[i]
		p, q := x.at[0], x.at[1]
		l := a[p]
		if a[q] == l && b[p] == l && b[q] == l && c[p] == l && c[q] == l && d[p] == l && d[q] == l {
			out[i] = l
			continue
		}
		corners := [8]int16{l, a[q], b[p], b[q], c[p], c[q], d[p], d[q]}
		out[i] = elect(&corners, z, y, x, seg[z.nearest+y.nearest+x.nearest], vote)
	}
}

// elect sums each label's weights in the order of scipy's zoom and without fused
// operations, since ties are decided on exact equality.
func elect(corners *[8]int16, z, y, x *neighbours, near int16, vote Vote) int16 {
	var labels [8]int16
	var shares [8]float64
	n := 0
	for i, l := range corners {
		w := float64(float64(z.weights[i>>2]*y.weights[i>>1&1]) * x.weights[i&1])
		k := 0
		for k < n && labels[k] != l {
			k++
		}
		if k == n {
			labels[k], n = l, n+1
		}
		shares[k] += w
	}
	if vote == HalfShare {
		return half(labels[:n], shares[:n])
	}
	best := 0
	for k := 1; k < n; k++ {
		if shares[k] > shares[best] || (shares[k] == shares[best] && labels[k] < labels[best]) {
			best = k
		}
	}
	for k := range n {
		if labels[k] == near && shares[k] == shares[best] {
			return near
		}
	}
	return labels[best]
}

// half is the largest label with at least half of the shares, else 0.
func half(labels []int16, shares []float64) int16 {
	found, winner := false, int16(0)
	for k, l := range labels {
		if shares[k] >= 0.5 && (!found || l > winner) {
			found, winner = true, l
		}
	}
	return winner
}
