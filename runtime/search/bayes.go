package search

import (
	"fmt"
	"math/rand/v2"
	"slices"

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
	known  []Observation // taken over from other runs
	lacks  map[Part]bool
}

// Part is a component of Pareto-Bayes that an ablation goes without.
type Part string

// The parts. README.md has what each brings.
const (
	Surrogate  Part = "surrogate"  // a fresh draw in the place of what is expected most of
	Fitting    Part = "fitting"    // the kernels stay as they begin
	Pairs      Part = "pairs"      // no second order in the kernels
	Product    Part = "product"    // no full product in them
	Trees      Part = "trees"      // derivations are equal or strangers
	Promotion  Part = "promotion"  // trials of lower rungs are no candidates
	Mutation   Part = "mutation"   // none is drawn around the front; uniform in its place
	Refinement Part = "refinement" // candidates are not refined
	Price      Part = "price"      // improvement itself counts, whatever it costs
	Belief     Part = "belief"     // running trials are not reckoned with
)

// Parts lists what Without can take away.
func Parts() []Part {
	return []Part{Surrogate, Fitting, Pairs, Product, Trees, Promotion, Mutation, Refinement, Price, Belief}
}

// Without makes the study's method, Pareto-Bayes, without some of its parts. It
// serves comparisons alone; no study is searched so.
func Without(study plan.Study, parts ...Part) (Method, error) {
	m, err := New(study)
	b, ok := m.(bayes)
	if err != nil || len(parts) == 0 {
		return m, err
	}
	if !ok {
		return nil, fmt.Errorf("study %s: %s has none of the parts %v; %s has", study.Name, study.Optimizer.Kind, Parts(), plan.ParetoBayes)
	}
	for _, p := range parts {
		if !slices.Contains(Parts(), p) {
			return nil, fmt.Errorf("study %s: %s has no part %q; it has %v", study.Name, plan.ParetoBayes, p, Parts())
		}
		b.lacks[p] = true
	}
	if b.lacks[Trees] {
		b.encode.strangers()
	}
	return b, nil
}

func newBayes(study plan.Study) (bayes, error) {
	if study.Budget == nil {
		return bayes{}, fmt.Errorf("study %s: %s needs a budget of epochs; the plan has none", study.Name, plan.ParetoBayes)
	}
	return bayes{study: study, encode: newEncoder(study.Space), sorted: study.Space.Sorted(), known: takenOver(study), memory: &memory{places: map[string]located{}}, lacks: map[Part]bool{}}, nil
}

func (m bayes) top() int { return len(m.study.Rungs) - 1 }

// state is where a study stands.
type state struct {
	ended   []Observation // those taken over first
	open    []Trial       // running, or proposed
	ledger  plan.Ledger
	number  map[string]int    // of a configuration in the study, by key
	next    int               // number that is free
	highest map[string]*Trial // of a configuration, by the name of its coordinates
}

func (m bayes) begin(trials int) *state {
	s := &state{
		ended: append(make([]Observation, 0, len(m.known)+trials), m.known...), ledger: plan.NewLedger(m.study.Rungs, m.study.Optimizer, *m.study.Budget),
		number: make(map[string]int, trials), highest: make(map[string]*Trial, trials),
	}
	for i := range m.known {
		m.rise(s, &m.known[i].Trial)
	}
	return s
}

// start counts a trial that begins.
func (m bayes) start(s *state, t *Trial) {
	s.number[t.Key] = t.Number() - m.study.First
	s.next = max(s.next, s.number[t.Key]+1)
	m.rise(s, t)
	s.ledger.Spent[t.Rung] += s.ledger.Price(t.Rung, t.Parent != "")
}

// rise notes the highest rung of a configuration.
func (m bayes) rise(s *state, t *Trial) {
	name := m.locate(*t).name
	if h, ok := s.highest[name]; !ok || h.Rung < t.Rung {
		s.highest[name] = t
	}
}

// below says whether h is a trial of this study that one at a rung continues;
// there are no checkpoints of what was taken over.
func (h *Trial) below(rung int) bool { return h.Rung == rung-1 && h.Bracket != before }

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
	for i := range ended {
		m.start(s, &ended[i].Trial)
	}
	s.ended = append(s.ended, ended...)
	for _, t := range running {
		if t.Study == m.study.Name {
			m.start(s, &t)
			s.open = append(s.open, t)
		}
	}
	var out []Trial
	for len(out) < n {
		t, ok := m.propose(s)
		if !ok {
			break
		}
		m.start(s, &t)
		s.open, out = append(s.open, t), append(out, t)
	}
	return out
}

// own are the study's observations in their order; a trial that failed and was
// repeated counts by its success.
func (m bayes) own(history []Observation) []Observation {
	at, out := make(map[string]int, len(history)), make([]Observation, 0, len(history))
	for h := range history {
		o := &history[h]
		if o.Study != m.study.Name || o.Rung < 0 || o.Rung > m.top() {
			continue
		}
		if i, again := at[o.ID]; !again {
			at[o.ID] = len(out)
			out = append(out, *o)
		} else if better(*o, out[i]) {
			out[i] = *o
		}
	}
	return out
}

// Done is true once no trial can be paid for any more, and all have ended.
func (m bayes) Done(history []Observation) bool { return len(m.Ask(history, nil, 1)) == 0 }

// propose gives the next trial; false where the budget pays for none.
func (m bayes) propose(s *state) (Trial, bool) {
	step := len(s.ended) - len(m.known) + len(s.open)
	rng := rand.New(rand.NewPCG(m.study.Seed, uint64(step)))
	if lead := m.study.Optimizer.Default; lead && step == 0 {
		c, err := withKey(m.study.Space.Default())
		return m.trial(s, c, m.top(), step), err == nil && m.affords(s, m.top())
	} else if first := max(0, s.ledger.First()-len(m.known)); step < first || lead && step == first && first > 0 {
		if c, ok := m.fresh(s, rng); ok {
			return m.trial(s, c, 0, step), m.affords(s, 0)
		}
	}
	k, ok := s.ledger.Next()
	if !ok {
		return Trial{}, false
	}
	if c, ok := m.choose(s, k, rng); ok {
		return m.trial(s, c, k, step), true
	}
	return m.leftover(s, step, rng)
}

// leftover proposes what a small space has left where it is used up at the rung
// whose turn it is: at the highest rung that has anything.
func (m bayes) leftover(s *state, step int, rng *rand.Rand) (Trial, bool) {
	for k := m.top(); k >= 0; k-- {
		if !m.affords(s, k) {
			continue
		}
		if c, ok := m.choose(s, k, rng); ok {
			return m.trial(s, c, k, step), true
		}
	}
	return Trial{}, false
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
	if h, ok := s.highest[m.encode.encode(c.Configuration, 1).name()]; ok && known && h.below(rung) {
		parent = h.ID
	}
	t := trial(m.study, n, rung, c, parent)
	t.Step = step + 1
	return t
}
