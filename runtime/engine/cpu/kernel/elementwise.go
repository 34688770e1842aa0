package kernel

// Add computes y = a + b; y may be either.
func Add(p *Pool, a, b, y []float32) {
	mustLen("first summand", len(a), len(y))
	mustLen("second summand", len(b), len(y))
	p.eachRange(len(y), elements, func(lo, hi int) { active.add(y[lo:hi], a[lo:hi], b[lo:hi]) })
}

// ScaleChannels computes y = x·scale for x [N,V,C] and scale [N,C], a dropout
// of whole channels, and its own gradient. y may be x.
func ScaleChannels(p *Pool, x, scale []float32, n, voxels, channels int, y []float32) {
	mustLen("input of a channel scaling", len(x), n*voxels*channels)
	mustLen("output of a channel scaling", len(y), len(x))
	mustLen("factors of a channel scaling", len(scale), n*channels)
	const block = 512
	blocks := (voxels + block - 1) / block
	p.Run(n*blocks, func(_, i int) {
		sample, b := i/blocks, i%blocks
		s := scale[sample*channels:][:channels]
		for v := b * block; v < min(voxels, (b+1)*block); v++ {
			at := (sample*voxels + v) * channels
			to := y[at:][:channels]
			for c, t := range x[at:][:channels] {
				to[c] = t * s[c]
			}
		}
	})
}

// Concat writes a [V,ca] and b [V,cb] side by side into y [V,ca+cb].
func Concat(p *Pool, a, b []float32, ca, cb int, y []float32) {
	voxels := len(a) / ca
	mustLen("first part of a concatenation", len(a), voxels*ca)
	mustLen("second part of a concatenation", len(b), voxels*cb)
	mustLen("output of a concatenation", len(y), voxels*(ca+cb))
	p.eachRange(voxels, 512, func(lo, hi int) {
		for v := lo; v < hi; v++ {
			to := y[v*(ca+cb):][:ca+cb]
			copy(to[:ca], a[v*ca:])
			copy(to[ca:], b[v*cb:])
		}
	})
}

// SliceChannels copies channels [from, to) of x [V,channels] into y [V,to−from]:
// the gradient of one part of a concatenation.
func SliceChannels(p *Pool, x []float32, channels, from, to int, y []float32) {
	voxels, width := len(x)/channels, to-from
	mustLen("input of a slice", len(x), voxels*channels)
	mustLen("output of a slice", len(y), voxels*width)
	p.eachRange(voxels, 512, func(lo, hi int) {
		for v := lo; v < hi; v++ {
			copy(y[v*width:][:width], x[v*channels+from:])
		}
	})
}
