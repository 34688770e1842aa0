package kernel

// Packed are a convolution's weights in the order in which Forward reads them, for
// weights that stay the same from call to call: a tenth of a prediction by nnU-Net's
// full network would go into packing them. The zero value is empty, and is filled by
// the first call that it goes with. A change of the instruction set, which decides
// over the order, fills it anew; a change of the weights is for Forget to tell.
type Packed struct {
	set  *instructions // that data is packed for; nil: empty
	data []float32
}

// Forget empties k, since the weights have changed.
func (k *Packed) Forget() { k.set = nil }

// Bytes is the memory that k holds.
func (k *Packed) Bytes() int { return 4 * cap(k.data) }

// fill gives the n packed weights, which write writes unless k has them. Without k
// they are scratch.
func (k *Packed) fill(p *Pool, n int, write func(to []float32)) []float32 {
	if k == nil {
		to := p.floats(slotPacked, n)
		write(to)
		return to
	}
	if to := resize(&k.data, n); k.set != active {
		write(to)
		k.set = active
	}
	return k.data
}
