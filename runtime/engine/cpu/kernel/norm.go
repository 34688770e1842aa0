package kernel

import "math"

// Norm is a normalisation of x [Groups,Voxels,Channels]: each channel of each
// group has its own mean and variance (biased), Eps inside the root, and each
// channel a gain gamma and an offset beta. Instance norm has a group per
// sample, batch norm a single one.
type Norm struct {
	Groups, Voxels, Channels int
	Eps                      float64
}

// InstanceNorm normalises each sample of x [n,voxels,channels] alone.
func InstanceNorm(n, voxels, channels int, eps float64) Norm {
	return Norm{Groups: n, Voxels: voxels, Channels: channels, Eps: eps}
}

// BatchNorm normalises x [n,voxels,channels] over samples and voxels. At
// evaluation pass Forward the kept mean and Rstd(variance).
func BatchNorm(n, voxels, channels int, eps float64) Norm {
	return Norm{Groups: 1, Voxels: n * voxels, Channels: channels, Eps: eps}
}

// Len is the length of x, StatsLen that of mean and rstd, [Groups,Channels].
func (n *Norm) Len() int      { return n.Groups * n.Voxels * n.Channels }
func (n *Norm) StatsLen() int { return n.Groups * n.Channels }

// sumVoxels is how many voxels are summed in float32; such sums are added in
// float64 and in order.
const sumVoxels = 256

func (n *Norm) chunks() int { return (n.Voxels + sumVoxels - 1) / sumVoxels }

// each runs f on every chunk: group, number, and the chunk's range in x.
func (n *Norm) each(p *Pool, f func(group, i, lo, hi int)) {
	chunks := n.chunks()
	p.Run(n.Groups*chunks, func(_, i int) {
		group, b := i/chunks, i%chunks
		first := group * n.Voxels
		f(group, i, (first+b*sumVoxels)*n.Channels, (first+min(n.Voxels, (b+1)*sumVoxels))*n.Channels)
	})
}

// sums gives yield, per group and channel, the sums of x−shift and of its
// square; shift [Groups,Channels] nil means zero.
func (n *Norm) sums(p *Pool, x, shift []float32, yield func(group, channel int, sum, square float64)) {
	c := n.Channels
	part := p.floats(slotPartial, n.Groups*n.chunks()*2*c)
	if shift == nil {
		shift = p.floats(slotFactors, n.Groups*c)
		clear(shift)
	}
	n.each(p, func(group, i, lo, hi int) {
		s := part[i*2*c:][:2*c]
		clear(s)
		active.moments(x[lo:hi], shift[group*c:][:c], s[:c], s[c:])
	})
	n.total(part, yield)
}

// total adds up the chunks' pairs of sums.
func (n *Norm) total(part []float32, yield func(group, channel int, a, b float64)) {
	chunks, c := n.chunks(), n.Channels
	for group := range n.Groups {
		for ch := range c {
			var a, b float64
			for i := range chunks {
				s := part[(group*chunks+i)*2*c+ch:]
				a += float64(s[0])
				b += float64(s[c])
			}
			yield(group, ch, a, b)
		}
	}
}

// Stats computes mean and rstd = 1/√(variance+Eps), both [Groups,Channels].
// The sums are taken relative to each group's first voxel, so that a large
// mean does not swallow the variance.
func (n *Norm) Stats(p *Pool, x, mean, rstd []float32) {
	mustLen("input of a norm", len(x), n.Len())
	c := n.Channels
	shift := p.floats(slotFactors, n.StatsLen())
	for group := range n.Groups {
		copy(shift[group*c:][:c], x[group*n.Voxels*c:])
	}
	v := float64(n.Voxels)
	n.sums(p, x, shift, func(group, ch int, sum, square float64) {
		i := group*c + ch
		d := sum / v
		variance := max(0, square/v-d*d)
		mean[i], rstd[i] = float32(float64(shift[i])+d), float32(1/math.Sqrt(variance+n.Eps))
	})
}

// Rstd turns variances into 1/√(variance+Eps).
func (n *Norm) Rstd(variance, rstd []float32) {
	for i, v := range variance {
		rstd[i] = float32(1 / math.Sqrt(float64(v)+n.Eps))
	}
}

// Forward computes y = leaky(gamma·(x−mean)·rstd + beta), where leaky(z) is z
// above zero and slope·z elsewhere: slope 1 for no activation, 0 for ReLU.
// mean and rstd are [Groups,Channels]. y may be x.
func (n *Norm) Forward(p *Pool, x, mean, rstd, gamma, beta []float32, slope float32, y []float32) {
	mustLen("input of a norm", len(x), n.Len())
	mustLen("output of a norm", len(y), n.Len())
	c := n.Channels
	scale, offset := n.line(p, mean, rstd, gamma, beta)
	n.each(p, func(group, _, lo, hi int) {
		active.affine(x[lo:hi], y[lo:hi], scale[group*c:][:c], offset[group*c:][:c], slope)
	})
}

// line gives the norm as z = scale·x + offset, [Groups,Channels] each.
func (n *Norm) line(p *Pool, mean, rstd, gamma, beta []float32) (scale, offset []float32) {
	mustLen("mean of a norm", len(mean), n.StatsLen())
	mustLen("rstd of a norm", len(rstd), n.StatsLen())
	mustLen("gamma of a norm", len(gamma), n.Channels)
	mustLen("beta of a norm", len(beta), n.Channels)
	f := p.floats(slotFactors, 4*n.StatsLen())
	scale, offset = f[:n.StatsLen()], f[n.StatsLen():][:n.StatsLen()]
	for i := range scale {
		ch := i % n.Channels
		scale[i] = gamma[ch] * rstd[i]
		offset[i] = float32(float64(beta[ch]) - float64(mean[i])*float64(scale[i]))
	}
	return scale, offset
}

// Backward computes dx, dgamma and dbeta of Forward from dy, with mean and
// rstd a function of x, as in training. The activation is recomputed. dx may be dy.
//
// With z = scale·x + offset, dz = dy·leaky'(z), V voxels and x̂ = (x−mean)·rstd:
// dbeta = Σdz, dgamma = Σdz·x̂, dx = scale·(dz − Σdz/V − x̂·Σ(dz·x̂)/V), the sums of
// each group, those of gamma and beta over all groups.
func (n *Norm) Backward(p *Pool, x, dy, mean, rstd, gamma, beta []float32, slope float32, dx, dgamma, dbeta []float32) {
	mustLen("input of a norm", len(x), n.Len())
	mustLen("output gradient of a norm", len(dy), n.Len())
	mustLen("input gradient of a norm", len(dx), n.Len())
	mustLen("gradient of gamma", len(dgamma), n.Channels)
	mustLen("gradient of beta", len(dbeta), n.Channels)
	c, all := n.Channels, n.StatsLen()
	scale, offset := n.line(p, mean, rstd, gamma, beta)
	f := p.floats(slotFactors, 4*all)
	kx, k1 := f[2*all:][:all], f[3*all:][:all]
	part := p.floats(slotPartial, n.Groups*n.chunks()*2*c)
	n.each(p, func(group, i, lo, hi int) {
		s, at := part[i*2*c:][:2*c], group*c
		clear(s)
		active.gradSums(x[lo:hi], dy[lo:hi], scale[at:][:c], offset[at:][:c], mean[at:][:c], slope, s[:c], s[c:])
	})
	g := p.doubles(slotFactors, 2*c)
	clear(g)
	v := float64(n.Voxels)
	n.total(part, func(group, ch int, sum, moment float64) {
		i := group*c + ch
		r := float64(rstd[i])
		g[ch] += sum
		g[c+ch] += moment * r
		// dx = scale·dz + kx·x + k1
		slopeX := -float64(scale[i]) * r * r * moment / v
		kx[i] = float32(slopeX)
		k1[i] = float32(-float64(scale[i])*sum/v - slopeX*float64(mean[i]))
	})
	for ch := range c {
		dbeta[ch], dgamma[ch] = float32(g[ch]), float32(g[c+ch])
	}
	n.each(p, func(group, _, lo, hi int) {
		at := group * c
		active.gradInput(x[lo:hi], dy[lo:hi], dx[lo:hi], scale[at:][:c], offset[at:][:c], kx[at:][:c], k1[at:][:c], slope)
	})
}
