package plan

import "math"

// What a Pareto-Bayes study spends: a share of its epochs on the top rung, the
// rest equally on the rungs below; and the trials at the lowest rung, or at the
// only one, that are drawn before its surrogate has a say.
const (
	topShare      = 0.6
	firstTrials   = 16
	firstTopTrial = 6
)

// Ledger is what a Pareto-Bayes study has spent, by rung.
type Ledger struct {
	Rungs  []Rung
	Budget Budget
	Spent  []int // epochs, by rung
	Lead   int   // epochs of the default's trial at the top, which no share pays for
}

// NewLedger is the ledger of a study that has spent nothing.
func NewLedger(rungs []Rung, o Optimizer, b Budget) Ledger {
	l := Ledger{Rungs: rungs, Budget: b, Spent: make([]int, len(rungs))}
	if o.Default {
		l.Lead = rungs[len(rungs)-1].Epochs
	}
	return l
}

// Total is what all rungs have spent.
func (l Ledger) Total() int {
	total := 0
	for _, s := range l.Spent {
		total += s
	}
	return total
}

// Price is what a trial costs at a rung; continued says that it goes on from
// the checkpoint of the rung below.
func (l Ledger) Price(rung int, continued bool) int {
	if rung == 0 || !continued || l.Budget.Count == CountFull {
		return l.Rungs[rung].Epochs
	}
	return l.Rungs[rung].Epochs - l.Rungs[rung-1].Epochs
}

// First is how many trials at the lowest rung begin the study: few enough to
// leave most of a small budget.
func (l Ledger) First() int {
	price := l.Rungs[0].Epochs
	if len(l.Rungs) == 1 {
		return min(firstTopTrial, max(3, l.Budget.Epochs/(4*price)))
	}
	return min(firstTrials, max(3, l.Budget.Epochs/(5*price)))
}

// Next is the rung that lacks most of its share, in trials; false where no rung
// can be paid for.
func (l Ledger) Next() (rung int, ok bool) {
	total, best := l.Total(), math.Inf(-1)
	for k, r := range l.Rungs {
		if total+r.Epochs > l.Budget.Epochs {
			continue
		}
		due, spent := l.share(k)*float64(total-l.Lead+r.Epochs), l.Spent[k]
		if k == len(l.Rungs)-1 {
			spent -= l.Lead
		}
		if lack := (due - float64(spent)) / float64(r.Epochs); lack > best {
			rung, best, ok = k, lack, true
		}
	}
	return rung, ok
}

func (l Ledger) share(rung int) float64 {
	switch top := len(l.Rungs) - 1; {
	case top == 0:
		return 1
	case rung == top:
		return topShare
	default:
		return (1 - topShare) / float64(top)
	}
}

// Allocate lists the trials of each rung of a Pareto-Bayes study, if none
// continues from the rung below: under CountTrained those that do leave epochs
// for more.
func Allocate(f Fidelity, o Optimizer, b Budget) []Rung {
	rungs := Ladder(ParetoBayes, f, 0)
	l := NewLedger(rungs, o, b)
	spend := func(k int) bool {
		if l.Total()+rungs[k].Epochs > b.Epochs {
			return false
		}
		l.Spent[k] += rungs[k].Epochs
		rungs[k].Trials++
		return true
	}
	if o.Default && !spend(len(rungs)-1) {
		return rungs
	}
	for range l.First() {
		spend(0)
	}
	for {
		k, ok := l.Next()
		if !ok {
			return rungs
		}
		spend(k)
	}
}
