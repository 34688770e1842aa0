package search

import (
	"fmt"
	"math/rand/v2"

	"runspec/compiler/plan"
	"runspec/compiler/space"
)

// bayes is Pareto-Bayes, our own method: Bayesian optimisation of the front of
// one or two objectives over configurations and fidelities, without barriers.
// README.md says what it is made of, what each part brings and whose ideas they
// are.
//
// What it proposes follows from the study, the observations in their order and
// the running trials. The order of ends is the journal's; where the plan fixes a
// number of workers, it is that of a virtual clock on which each trial takes its
// epochs, so that no real one can change it.
type bayes struct {
	study  plan.Study
	encode encoder
	sorted []space.Parameter
	memory *memory
}

func newBayes(study plan.Study) (bayes, error) {
	if study.Budget == nil {
		return bayes{}, fmt.Errorf("study %s: %s needs a budget of epochs; the plan has none", study.Name, plan.ParetoBayes)
	}
	return bayes{study: study, encode: newEncoder(study.Space), sorted: study.Space.Sorted(), memory: &memory{places: map[string]located{}}}, nil
}

func (m bayes) top() int { return len(m.study.Rungs) - 1 }

// state is where a study stands.
type state struct {
	ended   []Observation
	open    []Trial // running, or proposed
	ledger  plan.Ledger
	number  map[string]int   // of a configuration in the study, by key
	next    int              // number that is free
	highest map[string]Trial // of a configuration, by the name of its coordinates
}

func (m bayes) begin(trials int) *state {
	return &state{
		ledger: plan.NewLedger(m.study.Rungs, m.study.Optimizer, *m.study.Budget),
		number: make(map[string]int, trials), highest: make(map[string]Trial, trials),
	}
}

// start counts a trial that begins.
func (m bayes) start(s *state, t Trial) {
	s.number[t.Key] = t.Number() - m.study.First
	s.next = max(s.next, s.number[t.Key]+1)
	name := m.locate(t).name
	if h, ok := s.highest[name]; !ok || h.Rung < t.Rung {
		s.highest[name] = t
	}
	s.ledger.Spent[t.Rung] += s.ledger.Price(t.Rung, t.Parent != "")
}

// at are the coordinates of a trial's configuration at a fidelity.
func (m bayes) at(t Trial, fidelity float64) coordinates {
	x := append(coordinates{}, m.locate(t).coordinates...)
	x[len(x)-1] = fidelity
	return x
}

// locate says where a trial's configuration is; it remembers that by the key.
func (m bayes) locate(t Trial) located {
	at, ok := m.memory.places[t.Key]
	if !ok {
		at.coordinates = m.encode.encode(t.Configuration, 1)
		at.name = at.coordinates.name()
		m.memory.places[t.Key] = at
	}
	return at
}

// Ask proposes as many trials as there are free workers; with a number of
// workers fixed in the plan, those that the virtual clock has free.
func (m bayes) Ask(history []Observation, running []Trial, n int) []Trial {
	ended := m.own(history)
	if m.study.Optimizer.Workers > 0 {
		return start(m.replay(ended), nil, running, n)
	}
	s := m.begin(len(ended) + len(running))
	for _, o := range ended {
		m.start(s, o.Trial)
	}
	s.ended = ended
	for _, t := range running {
		if t.Study == m.study.Name {
			m.start(s, t)
			s.open = append(s.open, t)
		}
	}
	var out []Trial
	for len(out) < n {
		t, ok := m.propose(s)
		if !ok {
			break
		}
		m.start(s, t)
		s.open, out = append(s.open, t), append(out, t)
	}
	return out
}

// own are the study's observations in their order; a trial that failed and was
// repeated counts by its success.
func (m bayes) own(history []Observation) []Observation {
	at, out := map[string]int{}, make([]Observation, 0, len(history))
	for _, o := range history {
		if o.Study != m.study.Name || o.Rung < 0 || o.Rung > m.top() {
			continue
		}
		if i, again := at[o.ID]; !again {
			at[o.ID] = len(out)
			out = append(out, o)
		} else if better(o, out[i]) {
			out[i] = o
		}
	}
	return out
}

// Done is true once no trial can be paid for any more, and all have ended.
func (m bayes) Done(history []Observation) bool { return len(m.Ask(history, nil, 1)) == 0 }

// propose gives the next trial; false where the budget pays for none.
func (m bayes) propose(s *state) (Trial, bool) {
	step := len(s.ended) + len(s.open)
	rng := rand.New(rand.NewPCG(m.study.Seed, uint64(step)))
	if lead := m.study.Optimizer.Default; lead && step == 0 {
		c, err := withKey(m.study.Space.Default())
		return m.trial(s, c, m.top(), step), err == nil && m.affords(s, m.top())
	} else if first := s.ledger.First(); step < first || lead && step == first {
		c, ok := m.fresh(s, rng)
		return m.trial(s, c, 0, step), ok && m.affords(s, 0)
	}
	k, ok := s.ledger.Next()
	if !ok {
		return Trial{}, false
	}
	c, ok := m.choose(s, k, rng)
	return m.trial(s, c, k, step), ok
}

func (m bayes) affords(s *state, rung int) bool {
	return s.ledger.Total()+s.ledger.Price(rung, false) <= m.study.Budget.Epochs
}

// trial makes the step's trial. A configuration that has been at the rung below
// continues from there.
func (m bayes) trial(s *state, c keyed, rung, step int) Trial {
	n, known := s.number[c.key]
	if !known {
		n = s.next
	}
	parent := ""
	if h, ok := s.highest[m.encode.encode(c.Configuration, 1).name()]; ok && known && h.Rung == rung-1 {
		parent = h.ID
	}
	t := trial(m.study, n, rung, c, parent)
	t.Step = step + 1
	return t
}
