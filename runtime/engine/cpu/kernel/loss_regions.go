package kernel

import "math"

// regionLoss is a loss over regions after its pass over the logits: each output is a
// region of its own, which may overlap others, behind a sigmoid. Its entropy is the
// binary one, summed over regions too.
type regionLoss struct {
	lossSums
	member [][]bool  // by label: which regions have it
	prob   []float32 // [Samples,Voxels,Classes]
}

// membership says by label which regions have it.
func (l *Loss) membership() [][]bool {
	var out [][]bool
	for region, values := range l.Regions {
		for _, v := range values {
			for len(out) <= int(v) {
				out = append(out, make([]bool, len(l.Regions)))
			}
			out[v][region] = true
		}
	}
	return append(out, make([]bool, len(l.Regions))) // what no region has
}

// regions is Compute where there are regions (nnunetv2 DC_and_BCE_loss): the
// binary cross-entropy's mean over voxels and regions, or, where a label is
// ignored, its sum over regions and mean over the voxels that count; and the soft
// Dice of all regions.
func (l *Loss) regions(p *Pool, logits []float32, labels []int16, weight float64, dlogits []float32) float64 {
	s := &regionLoss{lossSums: lossSums{Loss: l}, member: l.membership(), prob: p.floats(slotColumns, len(logits))}
	s.sum(p, func(lo, hi int, t []float64) { s.chunk(logits, labels, lo, hi, t) })
	value := 0.0
	if l.CrossEntropy {
		value += s.entropy * s.share()
	}
	hit, any := s.slopes(p)
	if l.Dice {
		value -= s.dice()
	}
	if dlogits != nil {
		mustLen("gradient of the logits", len(dlogits), l.LogitsLen())
		s.gradient(p, labels, weight, hit, any, dlogits)
	}
	return weight * value
}

// share is what one voxel of one region counts in the cross-entropy.
func (s *regionLoss) share() float64 {
	switch {
	case s.counted == 0:
		return 0
	case s.Ignore > 0:
		return 1 / float64(s.counted)
	}
	return 1 / float64(s.counted*s.Classes)
}

// of are the regions that a label is in.
func (s *regionLoss) of(label int16) []bool {
	if label < 0 || int(label) >= len(s.member) {
		return s.member[len(s.member)-1]
	}
	return s.member[label]
}

func (s *regionLoss) chunk(logits []float32, labels []int16, lo, hi int, t []float64) {
	k := s.Classes
	inter, pred, truth := t[2:][:k], t[2+k:][:k], t[2+2*k:][:k]
	for v := lo; v < hi; v++ {
		z, q := logits[v*k:][:k], s.prob[v*k:][:k]
		for c, x := range z {
			q[c] = float32(1 / (1 + math.Exp(-float64(x))))
		}
		if int(labels[v]) == s.ignored() {
			continue
		}
		t[1]++
		for c, in := range s.of(labels[v]) {
			x, prob := float64(z[c]), 1/(1+math.Exp(-float64(z[c])))
			t[0] += max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
			pred[c] += prob
			if in {
				t[0] -= x
				inter[c] += prob
				truth[c]++
			}
		}
	}
}

// gradient writes weight·dloss/dlogits; the sigmoid passes on q·(1−q).
func (s *regionLoss) gradient(p *Pool, labels []int16, weight float64, hit, any []float64, out []float32) {
	k, share := s.Classes, 0.0
	if s.CrossEntropy {
		share = s.share()
	}
	s.each(p, func(sample, _, lo, hi int) {
		at := sample * k % len(s.inter)
		for v := lo; v < hi; v++ {
			d, q := out[v*k:][:k], s.prob[v*k:][:k]
			if int(labels[v]) == s.ignored() {
				clear(d)
				continue
			}
			for c, in := range s.of(labels[v]) {
				prob, y, slope := float64(q[c]), 0.0, any[at+c]
				if in {
					y, slope = 1, slope+hit[at+c]
				}
				d[c] = float32(weight * (slope*prob*(1-prob) + share*(prob-y)))
			}
		}
	})
}
