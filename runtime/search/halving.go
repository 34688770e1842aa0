package search

import (
	"slices"

	"runspec/compiler/plan"
)

// halving is successive halving (Jamieson and Talwalkar 2016, algorithm 1),
// with rungs in epochs: all configurations are trained at the lowest rung, the
// best of each rung continue at the next. A rung opens only when every trial of
// the rung below has ended; that barrier makes promotions independent of the
// order in which trials end. Failed trials are never promoted, so a rung may
// stay smaller than planned.
type halving struct {
	study          plan.Study
	configurations []keyed
}

// rungs returns the trials of every rung that is open under the history, lowest
// first, and whether the last of them is the study's last.
func (m halving) rungs(ended map[string]Observation) (open [][]Trial, last bool) {
	var lowest []Trial
	index := map[string]int{} // trial id to configuration
	for c, configuration := range m.configurations {
		t := trial(m.study, c, 0, configuration, "")
		lowest, index[t.ID] = append(lowest, t), c
	}
	open = append(open, lowest)
	for k := 1; k < len(m.study.Rungs); k++ {
		best, over := survivors(open[k-1], ended, m.study.Rungs[k].Trials)
		if !over {
			return open, false
		}
		if len(best) == 0 {
			return open, true
		}
		var next []Trial
		for _, o := range best {
			c := index[o.ID]
			t := trial(m.study, c, k, m.configurations[c], o.ID)
			next, index[t.ID] = append(next, t), c
		}
		open = append(open, next)
	}
	return open, true
}

// survivors returns the n best successes of a rung, best first, and whether all
// its trials have ended.
func survivors(rung []Trial, ended map[string]Observation, n int) ([]Observation, bool) {
	var out []Observation
	for _, t := range rung {
		o, over := ended[t.ID]
		if !over {
			return nil, false
		}
		if !failed(o) {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, rank)
	return out[:min(max(n, 0), len(out))], true
}

// Ask proposes the open rungs' trials; only the highest open rung can have any
// that have not ended.
func (m halving) Ask(history []Observation, running []Trial, n int) []Trial {
	ended := byID(m.study.Name, history)
	open, _ := m.rungs(ended)
	return start(open[len(open)-1], ended, running, n)
}

// Done is true once the last rung's trials have ended, or no trial of a rung
// survived.
func (m halving) Done(history []Observation) bool {
	ended := byID(m.study.Name, history)
	open, last := m.rungs(ended)
	return last && len(start(open[len(open)-1], ended, nil, 1)) == 0
}
