package plan

// Bracket is one successive-halving ladder of a Hyperband study.
type Bracket struct {
	Rung   int   `json:"rung"`   // the study's rung at which its configurations begin
	Trials []int `json:"trials"` // at that rung, and at each above it
}

// Counting says what a trial that continues from the rung below costs a budget.
type Counting string

// The two ways of counting.
const (
	CountTrained Counting = "trained" // the epochs that it trains itself: the difference to the rung below
	CountFull    Counting = "full"    // all epochs of its rung, as Auto-nnU-Net counts its 22,000
)

// Budget is what a study may spend on one fold.
type Budget struct {
	Epochs int      `json:"epochs"`
	Count  Counting `json:"count"`
}

// maxConfigurations bounds a study, as the language bounds `trials`.
const maxConfigurations = 1_000_000

// Iteration returns the brackets of one iteration of Hyperband (Li et al. 2018,
// algorithm 1), widest first. Bracket s of s_max+1 begins at rung s with
// ⌊(s_max+1)/(s_max-s+1)⌋·eta^(s_max-s) configurations, of which one in eta
// climbs. The count of configurations is Auto-nnU-Net's, who round down where
// the paper rounds up; s_max is exact here, where a floating logarithm loses a
// bracket, such as that of max = 243·min.
func Iteration(f Fidelity) []Bracket {
	top := len(Ladder(Hyperband, f, 0)) - 1
	brackets := make([]Bracket, top+1)
	for s := range brackets {
		n := (top + 1) / (top - s + 1)
		for range top - s {
			n *= f.Eta
		}
		brackets[s] = bracket(s, top, n, f.Eta)
	}
	return brackets
}

// bracket is the ladder of n configurations from a rung to the top.
func bracket(rung, top, n, eta int) Bracket {
	b := Bracket{Rung: rung}
	for range top - rung + 1 {
		b.Trials = append(b.Trials, n)
		n /= eta
	}
	return b
}

// Schedule lists all brackets that a Hyperband or PriorBand study runs: iteration after
// iteration until its configurations are used up or the next trial would
// overspend the budget; 0 means no limit of that kind. A last bracket of fewer
// configurations is halved as the others are. With first, a bracket of one
// configuration at the top rung leads: Auto-nnU-Net's default configuration.
// All of it follows from the plan, so no number of workers can overspend.
func Schedule(f Fidelity, o Optimizer, budget Budget) []Bracket {
	c := cutter{ladder: Ladder(Hyperband, f, 0), eta: f.Eta, configurations: o.Trials, unit: 1, count: budget.Count, limited: budget.Epochs > 0}
	if o.Kind.PriorBands() {
		c.unit, c.exact = exact(f, len(c.ladder))
	}
	c.left = budget.Epochs * c.unit
	if o.Trials == 0 {
		c.configurations = maxConfigurations
	}
	var out []Bracket
	add := func(b Bracket) (more bool) {
		b, more = c.cut(b)
		if len(b.Trials) > 0 {
			out = append(out, b)
		}
		return more
	}
	if o.Default && !add(Bracket{Rung: len(c.ladder) - 1, Trials: []int{1}}) {
		return out
	}
	for {
		for _, b := range Iteration(f) {
			if !add(b) {
				return out
			}
		}
	}
}

// exact gives the epochs of the rungs before they are rounded, as whole numbers:
// in units of 1/unit of an epoch. Auto-nnU-Net counts its 22,000 epochs in them,
// in floating point.
func exact(f Fidelity, rungs int) (unit int, epochs []int) {
	unit, epochs = 1, make([]int, rungs)
	for range rungs - 1 {
		unit *= f.Eta
	}
	epochs[0] = f.Max
	for k := 1; k < rungs; k++ {
		epochs[k] = epochs[k-1] * f.Eta
	}
	return unit, epochs
}

// cutter cuts brackets to what is left of configurations and epochs.
type cutter struct {
	ladder         []Rung
	eta            int
	configurations int
	unit           int // parts of an epoch
	left           int // in units
	exact          []int
	limited        bool // by epochs
	count          Counting
}

// cut returns the part of a bracket that can be had, and whether anything is
// left after it.
func (c *cutter) cut(b Bracket) (Bracket, bool) {
	if n := c.configurations; n < b.Trials[0] {
		b = bracket(b.Rung, len(c.ladder)-1, n, c.eta)
	}
	c.configurations -= b.Trials[0]
	out := Bracket{Rung: b.Rung}
	for k, n := range b.Trials {
		have := n
		if price := c.price(b.Rung, k); c.limited {
			have = min(n, c.left/price)
			c.left -= have * price
		}
		if have > 0 {
			out.Trials = append(out.Trials, have)
		}
		if have < n {
			return out, false
		}
	}
	return out, c.configurations > 0
}

// price is what a trial costs k rungs above its bracket's lowest. Where rungs
// count exactly, it is no less than the whole epochs that are trained, so that
// rounding cannot overspend.
func (c *cutter) price(lowest, k int) int {
	whole, fine, at := c.ladder[lowest+k].Epochs, 0, lowest+k
	if c.exact != nil {
		fine = c.exact[at]
	}
	if k > 0 && c.count != CountFull {
		whole -= c.ladder[at-1].Epochs
		if c.exact != nil {
			fine -= c.exact[at-1]
		}
	}
	return max(whole*c.unit, fine)
}

// Gather adds up brackets: the rungs of the study with their trials, and the
// number of configurations.
func Gather(f Fidelity, brackets []Bracket) (rungs []Rung, configurations int) {
	rungs = Ladder(Hyperband, f, 0)
	for _, b := range brackets {
		configurations += b.Trials[0]
		for k, n := range b.Trials {
			rungs[b.Rung+k].Trials += n
		}
	}
	return rungs, configurations
}

// Epochs is what the study trains on one fold.
func (s Study) Epochs() int {
	if s.Optimizer.Kind == ParetoBayes {
		return CountFull.Spent(s.Rungs)
	}
	if s.Brackets == nil {
		return Epochs(s.Rungs)
	}
	total := 0
	for _, b := range s.Brackets {
		total += Epochs(s.ladder(b))
	}
	return total
}

// ladder gives the rungs of a bracket, lowest first; those that the study
// lacks, as in a file that was changed by hand, have no epochs.
func (s Study) ladder(b Bracket) []Rung {
	out := make([]Rung, len(b.Trials))
	for k, n := range b.Trials {
		out[k].Trials = n
		if r := b.Rung + k; r >= 0 && r < len(s.Rungs) {
			out[k].Epochs = s.Rungs[r].Epochs
		}
	}
	return out
}

// Spent is what rungs cost a budget on one fold.
func (c Counting) Spent(rungs []Rung) int {
	total, below := 0, 0
	for _, r := range rungs {
		total += r.Trials * (r.Epochs - below)
		if c != CountFull {
			below = r.Epochs
		}
	}
	return total
}
