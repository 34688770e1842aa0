package kernel

const (
	diceSmooth = 1e-5
	diceFloor  = 1e-8 // below it the denominator is not let fall
	lossVoxels = 1024 // voxels whose sums one task takes
)

// lossSums is what a loss sums over voxels, over classes or regions.
type lossSums struct {
	*Loss
	first   int     // the class from which on the Dice counts: 1, behind the background, or 0
	entropy float64 // cross-entropy
	counted int     // voxels that are not ignored; -1: a bad label was met
	// Per sample, or in all with BatchDice, and class: the sums over voxels of
	// probability·truth, probability and truth.
	inter, pred, truth []float64
}

func (l *Loss) chunks() int { return (l.Voxels + lossVoxels - 1) / lossVoxels }

// each runs f on every chunk of voxels [lo, hi), numbered through all samples.
func (l *Loss) each(p *Pool, f func(sample, i, lo, hi int)) {
	chunks := l.chunks()
	p.Run(l.Samples*chunks, func(_, i int) {
		n, b := i/chunks, i%chunks
		f(n, i, n*l.Voxels+b*lossVoxels, n*l.Voxels+min(l.Voxels, (b+1)*lossVoxels))
	})
}

// sum fills in the sums. Those of a chunk are kept apart and added in order: chunk
// adds to t the entropy, the voxels counted (negative: a bad label), three sums per
// class as above, and has room for as many numbers as classes behind them.
func (s *lossSums) sum(p *Pool, chunk func(lo, hi int, t []float64)) {
	k := s.Classes
	width := 2 + 4*k
	part := p.doubles(slotPartial, s.Samples*s.chunks()*width)
	s.each(p, func(_, i, lo, hi int) {
		t := part[i*width:][:width]
		clear(t)
		chunk(lo, hi, t)
	})
	sets := s.Samples
	if s.BatchDice {
		sets = 1
	}
	total := p.doubles(slotFactors, 3*sets*k)
	clear(total)
	s.inter, s.pred, s.truth = total[:sets*k], total[sets*k:2*sets*k], total[2*sets*k:]
	for i := range s.Samples * s.chunks() {
		t := part[i*width:][:width]
		if t[1] < 0 {
			s.counted = -1
			return
		}
		s.entropy += t[0]
		s.counted += int(t[1])
		at := i / s.chunks() % sets * k
		for c := range k {
			s.inter[at+c] += t[2+c]
			s.pred[at+c] += t[2+k+c]
			s.truth[at+c] += t[2+2*k+c]
		}
	}
}

// terms is how many soft Dice there are: of each set of sums and class that counts.
func (s *lossSums) terms() float64 {
	return float64(len(s.inter) / s.Classes * max(1, s.Classes-s.first))
}

// dice is the mean soft Dice over the sets of sums and the classes that count.
func (s *lossSums) dice() float64 {
	total := 0.0
	for i := range s.inter {
		if i%s.Classes >= s.first {
			total += (2*s.inter[i] + diceSmooth) / max(s.truth[i]+s.pred[i]+diceSmooth, diceFloor)
		}
	}
	return total / s.terms()
}

// slopes are the derivatives of −Dice by a voxel's probability: any[c] everywhere,
// and hit[c] more where c is the truth. Zeros without Dice.
func (s *lossSums) slopes(p *Pool) (hit, any []float64) {
	f := p.doubles(slotWeights, 2*len(s.inter))
	clear(f)
	hit, any = f[:len(s.inter)], f[len(s.inter):]
	if !s.Dice {
		return hit, any
	}
	n := s.terms()
	for i := range s.inter {
		if i%s.Classes < s.first {
			continue
		}
		sum := s.truth[i] + s.pred[i] + diceSmooth
		hit[i] = -2 / max(sum, diceFloor) / n
		if sum > diceFloor {
			any[i] = (2*s.inter[i] + diceSmooth) / (sum * sum) / n
		}
	}
	return hit, any
}
