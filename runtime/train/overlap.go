package train

import (
	"math"
	"slices"

	"runspec/runtime/engine"
	"runspec/runtime/evaluate"
)

// overlap counts voxels of each foreground class over a validation epoch:
// nnU-Net's online evaluation ("pseudo-Dice"), on patches, not on cases.
type overlap struct {
	ignore  int16     // label that counts nowhere; 0: none
	regions [][]int16 // labels of each output; nil: outputs are classes
	engine.Monitored
}

func newOverlap(classes, ignore int, regions [][]int16) *overlap {
	counts := make([]int64, 3*classes)
	return &overlap{int16(ignore), regions, engine.Monitored{
		TruePositive: counts[:classes], FalsePositive: counts[classes : 2*classes], FalseNegative: counts[2*classes:],
	}}
}

// add compares the arg-max of logits (V, K) with labels (V); ties go to the
// lowest class. Labels below 0 are background, as the loader writes them.
func (o *overlap) add(logits []float32, labels []int16) {
	k := len(logits) / len(labels)
	if o.regions != nil {
		o.addRegions(logits, labels, k)
		return
	}
	for v, want := range labels {
		if o.ignore != 0 && want == o.ignore {
			continue
		}
		row, got := logits[v*k:(v+1)*k], 0
		for c := 1; c < k; c++ {
			if row[c] > row[got] {
				got = c
			}
		}
		w := max(int(want), 0)
		switch {
		case got == w:
			o.TruePositive[w]++
		default:
			o.FalsePositive[got]++
			o.FalseNegative[w]++
		}
	}
}

// addRegions counts every output by itself: it says yes where its logit is above 0.
func (o *overlap) addRegions(logits []float32, labels []int16, k int) {
	for v, want := range labels {
		if o.ignore != 0 && want == o.ignore {
			continue
		}
		for c, values := range o.regions {
			got, is := logits[v*k+c] > 0, slices.Contains(values, want)
			switch {
			case got && is:
				o.TruePositive[c]++
			case got:
				o.FalsePositive[c]++
			case is:
				o.FalseNegative[c]++
			}
		}
	}
}

// pseudoDice returns 2tp/(2tp+fp+fn) of each foreground class, missing where the
// class occurs nowhere, and the mean of those that are there. Regions have no
// background among them.
func pseudoDice(m engine.Monitored, regions bool) (perClass []evaluate.Score, mean evaluate.Score) {
	sum, n, first := 0.0, 0, 1
	if regions {
		first = 0
	}
	for c := first; c < len(m.TruePositive); c++ {
		tp := float64(2 * m.TruePositive[c])
		d := tp / (tp + float64(m.FalsePositive[c]+m.FalseNegative[c]))
		perClass = append(perClass, evaluate.Score(d))
		if !math.IsNaN(d) {
			sum += d
			n++
		}
	}
	return perClass, evaluate.Score(sum / float64(n))
}
