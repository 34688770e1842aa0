package search

import "runspec/compiler/plan"

// random is random search: every configuration is trained at the top rung.
type random struct {
	study          plan.Study
	configurations []keyed
}

func (m random) trials() []Trial {
	top := len(m.study.Rungs) - 1
	out := make([]Trial, len(m.configurations))
	for c, configuration := range m.configurations {
		out[c] = trial(m.study, c, top, configuration, "")
	}
	return out
}

// Ask proposes the configurations in order.
func (m random) Ask(history []Observation, running []Trial, n int) []Trial {
	return start(m.trials(), byID(m.study.Name, history), running, n)
}

// Done is true once every configuration's trial has ended.
func (m random) Done(history []Observation) bool {
	ended := byID(m.study.Name, history)
	return len(start(m.trials(), ended, nil, 1)) == 0
}
