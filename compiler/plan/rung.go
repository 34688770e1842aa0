package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"sort"
)

// Ladder returns the rungs of a search, lowest first. Random search has one, at
// the top. Successive halving has rungs max/eta^k for all k that keep it at or
// above min, rounded half to even (as Auto-nnU-Net's trainer rounds epochs),
// and trials/eta^k trials, rounded down, in the k-th from below.
func Ladder(kind OptimizerKind, f Fidelity, trials int) []Rung {
	if kind == RandomSearch {
		return []Rung{{Epochs: f.Max, Trials: trials}}
	}
	top := 0
	for p := f.Eta; f.Min*p <= f.Max; p *= f.Eta {
		top++
	}
	rungs := make([]Rung, top+1)
	for k := range rungs {
		down := math.Pow(float64(f.Eta), float64(top-k))
		rungs[k] = Rung{Epochs: int(math.RoundToEven(float64(f.Max) / down)), Trials: trials}
		trials /= f.Eta
	}
	return rungs
}

// Epochs is what one bracket's rungs train together on one fold: a trial that
// climbs continues from its checkpoint, so it pays the difference.
func Epochs(rungs []Rung) int { return CountTrained.Spent(rungs) }

// Affordable is the greatest number of trials whose ladder spends at most the
// budget; 0 where not even one fits.
func Affordable(kind OptimizerKind, f Fidelity, budget Budget) int {
	return sort.Search(budget.Epochs, func(n int) bool { return budget.Count.Spent(Ladder(kind, f, n+1)) > budget.Epochs })
}

// StudySeed derives a study's seed from the experiment's seed and the study's
// name, so that adding a study reseeds no other. It is below 2^53, so that a
// JSON number holds it.
func StudySeed(seed uint64, name string) uint64 {
	h := sha256.Sum256(fmt.Appendf(nil, "study\x00%d\x00%s", seed, name))
	return binary.BigEndian.Uint64(h[:]) >> 11
}
