package search

import "slices"

// replay runs the study on a virtual clock with the plan's workers, on which a
// trial takes the epochs that it trains, and returns the trials that have begun
// there and not really ended. What a proposal knows is what has ended on the
// virtual clock before it, so real times change nothing but the wait.
//
// Steps that the history holds are taken from there: they were proposed by the
// same rule.
func (m bayes) replay(ended []Observation) []Trial {
	results, steps := map[string]Observation{}, map[int]Trial{}
	for _, o := range ended {
		results[o.ID], steps[o.Step] = o, o.Trial
	}
	s, now := m.begin(len(ended)), 0
	var until []int // when each open trial ends
	for step := 1; ; {
		t, ok := steps[step]
		if busy := len(s.open) == m.study.Optimizer.Workers; !ok && !busy {
			t, ok = m.propose(s)
		} else if busy {
			ok = false
		}
		if ok {
			m.start(s, &t)
			s.open = append(s.open, t)
			until = append(until, now+s.ledger.Price(t.Rung, t.Parent != ""))
			step++
			continue
		}
		if len(s.open) == 0 {
			return nil
		}
		next := m.earliest(until) // nothing begins before it ends
		o, over := results[s.open[next].ID]
		if !over {
			return m.waiting(s.open, results)
		}
		now = until[next]
		s.ended = append(s.ended, o)
		s.open, until = slices.Delete(s.open, next, next+1), slices.Delete(until, next, next+1)
	}
}

// earliest is the index of the least, the first among equals.
func (m bayes) earliest(until []int) int {
	return slices.Index(until, slices.Min(until))
}

func (m bayes) waiting(open []Trial, results map[string]Observation) []Trial {
	var out []Trial
	for _, t := range open {
		if _, over := results[t.ID]; !over {
			out = append(out, t)
		}
	}
	return out
}
