package evaluate

import (
	"fmt"
	"math"
	"os"

	"runspec/runtime/durable"
)

// Summary is nnU-Net's summary.json.
type Summary struct {
	ForegroundMean Metrics        // plain mean over Mean: NaN where one class is NaN in every case
	Mean           []LabelMetrics // mean over the cases in which a metric is a number, label by label
	Cases          []CaseMetrics
}

// Summarise averages cases, which all have to be compared by the same labels.
func Summarise(cases []CaseMetrics) Summary {
	s := Summary{Cases: cases}
	if len(cases) > 0 {
		for i, l := range cases[0].Labels {
			mean := LabelMetrics{Key: l.Key}
			mean.Metrics = average(len(cases), func(c int) Metrics { return cases[c].Labels[i].Metrics }, nanMean)
			s.Mean = append(s.Mean, mean)
		}
	}
	s.ForegroundMean = average(len(s.Mean), func(i int) Metrics { return s.Mean[i].Metrics }, mean)
	return s
}

// Label gives the mean of the label or region with nnU-Net's key, or false.
func (s Summary) Label(key string) (Metrics, bool) {
	for _, l := range s.Mean {
		if l.Key == key {
			return l.Metrics, true
		}
	}
	return Metrics{}, false
}

// Write puts s at path as nnU-Net's summary.json; the file appears whole or
// not at all. Means that are no number are written NaN, as nnU-Net does, which
// strict JSON readers refuse.
func (s Summary) Write(path string) error {
	if err := durable.Write(path, s.encode()); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return nil
}

// ReadSummary reads a summary.json of nnU-Net's or ours. Labels come in the
// file's order, which is that of their keys as text.
func ReadSummary(path string) (Summary, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Summary{}, fmt.Errorf("read summary: %w", err)
	}
	s, err := decode(text)
	if err != nil {
		return Summary{}, fmt.Errorf("%s is no summary of nnU-Net's: %w", path, err)
	}
	return s, nil
}

// fields lists the metrics by name in the file's order.
func (m *Metrics) fields() []field {
	return []field{
		{"Dice", &m.Dice, false}, {"FN", &m.FN, true}, {"FP", &m.FP, true}, {"IoU", &m.IoU, false},
		{"TN", &m.TN, true}, {"TP", &m.TP, true}, {"n_pred", &m.Pred, true}, {"n_ref", &m.Ref, true},
	}
}

type field struct {
	name  string
	value *float64
	count bool // a whole number in a case
}

func average(n int, at func(int) Metrics, combine func([]float64) float64) Metrics {
	var out Metrics
	for f, to := range out.fields() {
		values := make([]float64, n)
		for i := range values {
			m := at(i)
			values[i] = *m.fields()[f].value
		}
		*to.value = combine(values)
	}
	return out
}

// mean of nothing is NaN.
func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// nanMean leaves NaNs out.
func nanMean(values []float64) float64 {
	var numbers []float64
	for _, v := range values {
		if !math.IsNaN(v) {
			numbers = append(numbers, v)
		}
	}
	return mean(numbers)
}
