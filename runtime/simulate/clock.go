package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"

	"runspec/compiler/plan"
	"runspec/runtime/search"
)

// Clock says on how many workers a study's trials run, and how long they take:
// the epochs that a trial trains itself, times a log-normal factor.
type Clock struct {
	Workers int     // default 1
	Sigma   float64 // standard deviation of the factor's logarithm; 0: none
	Seed    uint64
}

// Ended is a trial that has run on the clock.
type Ended struct {
	search.Observation
	Worker     int
	Begin, End float64 // virtual time, in epochs
}

// Play is a study that has run on the clock.
type Play struct {
	Trials []Ended // in the order in which they began
	Idle   float64 // share of the workers' time in which they had nothing to do
}

// Run plays a study against a problem: whenever a worker is free its method is
// asked, and told what has ended by then.
func Run(p Problem, study plan.Study, m search.Method, c Clock) (Play, error) {
	r := &player{problem: p, study: study, method: m, clock: c, rng: rand.New(rand.NewPCG(c.Seed, 0x636c6f636b)), busy: make([]int, max(1, c.Workers))}
	for w := range r.busy {
		r.busy[w] = free
	}
	for {
		if err := r.launch(); err != nil {
			return Play{}, err
		}
		if !r.step() {
			return Play{Trials: r.trials, Idle: r.idle()}, nil
		}
	}
}

const free = -1

type player struct {
	problem Problem
	study   plan.Study
	method  search.Method
	clock   Clock
	rng     *rand.Rand
	now     float64
	busy    []int // index into trials of what each worker runs, or free
	trials  []Ended
	history []search.Observation
}

// launch gives every free worker a trial, as far as the method has any.
func (r *player) launch() error {
	var running []search.Trial
	var idle []int
	for w, i := range r.busy {
		if i == free {
			idle = append(idle, w)
			continue
		}
		running = append(running, r.trials[i].Trial)
	}
	if len(idle) == 0 {
		return nil
	}
	for k, t := range r.method.Ask(r.history, running, len(idle)) {
		values, err := r.problem.Box.Evaluate(t.Configuration, float64(t.Epochs))
		if err != nil {
			return fmt.Errorf("trial %s: %w", t.ID, err)
		}
		end := r.now + r.duration(t)
		r.busy[idle[k]] = len(r.trials)
		r.trials = append(r.trials, Ended{
			Observation: search.Observation{Trial: t, Objectives: values, TieBreak: values[0]},
			Worker:      idle[k], Begin: r.now, End: end,
		})
	}
	return nil
}

// duration is what a trial takes: what it trains beyond its parent.
func (r *player) duration(t search.Trial) float64 {
	own := float64(t.Epochs)
	if t.Parent != "" && t.Rung > 0 {
		own -= float64(r.study.Rungs[t.Rung-1].Epochs)
	}
	return own * math.Exp(r.clock.Sigma*r.rng.NormFloat64())
}

// step moves to the next end of a trial; false where nothing runs.
func (r *player) step() bool {
	next := free
	for w, i := range r.busy {
		if i != free && (next == free || r.trials[i].End < r.trials[r.busy[next]].End) {
			next = w
		}
	}
	if next == free {
		return false
	}
	t := r.trials[r.busy[next]]
	r.now, r.busy[next] = t.End, free
	r.history = append(r.history, t.Observation)
	return true
}

// idle is counted until the last trial begins: at a study's end workers run out
// of trials whatever the method.
func (r *player) idle() float64 {
	if len(r.trials) == 0 {
		return 0
	}
	last := r.trials[len(r.trials)-1].Begin
	worked := 0.0
	for _, t := range r.trials {
		worked += min(t.End, last) - t.Begin
	}
	if last == 0 {
		return 0
	}
	return max(0, 1-worked/(last*float64(len(r.busy))))
}

// Curve is the hypervolume of the trials at the top rung that each budget of
// epochs pays for, trials in the order in which they began. A trial costs what
// count says.
func (p Problem) Curve(study plan.Study, trials []Ended, budgets []int, count plan.Counting) []float64 {
	out := make([]float64, len(budgets))
	for i, budget := range budgets {
		var points [][]float64
		spent := 0
		for _, t := range trials {
			spent += price(study, t.Trial, count)
			if spent > budget {
				break
			}
			if t.Rung == len(study.Rungs)-1 {
				points = append(points, t.Objectives)
			}
		}
		out[i] = p.Metric.Hypervolume(points)
	}
	return out
}

func price(study plan.Study, t search.Trial, count plan.Counting) int {
	if count == plan.CountFull || t.Parent == "" || t.Rung == 0 {
		return t.Epochs
	}
	return t.Epochs - study.Rungs[t.Rung-1].Epochs
}
