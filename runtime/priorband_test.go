package runtime

import (
	"math/rand/v2"
	"testing"

	"runspec/compiler/plan"
)

// A search whose proposals depend on what has ended comes to the same table
// with one worker and with four, stopped and not.
func TestPriorBandRunsTheSame(t *testing.T) {
	banded := func() *plan.Plan {
		p := smallPlan()
		for i, kind := range []plan.OptimizerKind{plan.PriorBand, plan.RegularizedBand} {
			s := &p.Studies[i]
			s.Optimizer = plan.Optimizer{Kind: kind, Prior: true, Default: true, Eta: p.Fidelity.Eta, Min: p.Fidelity.Min}
			s.Budget = &plan.Budget{Epochs: 30, Count: plan.CountFull}
			s.Brackets = plan.Schedule(p.Fidelity, s.Optimizer, *s.Budget)
			s.Rungs, s.Optimizer.Trials = plan.Gather(p.Fidelity, s.Brackets)
		}
		return p
	}
	one := reported(t, banded(), options(t, t.TempDir(), Options{}))
	if four := reported(t, banded(), options(t, t.TempDir(), Options{Workers: 4})); four != one {
		t.Errorf("four workers gave\n%s\none worker\n%s", four, one)
	}
	dir, rng := t.TempDir(), rand.New(rand.NewPCG(1, 9))
	for range 5 {
		stopped(t, banded(), options(t, dir, Options{Workers: 4}), rng.IntN(trainings))
	}
	if again := reported(t, banded(), options(t, dir, Options{Workers: 4})); again != one {
		t.Errorf("stopped and continued gave\n%s\none worker\n%s", again, one)
	}
}
