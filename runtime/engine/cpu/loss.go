package cpu

import (
	"fmt"

	"runspec/runtime/engine"
	"runspec/runtime/engine/cpu/kernel"
)

// loss runs the losses. The kernel gives value and gradient in one go, so
// LossGradient does all the work of its output where there is one, LossValue
// otherwise, and LossStatistics none.
func (p *pass) loss(i int, n engine.Node) (run func() error, ok bool, err error) {
	switch op := n.Op.(type) {
	case engine.LossStatistics, engine.WeightedSum, engine.Scale:
		return nil, true, nil
	case engine.LossValue:
		if p.lossGradient(n.In[2]) >= 0 {
			return nil, true, nil
		}
		run, err = p.objective(op.Objective, n, i, 1, func() []float32 { return nil })
		return run, true, err
	case engine.LossGradient:
		weight, err := p.fold(n.In[3])
		if err != nil {
			return nil, true, err
		}
		run, err = p.objective(op.Objective, n, p.lossValue(n.In[2]), weight, func() []float32 { return p.values[i] })
		return run, true, err
	}
	return nil, false, nil
}

// objective computes one output's loss into the scalar of node value, and
// weight times its gradient.
func (p *pass) objective(o engine.Objective, n engine.Node, value int, weight float64, gradient func() []float32) (func() error, error) {
	logits, labels := n.In[0], n.In[1]
	s := p.shape(logits)
	k := &kernel.Loss{
		Samples: s[0], Voxels: s[1] * s[2] * s[3], Classes: s[4],
		CrossEntropy: o.Entropy(), Dice: o.Dice(), BatchDice: o.BatchDice, Ignore: int(o.Ignore), Regions: o.Regions,
	}
	if o.Kind == engine.TopK {
		k.TopK = engine.TopKPercent / 100.0
	}
	input, ok := p.graph.Nodes[labels].Op.(engine.Labels)
	if !ok || value < 0 || weight == 0 {
		return nil, fmt.Errorf("a loss without labels, value or weight")
	}
	return func() error {
		loss, err := k.Compute(p.executor.pool, p.values[logits], p.feed.labels[input.Output], weight, gradient())
		p.scalars[value] = loss / weight
		return err
	}, nil
}

// lossGradient and lossValue find the needed node that reads the statistics.
func (p *pass) lossGradient(statistics int) int {
	for i, n := range p.graph.Nodes {
		if _, ok := n.Op.(engine.LossGradient); ok && p.need[i] && n.In[2] == statistics {
			return i
		}
	}
	return -1
}

func (p *pass) lossValue(statistics int) int {
	for i, n := range p.graph.Nodes {
		if _, ok := n.Op.(engine.LossValue); ok && n.In[2] == statistics {
			return i
		}
	}
	return -1
}

// fold is a scalar known before the run: a constant, perhaps scaled.
func (p *pass) fold(node int) (float64, error) {
	n := p.graph.Nodes[node]
	switch op := n.Op.(type) {
	case engine.Constant:
		return op.Value, nil
	case engine.Scale:
		x, err := p.fold(n.In[0])
		return op.Factor * x, err
	}
	return 0, fmt.Errorf("the weight of a loss is a %T", n.Op)
}

// totals are the weighted sums, which run last: the losses may come as late as
// their gradients.
func (p *pass) totals() (run []func() error) {
	for i, n := range p.graph.Nodes {
		op, ok := n.Op.(engine.WeightedSum)
		if !ok || !p.need[i] {
			continue
		}
		run = append(run, func() error {
			p.scalars[i] = 0
			for j, w := range op.Weights {
				p.scalars[i] += w * p.scalars[n.In[j]]
			}
			return nil
		})
	}
	return run
}
