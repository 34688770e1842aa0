package plan

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// iteration is one iteration of Auto-nnU-Net's Hyperband, recorded.
type iteration struct {
	Min, Max, Eta int
	Brackets      []struct {
		S     int
		Rungs [][2]float64 // epochs, trials
	}
	Full, Trained float64 // epochs, counted both ways
}

func iterations(t *testing.T) []iteration {
	raw, err := os.ReadFile("testdata/hyperband.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Tables []iteration }
	if err := json.Unmarshal(raw, &golden); err != nil || len(golden.Tables) != 10 {
		t.Fatal(len(golden.Tables), "tables", err)
	}
	return golden.Tables
}

func TestIteration(t *testing.T) {
	for _, g := range iterations(t) {
		f := Fidelity{Min: g.Min, Max: g.Max, Eta: g.Eta}
		rungs, brackets := Ladder(Hyperband, f, 0), Iteration(f)
		if len(brackets) != len(g.Brackets) {
			t.Errorf("%+v: %d brackets, want %d", f, len(brackets), len(g.Brackets))
			continue
		}
		var full, trained, trials float64
		for i, b := range brackets {
			if b.Rung != g.Brackets[i].S || len(b.Trials) != len(g.Brackets[i].Rungs) {
				t.Errorf("%+v: bracket %d is %+v, want %+v", f, i, b, g.Brackets[i])
				continue
			}
			for k, n := range b.Trials {
				want := g.Brackets[i].Rungs[k]
				if float64(n) != want[1] || rungs[b.Rung+k].Epochs != int(math.RoundToEven(want[0])) {
					t.Errorf("%+v: bracket %d has %d trials of %d epochs, want %v", f, i, n, rungs[b.Rung+k].Epochs, want)
				}
			}
			ladder := Study{Rungs: rungs}.ladder(b)
			full += float64(CountFull.Spent(ladder))
			trained += float64(CountTrained.Spent(ladder))
			trials += float64(b.Trials[0])
		}
		// A rung is at most half an epoch off its fraction, and most trials are at the lowest.
		if math.Abs(full-g.Full) > trials || math.Abs(trained-g.Trained) > trials {
			t.Errorf("%+v: %g epochs in full, %g trained; recorded are %g and %g", f, full, trained, g.Full, g.Trained)
		}
	}
}

// A floating logarithm finds one bracket too few for exact powers.
func TestIterationOfExactPowers(t *testing.T) {
	for _, f := range []Fidelity{{Min: 1, Max: 243, Eta: 3}, {Min: 1, Max: 1000, Eta: 10}, {Min: 2, Max: 2 * 125, Eta: 5}} {
		want := int(math.Round(math.Log(float64(f.Max/f.Min))/math.Log(float64(f.Eta)))) + 1
		if have := len(Iteration(f)); have != want {
			t.Errorf("%+v: %d brackets, want %d", f, have, want)
		}
	}
	if have := fmt.Sprint(Iteration(Fidelity{Min: 5, Max: 9, Eta: 3})); have != "[{0 [1]}]" {
		t.Errorf("one rung: %s", have)
	}
}

// The paper's run: one iteration and the default, 188 trials. Its authors count
// 22,000 epochs in full, of fractional rungs; in whole epochs that leaves three
// trials of 12. What they trained was 18,308.
func TestScheduleOfThePaper(t *testing.T) {
	f := Fidelity{Min: 10, Max: 1000, Eta: 3}
	one := append([]Bracket{{Rung: 4, Trials: []int{1}}}, Iteration(f)...)
	for budget, want := range map[Budget][]Bracket{
		{18308, CountTrained}: one,
		{18307, CountTrained}: append(slices.Clone(one[:5]), Bracket{Rung: 4, Trials: []int{4}}),
		{21962, CountFull}:    one,
		{22000, CountFull}:    append(slices.Clone(one), Bracket{Rung: 0, Trials: []int{3}}),
	} {
		have := Schedule(f, Optimizer{Default: true}, budget)
		if fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("%+v:\nhave %v\nwant %v", budget, have, want)
		}
	}
	study := Study{Brackets: one}
	study.Rungs, study.Optimizer.Trials = Gather(f, one)
	if study.Epochs() != 18308 || study.Optimizer.Trials != 129 || fmt.Sprint(study.Rungs) != "[{12 81} {37 54} {111 27} {333 15} {1000 11}]" {
		t.Errorf("%d epochs, %d configurations, %v", study.Epochs(), study.Optimizer.Trials, study.Rungs)
	}
}

func TestScheduleOfTrials(t *testing.T) {
	f := Fidelity{Min: 1, Max: 9, Eta: 3}
	for trials, want := range map[int]string{
		1: "[{0 [1]}]", 9: "[{0 [9 3 1]}]", 11: "[{0 [9 3 1]} {1 [2]}]", 15: "[{0 [9 3 1]} {1 [3 1]} {2 [3]}]", 20: "[{0 [9 3 1]} {1 [3 1]} {2 [3]} {0 [5 1]}]",
	} {
		if have := fmt.Sprint(Schedule(f, Optimizer{Trials: trials}, Budget{})); have != want {
			t.Errorf("%d configurations: %s, want %s", trials, have, want)
		}
	}
}

// steps lists a schedule's trials one by one: bracket and rung.
func steps(brackets []Bracket) (out [][2]int) {
	for i, b := range brackets {
		for k, n := range b.Trials {
			for range n {
				out = append(out, [2]int{i, b.Rung + k})
			}
		}
	}
	return out
}

// A schedule spends what its budget allows and never more, and a larger budget
// only adds trials at its end.
func TestScheduleKeepsToItsBudget(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := Fidelity{Min: rapid.IntRange(1, 20).Draw(rt, "min"), Eta: rapid.IntRange(2, 5).Draw(rt, "eta")}
		f.Max = f.Min + rapid.IntRange(0, 200).Draw(rt, "more")
		o := Optimizer{Default: rapid.Bool().Draw(rt, "default")}
		count := rapid.SampledFrom([]Counting{CountTrained, CountFull}).Draw(rt, "count")
		budget := rapid.IntRange(1, 5000).Draw(rt, "budget")
		spent := func(brackets []Bracket) int {
			total, rungs := 0, Ladder(Hyperband, f, 0)
			for _, b := range brackets {
				total += count.Spent(Study{Rungs: rungs}.ladder(b))
			}
			return total
		}
		have := Schedule(f, o, Budget{budget, count})
		if spent(have) > budget {
			rt.Fatalf("%v spends %d of %d epochs", have, spent(have), budget)
		}
		more := Schedule(f, o, Budget{budget + f.Max, count})
		a, b := steps(have), steps(more)
		if len(b) <= len(a) || !slices.Equal(a, b[:len(a)]) {
			rt.Fatalf("%d epochs more turn\n%v into\n%v", f.Max, have, more)
		}
		rungs := Ladder(Hyperband, f, 0)
		next := b[len(a)]
		price := rungs[next[1]].Epochs
		if count == CountTrained && next[1] > more[next[0]].Rung {
			price -= rungs[next[1]-1].Epochs
		}
		if spent(have)+price <= budget {
			rt.Fatalf("%d of %d epochs are spent, though the next trial costs %d", spent(have), budget, price)
		}
	})
}
