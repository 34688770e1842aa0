package engine

import (
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
)

// DiceSmooth is added to both terms of the Dice ratio (nnU-Net: smooth).
const DiceSmooth = 1e-5

// TopKPercent is the share of voxels that TopK averages over.
const TopKPercent = 10

// Objective is one loss function on one output; Loss lists them.
type Objective struct {
	Kind      LossKind
	BatchDice bool
	Ignore    int16
	Regions   [][]int16 // labels of each output behind a sigmoid; nil: exclusive classes
}

// FirstClass is the first output that the Dice counts: classes leave the
// background out, regions have none.
func (o Objective) FirstClass() int {
	if len(o.Regions) > 0 {
		return 0
	}
	return 1
}

// Within says whether an output's region has a label.
func (o Objective) Within(output, label int) bool {
	return slices.Contains(o.Regions[output], int16(label))
}

// Dice says whether the soft Dice of the foreground classes is a term.
func (o Objective) Dice() bool { return o.Kind == DiceCE || o.Kind == Dice }

// Entropy says whether the mean cross-entropy is a term.
func (o Objective) Entropy() bool { return o.Kind == DiceCE || o.Kind == CE }

// Ignored says whether voxels of this label count nowhere.
func (o Objective) Ignored(label int) bool { return o.Ignore != 0 && label == int(o.Ignore) }

// TopKCount is how many of n voxels TopK averages over, at least one.
func TopKCount(n int) int { return max(1, n*TopKPercent/100) }

// Rows is the number of Dice ratios per class: one for the batch or one per sample.
func (o Objective) Rows(n int) int {
	if o.BatchDice {
		return 1
	}
	return n
}

// LossStatistics gives, from logits (N, D, H, W, K) and labels (N, D, H, W),
// what value and gradient of the loss need: a vector of Rows*K*3 + 4 numbers.
// First, for each row and class, the sums over voxels that are not ignored of
// p*y, p and y, where p is the softmax and y the label's indicator (zero
// without a Dice term); then the summed cross-entropy, the number of voxels
// it counts (with regions the binary cross-entropy, summed over the outputs, and
// the number that its mean divides by), and for TopK the smallest cross-entropy among the chosen voxels
// and how many voxels with just that value were chosen, first in C order.
type LossStatistics struct {
	final
	Objective
}

func (s LossStatistics) shape(in [][]int) ([]int, error) {
	if err := rank(in, 5, 4); err != nil {
		return nil, err
	}
	logits := in[0]
	return []int{s.Rows(logits[0])*logits[4]*3 + 4}, same(logits[:4], in[1])
}

// LossValue is the loss, a scalar, from logits, labels and LossStatistics;
// it only reads the last.
type LossValue struct{ Objective }

func (LossValue) shape(in [][]int) ([]int, error) {
	if len(in) != 3 {
		return nil, fmt.Errorf("%d operands", len(in))
	}
	return []int{}, nil
}

func (LossValue) differentiable(int) []bool { return []bool{true, false, false} }

func (l LossValue) gradient(t *tape, in []*gorgonia.Node, _, dy *gorgonia.Node) []*gorgonia.Node {
	return []*gorgonia.Node{t.apply(LossGradient{Objective: l.Objective}, in[0], in[1], in[2], dy), nil, nil}
}

// LossGradient is dy times the loss's gradient with respect to the logits,
// from logits, labels, LossStatistics and the scalar dy.
type LossGradient struct {
	final
	Objective
}

func (LossGradient) shape(in [][]int) ([]int, error) { return in[0], rank(in, 5, 4, 1, 0) }

// WeightedSum adds scalars, each times its weight.
type WeightedSum struct {
	all
	Weights []float64
}

func (s WeightedSum) shape(in [][]int) ([]int, error) {
	if len(in) != len(s.Weights) {
		return nil, fmt.Errorf("%d operands for %d weights", len(in), len(s.Weights))
	}
	return []int{}, rank(in, make([]int, len(in))...)
}

func (s WeightedSum) gradient(t *tape, in []*gorgonia.Node, _, dy *gorgonia.Node) []*gorgonia.Node {
	grads := make([]*gorgonia.Node, len(in))
	for i, w := range s.Weights {
		grads[i] = t.apply(Scale{Factor: w}, dy)
	}
	return grads
}

// Scale is Factor*x for a scalar x.
type Scale struct {
	final
	Factor float64
}

func (Scale) shape(in [][]int) ([]int, error) { return []int{}, rank(in, 0) }
