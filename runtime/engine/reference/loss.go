package reference

import (
	"math"
	"slices"

	"runspec/runtime/engine"
)

// statistics is LossStatistics: sums of p*y, p and y, then the summed
// cross-entropy, its count, and TopK's threshold and ties.
func (c *call) statistics(o engine.Objective) {
	logits, labels := c.in[0], c.in[1]
	k := c.shapes[0][4]
	each := len(labels) / o.Rows(c.shapes[0][0])
	tail := c.out[len(c.out)-4:]
	entropies := make([]float64, len(labels))
	for v, label := range labels {
		if o.Ignored(int(label)) {
			continue
		}
		p, entropy := probabilities(o, logits[v*k:][:k], int(label))
		entropies[v] = entropy
		tail[0] += entropy
		tail[1]++
		if !o.Dice() {
			continue
		}
		for class, q := range p {
			sums := c.out[(v/each*k+class)*3:]
			y := truth(o, class, label)
			sums[0] += q * y
			sums[1] += q
			sums[2] += y
		}
	}
	if o.Kind == engine.TopK {
		topK(entropies, tail)
	}
	if len(o.Regions) > 0 && o.Ignore == 0 { // a mean over outputs too
		tail[1] *= float64(k)
	}
}

// probabilities gives those of one voxel's outputs, classes or regions, and its
// cross-entropy.
func probabilities(o engine.Objective, z []float64, label int) (p []float64, entropy float64) {
	if len(o.Regions) == 0 {
		return softmax(z, label)
	}
	for i, v := range z {
		p = append(p, 1/(1+math.Exp(-v)))
		entropy += math.Log1p(math.Exp(-math.Abs(v))) + max(v, 0) - v*truth(o, i, float64(label))
	}
	return p, entropy
}

// truth is 1 where a voxel of the label belongs to the output.
func truth(o engine.Objective, output int, label float64) float64 {
	if len(o.Regions) == 0 {
		return indicator(output, label)
	}
	if o.Within(output, int(label)) {
		return 1
	}
	return 0
}

// topK makes tail the sum and the number of the largest entropies, the
// smallest of them, and how many just as small were taken.
func topK(entropies, tail []float64) {
	n := engine.TopKCount(len(entropies))
	sorted := slices.Clone(entropies)
	slices.Sort(sorted)
	chosen := sorted[len(sorted)-n:]
	clear(tail)
	tail[1], tail[2] = float64(n), chosen[0]
	for _, e := range chosen {
		tail[0] += e
		if e == chosen[0] {
			tail[3]++
		}
	}
}

// softmax gives the probabilities of one voxel's logits and the cross-entropy
// of its label.
func softmax(z []float64, label int) (p []float64, entropy float64) {
	top := slices.Max(z)
	p = make([]float64, len(z))
	sum := 0.0
	for i, v := range z {
		p[i] = math.Exp(v - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p, math.Log(sum) - (z[label] - top)
}

func indicator(class int, label float64) float64 {
	if class == int(label) {
		return 1
	}
	return 0
}

// value is the loss from its statistics; shape is the logits'.
func value(o engine.Objective, s []float64, shape []int) float64 {
	loss := 0.0
	if o.Dice() {
		rows, k := o.Rows(shape[0]), shape[4]
		for row := range rows {
			for class := o.FirstClass(); class < k; class++ {
				t := s[(row*k+class)*3:]
				loss -= ratio(t) / float64(rows*(k-o.FirstClass()))
			}
		}
	}
	tail := s[len(s)-4:]
	if (o.Entropy() || o.Kind == engine.TopK) && tail[1] > 0 {
		loss += tail[0] / tail[1]
	}
	return loss
}

// ratio is one class's soft Dice from its sums of p*y, p and y.
func ratio(t []float64) float64 {
	return (2*t[0] + engine.DiceSmooth) / (t[1] + t[2] + engine.DiceSmooth)
}

// lossGradient is LossGradient: with g the gradient by the probabilities, the
// softmax's p*(g - sum(g*p)), plus the cross-entropy's (p - y)/count.
func (c *call) lossGradient(o engine.Objective) {
	logits, labels, s, dy := c.in[0], c.in[1], c.in[2], c.in[3][0]
	k, rows := c.shapes[0][4], o.Rows(c.shapes[0][0])
	each := len(labels) / rows
	tail := s[len(s)-4:]
	ties := tail[3]
	for v, label := range labels {
		taken := o.Entropy()
		p, entropy := make([]float64, k), 0.0
		if !o.Ignored(int(label)) {
			p, entropy = probabilities(o, logits[v*k:][:k], int(label))
		}
		if o.Kind == engine.TopK {
			taken = entropy > tail[2]
			if entropy == tail[2] && ties > 0 {
				taken = true
				ties--
			}
		}
		if o.Ignored(int(label)) {
			continue
		}
		g := make([]float64, k)
		mean := 0.0
		for class := o.FirstClass(); class < k && o.Dice(); class++ {
			t := s[(v/each*k+class)*3:]
			g[class] = -(2*truth(o, class, label) - ratio(t)) / (t[1] + t[2] + engine.DiceSmooth) / float64(rows*(k-o.FirstClass()))
			mean += g[class] * p[class]
		}
		for class := range k {
			d := p[class] * (g[class] - mean)
			if len(o.Regions) > 0 {
				d = p[class] * (1 - p[class]) * g[class] // a sigmoid's
			}
			if taken && tail[1] > 0 {
				d += (p[class] - truth(o, class, label)) / tail[1]
			}
			c.out[v*k+class] = dy * d
		}
	}
}
