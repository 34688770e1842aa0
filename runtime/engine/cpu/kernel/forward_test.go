package kernel

// Forward is ForwardPacked without packed weights that are kept.
func (c *Conv) Forward(p *Pool, x, w, bias, y []float32) { c.ForwardPacked(p, x, w, nil, bias, y) }

// Forward is ForwardPacked without packed weights that are kept.
func (c *TransposedConv) Forward(p *Pool, x, w, bias, y []float32) {
	c.ForwardPacked(p, x, w, nil, bias, y)
}

// Flops counts two for each multiplication of one pass, border included.
func (c *Conv) Flops() int64 { return 2 * int64(c.N*volume(c.Out)) * int64(c.WeightLen()) }

// Flops counts two for each multiplication of one pass.
func (c *TransposedConv) Flops() int64 { return 2 * int64(c.N*volume(c.In)) * int64(c.WeightLen()) }
