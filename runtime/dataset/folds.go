package dataset

import (
	"fmt"
	"slices"

	"runspec/compiler/plan"
)

// splits is the number of folds of nnU-Net's cross-validation, and foldSeed its
// random state (nnunetv2 generate_crossval_split, do_split).
const (
	splits   = 5
	foldSeed = 12345
)

// Folds are nnU-Net's five cross-validation splits of n cases, given in bytewise
// order of their IDs: scikit-learn's KFold(5, shuffle, random_state 12345).
// Train and Validation ascend.
func Folds(n int) ([]Fold, error) {
	if n < splits {
		return nil, fmt.Errorf("%d labelled cases cannot be split into %d folds: add cases", n, splits)
	}
	order := NewLegacy(foldSeed).Permutation(n)
	folds := make([]Fold, splits)
	for i := range folds {
		size := n / splits
		if i < n%splits {
			size++
		}
		folds[i].Validation = slices.Sorted(slices.Values(order[:size]))
		order = order[size:]
		folds[i].Train = without(n, folds[i].Validation)
	}
	return folds, nil
}

// NewFold is the split of n cases that nnU-Net uses for a fold: one of Folds
// below five; from five on, four fifths drawn at random
// (RandomState(12345 + number)) are for training, in the order drawn, and the
// rest validate; of plan.All every case is for both.
func NewFold(n int, fold plan.Fold) (Fold, error) {
	number := int(fold)
	switch {
	case fold == plan.All:
		every := without(n, nil)
		return Fold{Train: every, Validation: every}, nil
	case number < 0:
		return Fold{}, fmt.Errorf("fold %d: folds are numbered from 0", number)
	case n < 2:
		return Fold{}, fmt.Errorf("fold %d: %d labelled cases cannot be split: add cases", number, n)
	case number < splits:
		folds, err := Folds(n)
		if err != nil {
			return Fold{}, fmt.Errorf("fold %d: %w", number, err)
		}
		return folds[number], nil
	}
	train := NewLegacy(foldSeed+uint32(number)).Choose(n, n*8/10)
	return Fold{Train: train, Validation: without(n, train)}, nil
}

// without lists 0 … n−1 ascending, less those of x.
func without(n int, x []int) []int {
	out := make([]bool, n)
	for _, i := range x {
		out[i] = true
	}
	rest := make([]int, 0, n-len(x))
	for i := range n {
		if !out[i] {
			rest = append(rest, i)
		}
	}
	return rest
}
