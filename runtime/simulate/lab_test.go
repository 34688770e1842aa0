package simulate

import (
	"flag"
	"fmt"
	"math"
	"testing"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/search"
)

var labSeeds = flag.Int("lab", 0, "seeds")
var labOnly = flag.String("only", "", "problem")
var labShift = flag.Float64("shift", 0, "")

func TestLab(t *testing.T) {
	if *labSeeds == 0 {
		t.Skip()
	}
	for _, name := range Names() {
		if *labOnly != "" && *labOnly != name {
			continue
		}
		p, _ := Open(name, nil)
		budgets := []int{6000, 11000, 22000}
		rungs := plan.Ladder(plan.Hyperband, p.Fidelity, 0)
		if name == NB201 {
			budgets = []int{20, 50, 100, 200}
			rungs = []plan.Rung{{Epochs: 1}}
		}
		curves := make([][]float64, len(budgets))
		began := time.Now()
		trials := 0
		for seed := range *labSeeds {
			study := plan.Study{Name: "s", Space: p.Space, Seed: uint64(1000 + seed), Rungs: rungs, Budget: &plan.Budget{Epochs: budgets[len(budgets)-1], Count: plan.CountFull},
				Optimizer: plan.Optimizer{Kind: plan.ParetoBayes, Prior: name != NB201, Default: name != NB201}}
			m, err := search.New(study)
			play, err2 := Run(p, study, m, Clock{})
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			trials += len(play.Trials)
			for i, v := range p.Curve(study, play.Trials, budgets, plan.CountFull) {
				curves[i] = append(curves[i], v)
			}
		}
		fmt.Printf("%-16s", name)
		for i := range budgets {
			m, s := meanSE(curves[i])
			fmt.Printf("  %.4f±%.4f (%.4f)", m, s, m-s)
		}
		fmt.Printf("   trials %d, %.2f ms per ask\n", trials / *labSeeds, float64(time.Since(began).Microseconds())/1000/float64(trials))
	}
}

func meanSE(v []float64) (m, s float64) {
	for _, x := range v {
		m += x / float64(len(v))
	}
	for _, x := range v {
		s += (x - m) * (x - m)
	}
	return m, math.Sqrt(s / float64(len(v)-1) / float64(len(v)))
}
