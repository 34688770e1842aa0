package search

import (
	"cmp"
	"slices"
)

// past is a study's history in the order of the brackets, their rungs and the
// numbers of the configurations, whatever the order in which it was told.
type past struct {
	observations []Observation
	counts       [][]count // by bracket and rung of the bracket
	sizes        [][]int   // trials that the plan gives them
	ids          map[place]bool
}

// before is the bracket of what was observed before the study's first bracket:
// of configurations that a warm start took over.
const before = -1

// place is where a trial stands in its study.
type place struct{ bracket, rung, number int }

// count is how many trials of a rung have ended.
type count struct{ ended, succeeded int }

// past sorts a history; a trial that was repeated counts once, by its success.
func (m priorBand) past(history []Observation) *past {
	p := &past{ids: make(map[place]bool, len(history))}
	for _, b := range m.study.Brackets {
		p.counts, p.sizes = append(p.counts, make([]count, len(b.Trials))), append(p.sizes, b.Trials)
	}
	type entry struct {
		place
		index int
	}
	entries := make([]entry, 0, len(history))
	for i := range history {
		if o := &history[i]; o.Study == m.study.Name && o.Bracket < len(p.counts) {
			at := place{o.Bracket, o.Rung, o.Number() - m.study.First}
			if at.number < 0 {
				at.bracket = before
			}
			entries = append(entries, entry{at, i})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		switch {
		case a.bracket != b.bracket:
			return a.bracket - b.bracket
		case a.rung != b.rung:
			return a.rung - b.rung
		case a.number != b.number:
			return a.number - b.number
		}
		return rank(history[a.index], history[b.index])
	})
	p.observations = append(make([]Observation, 0, len(m.known)+len(entries)), m.known...)
	for _, e := range entries {
		if p.ids[e.place] {
			continue
		}
		p.ids[e.place] = true
		o := history[e.index]
		o.Bracket = e.bracket
		p.observations = append(p.observations, o)
		if e.bracket == before {
			continue
		}
		if k := e.rung - m.study.Brackets[e.bracket].Rung; k >= 0 && k < len(p.counts[e.bracket]) {
			p.counts[e.bracket][k].ended++
			if !m.lost(o) {
				p.counts[e.bracket][k].succeeded++
			}
		}
	}
	return p
}

// complete says whether every trial of a bracket has ended: as many as the plan
// has, or as the rung below had successes.
func (p *past) complete(b int) bool {
	for k, c := range p.counts[b] {
		want := p.sizes[b][k]
		if k > 0 {
			want = min(want, p.counts[b][k-1].succeeded)
		}
		if c.ended < want {
			return false
		}
	}
	return true
}

func (p *past) has(bracket, rung, number int) bool { return p.ids[place{bracket, rung, number}] }

// keys are the configurations of the brackets up to and with b.
func (p *past) keys(b int) map[string]bool {
	out := map[string]bool{}
	for i := range p.observations {
		if p.observations[i].Bracket <= b {
			out[p.observations[i].Key] = true
		}
	}
	return out
}

// upTo are the observations of the brackets up to and with b.
func (p *past) upTo(b int) []Observation { return p.below(b+1, 0) }

// below are those of the brackets before b, and of b's rungs below a rung.
func (p *past) below(b, rung int) []Observation {
	n, _ := slices.BinarySearchFunc(p.observations, place{bracket: b, rung: rung}, func(o Observation, to place) int {
		return cmp.Or(cmp.Compare(o.Bracket, to.bracket), cmp.Compare(o.Rung, to.rung))
	})
	return p.observations[:n]
}

// at lists what has ended at a rung.
func at(observations []Observation, rung int) []Observation {
	var out []Observation
	for i := range observations {
		if observations[i].Rung == rung {
			out = append(out, observations[i])
		}
	}
	return out
}
