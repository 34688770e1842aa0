package kernel

import (
	"fmt"
	"math"
)

// Loss is what nnU-Net minimises, on logits [Samples,Voxels,Classes] and labels
// [Samples,Voxels] in [0,Classes): the sum of the terms that are switched on
// (nnunetv2.training.loss: compound_losses, dice, robust_ce_loss).
type Loss struct {
	Samples, Voxels, Classes int

	CrossEntropy bool    // mean over the voxels that count
	TopK         float64 // above 0: instead the mean over this share of all voxels, the worst
	Dice         bool    // minus the soft Dice of the classes but 0, smoothed by 1e-5
	BatchDice    bool    // Dice sums run over the samples too
	Ignore       int     // voxels of this label do not count; 0 or less: no such label

	// Regions are the labels of each output; nil: outputs are exclusive classes.
	// With regions all terms are of sigmoids, none of TopK.
	Regions [][]int16
}

// LogitsLen and LabelsLen are the lengths of logits and labels.
func (l *Loss) LogitsLen() int { return l.Samples * l.Voxels * l.Classes }
func (l *Loss) LabelsLen() int { return l.Samples * l.Voxels }

// Compute returns weight·loss and, unless dlogits is nil, writes its gradient
// with regard to the logits. A label that is neither a class nor Ignore is an error.
func (l *Loss) Compute(p *Pool, logits []float32, labels []int16, weight float64, dlogits []float32) (float64, error) {
	mustLen("logits", len(logits), l.LogitsLen())
	mustLen("labels", len(labels), l.LabelsLen())
	if len(l.Regions) > 0 {
		return l.regions(p, logits, labels, weight, dlogits), nil
	}
	s := l.softmax(p, logits, labels)
	if s.counted < 0 {
		return 0, l.badLabel(labels)
	}
	value := 0.0
	switch {
	case l.TopK > 0:
		s.selectWorst(p)
		value += s.worst
	case l.CrossEntropy && s.counted > 0:
		value += s.entropy / float64(s.counted)
	}
	if l.Dice {
		value -= s.dice()
	}
	if dlogits != nil {
		mustLen("gradient of the logits", len(dlogits), l.LogitsLen())
		s.gradient(p, labels, weight, dlogits)
	}
	return weight * value, nil
}

func (l *Loss) badLabel(labels []int16) error {
	for i, y := range labels {
		if int(y) != l.ignored() && (int(y) < 0 || int(y) >= l.Classes) {
			return fmt.Errorf("sample %d has label %d at voxel %d, but the network has classes 0 to %d",
				i/l.Voxels, y, i%l.Voxels, l.Classes-1)
		}
	}
	return nil
}

// ignored is the label left out, or one that no voxel can have.
func (l *Loss) ignored() int {
	if l.Ignore > 0 {
		return l.Ignore
	}
	return math.MinInt
}

// softmaxLoss is a loss over exclusive classes after its pass over the logits.
type softmaxLoss struct {
	lossSums
	prob   []float32 // [Samples,Voxels,Classes]
	losses []float32 // cross-entropy of each voxel, for TopK

	worst     float64 // mean of the worst voxels' cross-entropy
	worstN    int
	threshold float32 // cross-entropy above which a voxel is among the worst
	ties      int     // how many of the voxels at the threshold are, the first ones
}

// softmax fills in probabilities and sums.
func (l *Loss) softmax(p *Pool, logits []float32, labels []int16) *softmaxLoss {
	s := &softmaxLoss{lossSums: lossSums{Loss: l, first: 1}, prob: p.floats(slotColumns, len(logits))}
	if l.TopK > 0 {
		s.losses = p.floats(slotLosses, len(labels))
	}
	s.sum(p, func(lo, hi int, t []float64) { s.chunk(logits, labels, lo, hi, t) })
	return s
}

func (s *softmaxLoss) chunk(logits []float32, labels []int16, lo, hi int, t []float64) {
	k := s.Classes
	inter, pred, truth, e := t[2:][:k], t[2+k:][:k], t[2+2*k:][:k], t[2+3*k:][:k]
	for v := lo; v < hi; v++ {
		z, q := logits[v*k:][:k], s.prob[v*k:][:k]
		top := z[0]
		for _, x := range z {
			top = max(top, x)
		}
		sum := 0.0
		for c, x := range z {
			e[c] = math.Exp(float64(x - top))
			sum += e[c]
		}
		for c := range q {
			e[c] /= sum
			q[c] = float32(e[c])
		}
		y := int(labels[v])
		if y == s.ignored() {
			if s.losses != nil {
				s.losses[v] = 0
			}
			continue
		}
		if y < 0 || y >= k {
			t[1] = math.Inf(-1)
			return
		}
		loss := math.Log(sum) - float64(z[y]-top)
		if s.losses != nil {
			s.losses[v] = max(0, float32(loss))
		}
		t[0] += loss
		t[1]++
		for c, x := range e {
			pred[c] += x
		}
		inter[y] += e[y]
		truth[y]++
	}
}

// gradient writes weight·dloss/dlogits. With g the loss's derivative by the
// probabilities q, the softmax passes on q·(g − Σ q·g).
func (s *softmaxLoss) gradient(p *Pool, labels []int16, weight float64, out []float32) {
	k := s.Classes
	hit, any := s.slopes(p)
	entropy := 0.0
	if s.CrossEntropy && s.counted > 0 {
		entropy = 1 / float64(s.counted)
	}
	if s.TopK > 0 {
		entropy = 1 / float64(max(1, s.worstN))
	}
	first := s.firstTies(p)
	s.each(p, func(sample, i, lo, hi int) {
		at := sample * k % len(s.inter)
		hit, any := hit[at:][:k], any[at:][:k]
		ties := 0
		if first != nil {
			ties = int(first[i])
		}
		for v := lo; v < hi; v++ {
			d, q, y := out[v*k:][:k], s.prob[v*k:][:k], int(labels[v])
			share := entropy
			if s.TopK > 0 && !s.among(v, &ties) {
				share = 0
			}
			if y == s.ignored() {
				clear(d)
				continue
			}
			dot := 0.0
			for c, x := range q {
				dot += float64(x) * any[c]
			}
			dot += float64(q[y]) * hit[y]
			for c, x := range q {
				d[c] = float32(weight * float64(x) * (any[c] - dot + share))
			}
			d[y] = float32(weight * (float64(q[y])*(any[y]+hit[y]-dot+share) - share))
		}
	})
}
