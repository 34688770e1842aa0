package plan

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// TestLadder compares with the first bracket of Auto-nnU-Net's Hyperband,
// which is plain successive halving.
func TestLadder(t *testing.T) {
	raw, err := os.ReadFile("testdata/brackets.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Tables []struct {
			Min, Max, Eta int
			Rungs         [][2]float64 // epochs, trials
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil || len(golden.Tables) == 0 {
		t.Fatal("no tables", err)
	}
	for _, g := range golden.Tables {
		f := Fidelity{Min: g.Min, Max: g.Max, Eta: g.Eta}
		rungs := Ladder(SuccessiveHalving, f, int(g.Rungs[0][1]))
		if len(rungs) != len(g.Rungs) {
			t.Errorf("%+v: %d rungs, want %d", f, len(rungs), len(g.Rungs))
			continue
		}
		for i, r := range rungs {
			if want := (Rung{Epochs: int(math.RoundToEven(g.Rungs[i][0])), Trials: int(g.Rungs[i][1])}); r != want {
				t.Errorf("%+v: rung %d is %+v, want %+v", f, i, r, want)
			}
		}
	}
}

func TestAffordable(t *testing.T) {
	f := Fidelity{Min: 4, Max: 40, Eta: 3}
	rungs := Ladder(SuccessiveHalving, f, 9)
	if have := Epochs(rungs); have != 9*4+3*9+27 {
		t.Errorf("9 trials train %d epochs", have)
	}
	for _, kind := range []OptimizerKind{RandomSearch, SuccessiveHalving} {
		for budget := range 500 {
			n := Affordable(kind, f, Budget{Epochs: budget})
			if n > 0 && Epochs(Ladder(kind, f, n)) > budget || Epochs(Ladder(kind, f, n+1)) <= budget {
				t.Fatalf("%s: %d trials for %d epochs", kind, n, budget)
			}
		}
	}
}

func TestStudySeed(t *testing.T) {
	a := StudySeed(1, "hpo")
	if a != StudySeed(1, "hpo") || a == StudySeed(1, "nas") || a == StudySeed(2, "hpo") || a >= 1<<53 {
		t.Error("seed", a)
	}
	if a != 4489337988568367 {
		t.Errorf("the seed of study hpo has changed to %d: every journal so far would be another's", a)
	}
}
