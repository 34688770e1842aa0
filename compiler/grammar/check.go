package grammar

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"runspec/compiler/diag"
)

// check finds what is wrong with a grammar's symbols.
func (s *source) check(g Grammar, entries []entry, terminals []string, start, listed hcl.Expression) {
	known := slices.Clone(terminals)
	for i, e := range entries {
		if slices.ContainsFunc(entries[:i], func(o entry) bool { return o.Symbol == e.Symbol }) {
			s.add(e.symbolAt, diag.Duplicate, "Repeated symbol", fmt.Sprintf("The symbol %q has two productions. Put the alternatives of both into one.", e.Symbol))
		}
		if slices.Contains(terminals, e.Symbol) {
			s.add(written(listed, e.Symbol), diag.Duplicate, "Terminal with a production", fmt.Sprintf("%q is listed as a terminal and has a production. Remove one.", e.Symbol))
		}
		known = append(known, e.Symbol)
		s.repeated(e)
	}
	if len(entries) > most {
		s.add(start.Range(), diag.OutOfBounds, "Grammar too large", fmt.Sprintf("The grammar has %d productions. Keep to %d.", len(entries), most))
		return
	}
	_, begun := g.Production(g.Start)
	if !begun {
		s.add(start.Range(), diag.UndefinedSymbol, "Undefined symbol", suggest(fmt.Sprintf("The start %q has no production.", g.Start), g.Start, heads(entries), "Give it one."))
	}
	meant := map[string]bool{} // what undefined symbols may have been written for
	for _, e := range entries {
		for _, a := range e.Alternatives {
			for _, symbol := range a.Symbols {
				if !slices.Contains(known, symbol) {
					g.visit(diag.Suggest(symbol, known), meant)
					s.add(written(e.alternatives, symbol), diag.UndefinedSymbol, "Undefined symbol", suggest(fmt.Sprintf("%s yields %q, which has no production and is no terminal.", e.Symbol, symbol), symbol, known, "Give it a production, or list it in terminals."))
				}
			}
		}
	}
	if begun {
		s.reach(g, entries, meant)
	}
	s.loops(g, entries)
	if len(s.found) == 0 && g.largest(g.Start, map[string]int{}) > most {
		s.add(start.Range(), diag.OutOfBounds, "Derivations too large", fmt.Sprintf("The largest derivation has more than %d nodes. Shorten the alternatives.", most))
	}
}

func heads(entries []entry) []string {
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Symbol
	}
	return out
}

// repeated tells alternatives that are the same.
func (s *source) repeated(e entry) {
	seen := map[string]bool{}
	for i, a := range e.Alternatives {
		text := strings.Join(a.Symbols, " ")
		if seen[text] {
			s.add(s.place(e.alternatives, i), diag.Duplicate, "Repeated alternative", fmt.Sprintf("The alternative %q of %s is repeated. Remove one.", text, e.Symbol))
		}
		seen[text] = true
	}
}

// reach tells productions that no derivation uses, those aside that are reached
// otherwise.
func (s *source) reach(g Grammar, entries []entry, seen map[string]bool) {
	g.visit(g.Start, seen)
	for _, e := range entries {
		if !seen[e.Symbol] {
			seen[e.Symbol] = true // it is told once
			s.add(e.symbolAt, diag.UnreachableSymbol, "Unreachable symbol", fmt.Sprintf("No derivation from %s reaches %q. Use it in an alternative, or remove its production.", g.Start, e.Symbol))
		}
	}
}

// visit marks the symbols that a symbol's trees can hold, itself included.
func (g Grammar) visit(symbol string, seen map[string]bool) {
	if seen[symbol] {
		return
	}
	seen[symbol] = true
	p, _ := g.Production(symbol)
	for _, a := range p.Alternatives {
		for _, s := range a.Symbols {
			g.visit(s, seen)
		}
	}
}

// loops tells symbols whose trees never end, or need not.
func (s *source) loops(g Grammar, entries []entry) {
	ends := g.productive()
	for _, e := range entries {
		below := map[string]bool{}
		for _, a := range e.Alternatives {
			for _, symbol := range a.Symbols {
				g.visit(symbol, below)
			}
		}
		switch {
		case !ends[e.Symbol]:
			s.add(e.symbolAt, diag.UnproductiveSymbol, "Unproductive symbol", fmt.Sprintf("No derivation of %q ends: each alternative needs a symbol that leads back. Give it an alternative of terminals.", e.Symbol))
		case below[e.Symbol]:
			s.add(e.symbolAt, diag.CyclicSymbol, "Cyclic symbol", fmt.Sprintf("%q leads back to itself, so its derivations have no bound. Write each depth as a symbol of its own, with `each`.", e.Symbol))
		}
	}
}

// productive are the nonterminals with at least one finite tree. One without
// alternatives is told of elsewhere, and counts as if it had some.
func (g Grammar) productive() map[string]bool {
	ends := map[string]bool{}
	for {
		before := len(ends)
		for _, p := range g.Productions {
			finite := len(p.Alternatives) == 0 || slices.ContainsFunc(p.Alternatives, func(a Alternative) bool {
				return !slices.ContainsFunc(a.Symbols, func(s string) bool {
					_, nonterminal := g.Production(s)
					return nonterminal && !ends[s]
				})
			})
			if finite {
				ends[p.Symbol] = true
			}
		}
		if len(ends) == before {
			return ends
		}
	}
}

// largest is the number of nodes of a symbol's largest tree, cut off above most.
func (g Grammar) largest(symbol string, known map[string]int) int {
	if n, ok := known[symbol]; ok {
		return n
	}
	p, _ := g.Production(symbol)
	n := 0
	for _, a := range p.Alternatives {
		sum := 0
		for _, s := range a.Symbols {
			sum = min(sum+g.largest(s, known), most)
		}
		n = max(n, sum)
	}
	known[symbol] = n + 1
	return n + 1
}
