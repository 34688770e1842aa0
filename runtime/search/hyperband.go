package search

import "runspec/compiler/plan"

// hyperband is Hyperband (Li et al. 2018, algorithm 1): brackets of successive
// halving, each with configurations of its own, in the order of the plan. One
// worker goes through them bracket by bracket and rung by rung. Brackets learn
// nothing of one another, so where a rung's barrier leaves workers idle they
// begin the next bracket: that changes when a trial is trained, never which.
//
// The plan has cut the brackets to the budget, so nothing is counted here.
type hyperband struct {
	study    plan.Study
	brackets []bracket
}

// newHyperband deals the configurations out to the brackets. A finite space
// may have too few; the last brackets are then smaller, or missing.
func newHyperband(study plan.Study, configurations []keyed) hyperband {
	m, first := hyperband{study: study}, 0
	for i, b := range study.Brackets {
		end := min(first+b.Trials[0], len(configurations))
		if first < end {
			m.brackets = append(m.brackets, bracket{
				study: study, index: i, first: first, configurations: configurations[first:end], lowest: b.Rung, sizes: b.Trials,
			})
		}
		first = end
	}
	return m
}

// Ask proposes the trials of the open rung of each bracket, first bracket first.
func (m hyperband) Ask(history []Observation, running []Trial, n int) []Trial {
	ended := byID(m.study.Name, history)
	var out []Trial
	for _, b := range m.brackets {
		if len(out) >= n {
			break
		}
		out = append(out, b.ask(ended, running, n-len(out))...)
	}
	return out
}

// Done is true once every bracket is.
func (m hyperband) Done(history []Observation) bool {
	ended := byID(m.study.Name, history)
	for _, b := range m.brackets {
		if !b.done(ended) {
			return false
		}
	}
	return true
}
