package search

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"strings"

	"runspec/compiler/grammar"
	"runspec/compiler/space"
)

// forest tells a surrogate how alike the derivations of a grammar are, in the
// spirit of the kernels over the hierarchy of a context-free grammar (Schrodi et
// al. 2023), which compare subtrees: here the subtrees of height one, that is
// which alternative each symbol takes. A derivation is a set of bits, two of them
// are the less alike the more bits differ (a product of kernels, one for each
// bit). Symbols form groups, each a coordinate with a weight of its own: those
// that choose the structure, and by what they choose between those that yield
// terminals alone. A symbol that occurs several times in a derivation has the
// bits of all its alternatives.
type forest struct {
	parameter space.Parameter
	trees     grammar.Trees
	symbols   map[string]alternatives
	groups    []group
	known     map[space.Value]tree // saves time and changes nothing
}

// tree is a derivation with its bits, by group; absent where it is none of the
// grammar.
type tree struct {
	grammar.Derivation
	coordinates []float64 // the derivation's own number, and its bits
	ok          bool
}

// alternatives says where a symbol's bits are: one for each alternative, but for
// the first of two; or, where the alternatives count up, one for each step.
type alternatives struct {
	group, first, number int
	rising               bool
}

// group is a coordinate of up to mantissa bits, so that a float64 holds them.
type group struct {
	bits  int
	flips int // the most bits that two derivations may differ by
}

const (
	mantissa   = 52
	remembered = 1 << 12
)

func newForest(p space.Parameter) *forest {
	f := &forest{parameter: p, trees: p.Grammar.Trees(), symbols: map[string]alternatives{}, known: map[space.Value]tree{}}
	open := map[string]int{} // group that has room, by what its symbols choose between
	for _, q := range p.Grammar.Productions {
		n := len(q.Alternatives)
		if n < 2 {
			continue
		}
		a := alternatives{number: n, rising: rising(q)}
		need, flips := a.width(), min(2, a.width())
		if need > mantissa {
			continue // its choice is in the derivation's own number alone
		}
		if a.rising {
			flips = need
		}
		kind := kindOf(*p.Grammar, q, a.rising)
		at, ok := open[kind]
		if !ok || f.groups[at].bits+need > mantissa {
			at = len(f.groups)
			f.groups, open[kind] = append(f.groups, group{}), at
		}
		a.group, a.first = at, f.groups[at].bits
		f.groups[at].bits += need
		f.groups[at].flips += flips
		f.symbols[q.Symbol] = a
	}
	return f
}

func (a alternatives) width() int {
	if a.rising || a.number == 2 {
		return a.number - 1
	}
	return a.number
}

// set are the bits of the i-th alternative.
func (a alternatives) set(i int) uint64 {
	switch {
	case a.rising:
		return (1<<i - 1) << a.first
	case a.number == 2:
		return uint64(i) << a.first
	}
	return 1 << (a.first + i)
}

// kindOf names what a symbol chooses between.
func kindOf(g grammar.Grammar, p grammar.Production, rising bool) string {
	var names []string
	for _, a := range p.Alternatives {
		for _, s := range a.Symbols {
			if _, inner := g.Production(s); inner {
				return "structure"
			}
			names = append(names, s)
		}
	}
	if rising {
		return "number"
	}
	return strings.Join(names, " ")
}

// rising says whether the alternatives differ by their first symbol that has a
// number in front, and by it alone in a rising order: 1b, 2b, 3b.
func rising(p grammar.Production) bool {
	before, unit := -1, ""
	for i, a := range p.Alternatives {
		n, rest := leading(a.Symbols)
		if n <= before || i > 0 && rest != unit {
			return false
		}
		before, unit = n, rest
	}
	return true
}

// leading is the first number that a symbol begins with, and what is left of
// the symbols without their numbers; -1 where there is none.
func leading(symbols []string) (n int, rest string) {
	n = -1
	for _, s := range symbols {
		unit := strings.TrimLeft(s, "0123456789")
		if digits := s[:len(s)-len(unit)]; n < 0 && digits != "" && len(digits) < 10 {
			n = 0
			for _, d := range digits {
				n = 10*n + int(d-'0')
			}
		}
		rest += unit + " "
	}
	return n, rest
}

// size is how many coordinates a derivation has beside its number.
func (f *forest) size() int {
	if f == nil {
		return 0
	}
	return len(f.groups)
}

// axes compare the groups' bits: half of what can differ makes strangers.
func (f *forest) axes() []axis {
	var out []axis
	for _, g := range f.groups {
		a := axis{likes: make([]float64, g.bits+1)}
		for n := range a.likes {
			a.likes[n] = math.Pow(stranger, 2*float64(n)/float64(g.flips))
		}
		out = append(out, a)
	}
	return out
}

// read is the tree of a value.
func (f *forest) read(v space.Value) tree {
	if t, ok := f.known[v]; ok {
		return t
	}
	d, err := f.parameter.Derivation(v)
	return f.keep(v, d, err == nil)
}

func (f *forest) keep(v space.Value, d grammar.Derivation, ok bool) tree {
	t := tree{Derivation: d, coordinates: append(make([]float64, 0, 1+len(f.groups)), choice(f.parameter, v)), ok: ok}
	sets := make([]uint64, len(f.groups))
	f.walk(&d, sets)
	for _, s := range sets {
		if !ok {
			t.coordinates = append(t.coordinates, absent)
			continue
		}
		t.coordinates = append(t.coordinates, float64(s))
	}
	if len(f.known) == remembered {
		clear(f.known)
	}
	f.known[v] = t
	return t
}

// draw draws a derivation as the parameter does.
func (f *forest) draw(rng *rand.Rand, prior bool) space.Value {
	return f.added(f.trees.Sample(rng, prior))
}

func (f *forest) added(d grammar.Derivation) space.Value {
	v := space.Text(d.String())
	if _, ok := f.known[v]; !ok {
		f.keep(v, d, true)
	}
	return v
}

// mutate changes subtrees of a derivation.
func (f *forest) mutate(v space.Value, rng *rand.Rand) space.Value {
	t := f.read(v)
	if !t.ok {
		return v
	}
	return f.added(f.trees.Mutate(rng, t.Derivation))
}

func (f *forest) walk(d *grammar.Derivation, sets []uint64) {
	if a, ok := f.symbols[d.Symbol]; ok && len(d.Children) > 0 {
		sets[a.group] |= a.set(d.Alternative)
	}
	for i := range d.Children {
		f.walk(&d.Children[i], sets)
	}
}

// differing is how many bits of two sets differ.
func differing(a, b float64) int { return bits.OnesCount64(set(a) ^ set(b)) }

// set are the bits that a coordinate holds; it is not absent.
func set(v float64) uint64 { return uint64(int64(v)) }
