package grammar

import "math/rand/v2"

// rule is a symbol whose alternatives' symbols have been looked up: what draws or
// changes a tree follows it, and searches for no symbol.
type rule struct {
	symbol      string
	*Production           // nil in a terminal
	below       [][]*rule // by alternative, of its symbols
}

// rule is that of a symbol, with all that it leads to.
func (g Grammar) rule(symbol string, known map[string]*rule) *rule {
	if r := known[symbol]; r != nil {
		return r
	}
	r := &rule{symbol: symbol, Production: g.find(symbol)}
	known[symbol] = r
	if r.Production == nil {
		return r
	}
	for _, a := range r.Alternatives {
		var symbols []*rule
		for _, s := range a.Symbols {
			symbols = append(symbols, g.rule(s, known))
		}
		r.below = append(r.below, symbols)
	}
	return r
}

// Trees draws and changes derivations of a grammar as the Grammar itself does,
// for those that ask often.
type Trees struct{ start *rule }

// Trees looks the grammar's symbols up, once and for all.
func (g Grammar) Trees() Trees { return Trees{g.rule(g.Start, map[string]*rule{})} }

// Sample is Grammar.Sample.
func (t Trees) Sample(rng *rand.Rand, usePrior bool) Derivation { return t.start.sample(rng, usePrior) }

// Mutate is Grammar.Mutate.
func (t Trees) Mutate(rng *rand.Rand, d Derivation) Derivation {
	for i, n := 0, t.start.choices(d); i < n; i++ {
		if rng.Float64()*float64(n) >= 1 {
			continue
		}
		node := t.start.swappable(d)[i]
		old, r := d.at(node), t.start.at(d, node)
		for range patience {
			if drawn := r.sample(rng, false); !drawn.Equal(old) {
				d = d.with(node, drawn)
				break
			}
		}
		n = t.start.choices(d)
	}
	return d
}

// derive grows the rule's tree with the alternatives that choose picks.
func (r *rule) derive(choose func(*Production) int) Derivation {
	d := Derivation{Symbol: r.symbol}
	if r.Production == nil {
		return d
	}
	d.Alternative = choose(r.Production)
	below := r.below[d.Alternative]
	d.Children = make([]Derivation, len(below))
	for i, s := range below {
		d.Children[i] = s.derive(choose)
	}
	return d
}

func (r *rule) sample(rng *rand.Rand, usePrior bool) Derivation {
	return r.derive(func(p *Production) int {
		if !usePrior {
			return rng.IntN(len(p.Alternatives))
		}
		u := rng.Float64()
		for i, a := range p.Alternatives {
			if u -= a.Probability; u < 0 {
				return i
			}
		}
		return len(p.Alternatives) - 1 // what rounding left over
	})
}

// at is the rule of the node of d that p leads to.
func (r *rule) at(d Derivation, p path) *rule {
	for _, i := range p {
		r, d = r.below[d.Alternative][i], d.Children[i]
	}
	return r
}

// choices is how many nodes of d could be another tree.
func (r *rule) choices(d Derivation) int {
	if len(d.Children) == 0 {
		return 0
	}
	n := 0
	if len(r.Alternatives) > 1 {
		n++
	}
	for i, s := range r.below[d.Alternative] {
		n += s.choices(d.Children[i])
	}
	return n
}

// swappable lists the nodes of d that could be another tree, before their
// children and from left to right: those with more than one alternative.
func (r *rule) swappable(d Derivation) []path {
	return r.collect(d, nil, make([]path, 0, r.choices(d)))
}

// collect appends the paths of d, which lies where here leads, to out.
func (r *rule) collect(d Derivation, here path, out []path) []path {
	if len(d.Children) == 0 {
		return out
	}
	if len(r.Alternatives) > 1 {
		out = append(out, append(path{}, here...))
	}
	here = append(here, 0)
	for i, s := range r.below[d.Alternative] {
		here[len(here)-1] = i
		out = s.collect(d.Children[i], here, out)
	}
	return out
}
