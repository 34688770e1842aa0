package grammar

import (
	"math/rand/v2"
	"slices"
)

// patience is how often a change is redrawn that changes nothing, as in the
// authors' code.
const patience = 50

// path leads from a tree's root to a node: the index of a child at each step.
type path []int

// at is the node that p leads to.
func (d Derivation) at(p path) Derivation {
	for _, i := range p {
		d = d.Children[i]
	}
	return d
}

// with is d with another subtree where p leads; d stays as it is.
func (d Derivation) with(p path, subtree Derivation) Derivation {
	if len(p) == 0 {
		return subtree
	}
	d.Children = slices.Clone(d.Children)
	d.Children[p[0]] = d.Children[p[0]].with(p[1:], subtree)
	return d
}

// Mutate walks the nodes that have a choice, from left to right, and redraws
// the subtree of each uniformly with a chance of one over their number, which
// is counted anew after each change (bananas: White et al. 2021). About a third
// of the results equal d.
func (g Grammar) Mutate(rng *rand.Rand, d Derivation) Derivation { return g.Trees().Mutate(rng, d) }

// CrossOver swaps one subtree below the root of a for one of the same symbol in
// b, and returns both trees; false where they share no symbol with a choice.
func (g Grammar) CrossOver(rng *rand.Rand, a, b Derivation) (Derivation, Derivation, bool) {
	start := g.Trees().start
	below := func(d Derivation) []path {
		return slices.DeleteFunc(start.swappable(d), func(p path) bool { return len(p) == 0 })
	}
	mine, theirs := below(a), below(b)
	mine = slices.DeleteFunc(mine, func(p path) bool {
		return !slices.ContainsFunc(theirs, func(q path) bool { return b.at(q).Symbol == a.at(p).Symbol })
	})
	if len(mine) == 0 {
		return a, b, false
	}
	p := mine[rng.IntN(len(mine))]
	theirs = slices.DeleteFunc(theirs, func(q path) bool { return b.at(q).Symbol != a.at(p).Symbol })
	q := theirs[rng.IntN(len(theirs))]
	return a.with(p, b.at(q)), b.with(q, a.at(p)), true
}
