package search

import (
	"slices"

	"runspec/compiler/plan"
)

// halving is successive halving (Jamieson and Talwalkar 2016, algorithm 1),
// with rungs in epochs: all configurations are trained at the lowest rung, the
// best of each rung continue at the next.
type halving struct{ bracket }

func newHalving(study plan.Study, configurations []keyed) halving {
	var sizes []int
	for _, r := range study.Rungs {
		sizes = append(sizes, r.Trials)
	}
	return halving{bracket{study: study, configurations: configurations, sizes: sizes}}
}

// bracket is one ladder of halving. A rung opens only when every trial of the
// rung below has ended; that barrier makes promotions independent of the order
// in which trials end. Failed trials are never promoted, so a rung may stay
// smaller than planned.
type bracket struct {
	study          plan.Study
	index          int // of the bracket in the study
	first          int // index of the first configuration in the study
	configurations []keyed
	lowest         int   // rung of the study
	sizes          []int // trials that each rung admits, from the lowest up
}

// rungs returns the trials of every rung that is open under the history, lowest
// first, and whether the last of them is the bracket's last.
func (b bracket) rungs(ended map[string]Observation) (open [][]Trial, last bool) {
	var lowest []Trial
	index := map[string]int{} // trial id to configuration
	for i := range b.configurations {
		t := b.trial(i, b.lowest, "")
		lowest, index[t.ID] = append(lowest, t), i
	}
	open = append(open, lowest)
	for k := 1; k < len(b.sizes); k++ {
		best, over := survivors(open[k-1], ended, b.sizes[k])
		if !over {
			return open, false
		}
		if len(best) == 0 {
			return open, true
		}
		var next []Trial
		for _, o := range best {
			i := index[o.ID]
			t := b.trial(i, b.lowest+k, o.ID)
			next, index[t.ID] = append(next, t), i
		}
		open = append(open, next)
	}
	return open, true
}

// trial makes the trial of the bracket's i-th configuration at a rung.
func (b bracket) trial(i, rung int, parent string) Trial {
	t := trial(b.study, b.first+i, rung, b.configurations[i], parent)
	t.Bracket = b.index
	return t
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

// ask proposes the open rungs' trials; only the highest open rung can have any
// that have not ended.
func (b bracket) ask(ended map[string]Observation, running []Trial, n int) []Trial {
	open, _ := b.rungs(ended)
	return start(open[len(open)-1], ended, running, n)
}

// done is true once the last rung's trials have ended, or no trial of a rung
// survived.
func (b bracket) done(ended map[string]Observation) bool {
	open, last := b.rungs(ended)
	return last && len(start(open[len(open)-1], ended, nil, 1)) == 0
}

// Ask proposes the open rung's trials.
func (m halving) Ask(history []Observation, running []Trial, n int) []Trial {
	return m.ask(byID(m.study.Name, history), running, n)
}

// Done is true once the bracket is.
func (m halving) Done(history []Observation) bool {
	return m.done(byID(m.study.Name, history))
}
