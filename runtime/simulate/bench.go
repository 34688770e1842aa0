package simulate

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"runspec/compiler/plan"
	"runspec/runtime/search"
)

// BenchVersion is the format of an Outcome in JSON.
const BenchVersion = "runspec/bench-search/v1"

// Bench says what is compared. The zero value of a field means what its comment
// says.
type Bench struct {
	Problem   Problem
	Optimizer plan.Optimizer
	Budgets   []int // epochs, rising; none: the problem's
	Count     plan.Counting
	Seeds     int    // studies; 0: 100
	First     uint64 // the first study's seed
	Workers   int    // of the virtual clock; 0: 1
	Sigma     float64
	Without   []search.Part // of Pareto-Bayes: an ablation
}

// Outcome is what a method came to on a problem.
type Outcome struct {
	Version    string             `json:"version"`
	Simulated  bool               `json:"simulated"` // always true
	Problem    string             `json:"problem"`
	Optimizer  plan.OptimizerKind `json:"optimizer"`
	Seeds      int                `json:"seeds"`
	First      uint64             `json:"first"` // seed
	Workers    int                `json:"workers"`
	Sigma      float64            `json:"sigma"`
	Without    []search.Part      `json:"without,omitempty"`
	Idle       float64            `json:"idle"`       // share of the workers' time, the mean over seeds
	Trials     float64            `json:"trials"`     // the mean over seeds
	AskSeconds float64            `json:"askSeconds"` // of one trial's proposal, the mean
	Budgets    []Reached          `json:"budgets"`
}

// Reached is the hypervolume that a budget of epochs came to.
type Reached struct {
	Epochs        int     `json:"epochs"`
	Mean          float64 `json:"mean"`
	StandardError float64 `json:"standardError"`
}

// Budgets are those at which a problem's methods were recorded.
func (p Problem) Budgets() []int {
	if p.Name == NB201 {
		return []int{20, 50, 100, 200}
	}
	return []int{6000, 11000, 22000}
}

// Study lays out a study of the problem that may spend a budget.
func (p Problem) Study(o plan.Optimizer, budget plan.Budget, seed uint64) plan.Study {
	s := plan.Study{Name: p.Name, Space: p.Space, Optimizer: o, Folds: []plan.Fold{0}, Seed: seed, Budget: &budget}
	switch o.Kind {
	case plan.RandomSearch, plan.SuccessiveHalving:
		s.Optimizer.Trials = plan.Affordable(o.Kind, p.Fidelity, budget)
		s.Rungs = plan.Ladder(o.Kind, p.Fidelity, s.Optimizer.Trials)
	case plan.ParetoBayes:
		s.Rungs = plan.Allocate(p.Fidelity, o, budget)
	default:
		if o.Kind.PriorBands() {
			s.Optimizer.Eta, s.Optimizer.Min = p.Fidelity.Eta, p.Fidelity.Min
		}
		s.Brackets = plan.Schedule(p.Fidelity, o, budget)
		s.Rungs, s.Optimizer.Trials = plan.Gather(p.Fidelity, s.Brackets)
	}
	return s
}

// Run plays all seeds, on as many processors as there are; the result is the
// same on any number.
func (b Bench) Run(ctx context.Context) (Outcome, error) {
	b = b.withDefaults()
	curves, plays := make([][]float64, b.Seeds), make([]Play, b.Seeds)
	took := make([]time.Duration, b.Seeds)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range b.Seeds {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			began := time.Now()
			play, err := b.play(b.First + uint64(i))
			if err != nil {
				return fmt.Errorf("seed %d: %w", b.First+uint64(i), err)
			}
			plays[i], took[i] = play, time.Since(began)
			curves[i] = b.Problem.Curve(b.study(0), play.Trials, b.Budgets, b.Count)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Outcome{}, err
	}
	return b.outcome(curves, plays, took), nil
}

func (b Bench) withDefaults() Bench {
	if len(b.Budgets) == 0 {
		b.Budgets = b.Problem.Budgets()
	}
	if b.Count == "" {
		b.Count = plan.CountFull
	}
	if b.Seeds < 1 {
		b.Seeds = 100
	}
	b.Workers = max(1, b.Workers)
	return b
}

func (b Bench) study(seed uint64) plan.Study {
	return b.Problem.Study(b.Optimizer, plan.Budget{Epochs: slices.Max(b.Budgets), Count: b.Count}, seed)
}

func (b Bench) play(seed uint64) (Play, error) {
	study := b.study(seed)
	m, err := search.Without(study, b.Without...)
	if err != nil {
		return Play{}, err
	}
	return Run(b.Problem, study, m, Clock{Workers: b.Workers, Sigma: b.Sigma, Seed: seed})
}

func (b Bench) outcome(curves [][]float64, plays []Play, took []time.Duration) Outcome {
	o := Outcome{
		Version: BenchVersion, Simulated: true, Problem: b.Problem.Name, Optimizer: b.Optimizer.Kind,
		Seeds: b.Seeds, First: b.First, Workers: b.Workers, Sigma: b.Sigma, Without: b.Without,
	}
	n := float64(b.Seeds)
	var seconds, trials float64
	for i, p := range plays {
		o.Idle += p.Idle / n
		trials += float64(len(p.Trials))
		seconds += took[i].Seconds()
	}
	o.Trials, o.AskSeconds = trials/n, seconds/max(trials, 1)
	for k, epochs := range b.Budgets {
		var values []float64
		for _, c := range curves {
			values = append(values, c[k])
		}
		mean, fault := meanError(values)
		o.Budgets = append(o.Budgets, Reached{Epochs: epochs, Mean: mean, StandardError: fault})
	}
	return o
}

// meanError is the mean of values with its standard error.
func meanError(values []float64) (mean, fault float64) {
	n := float64(len(values))
	for _, v := range values {
		mean += v / n
	}
	for _, v := range values {
		fault += square(v - mean)
	}
	return mean, math.Sqrt(fault / max(1, n-1) / n)
}
