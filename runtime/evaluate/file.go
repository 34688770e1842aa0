package evaluate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// encode writes what Python's json.dump(indent=4, sort_keys=True) writes: keys
// sorted, floats with a point, NaN bare.
func (s Summary) encode() []byte {
	w := &writer{}
	w.open("{")
	w.key("foreground_mean")
	w.metrics(s.ForegroundMean, false)
	w.key("mean")
	w.labels(s.Mean, false)
	w.key("metric_per_case")
	w.open("[")
	for _, c := range s.Cases {
		w.next()
		w.open("{")
		w.key("metrics")
		w.labels(c.Labels, true)
		w.key("prediction_file")
		w.text(c.Prediction)
		w.key("reference_file")
		w.text(c.Reference)
		w.close("}")
	}
	w.close("]")
	w.close("}")
	return w.Bytes()
}

// writer indents by four; every value is preceded by key or next.
type writer struct {
	bytes.Buffer
	depth int
	empty bool // nothing yet in the innermost bracket
}

func (w *writer) open(bracket string) {
	w.WriteString(bracket)
	w.depth++
	w.empty = true
}

func (w *writer) close(bracket string) {
	w.depth--
	if !w.empty {
		w.line()
	}
	w.WriteString(bracket)
	w.empty = false
}

func (w *writer) next() {
	if !w.empty {
		w.WriteByte(',')
	}
	w.line()
	w.empty = false
}

func (w *writer) line() {
	w.WriteByte('\n')
	w.WriteString(strings.Repeat("    ", w.depth))
}

func (w *writer) key(name string) {
	w.next()
	w.text(name)
	w.WriteString(": ")
}

func (w *writer) text(s string) {
	quoted, _ := json.Marshal(s) // a string always has a JSON form
	w.Write(quoted)
}

func (w *writer) labels(labels []LabelMetrics, inCase bool) {
	sorted := slices.Clone(labels)
	slices.SortFunc(sorted, func(a, b LabelMetrics) int { return strings.Compare(a.Key, b.Key) })
	w.open("{")
	for _, l := range sorted {
		w.key(l.Key)
		w.metrics(l.Metrics, inCase)
	}
	w.close("}")
}

func (w *writer) metrics(m Metrics, inCase bool) {
	w.open("{")
	for _, f := range m.fields() {
		w.key(f.name)
		if inCase && f.count {
			w.WriteString(strconv.FormatFloat(*f.value, 'f', -1, 64))
		} else {
			w.WriteString(float(*f.value))
		}
	}
	w.close("}")
}

// float is Python's repr: shortest digits, a point in whole numbers, an
// exponent from 1e16 and below 1e-4.
func float(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case v != 0 && (math.Abs(v) < 1e-4 || math.Abs(v) >= 1e16):
		return strconv.FormatFloat(v, 'e', -1, 64)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// decode reads what encode and nnU-Net write.
func decode(text []byte) (Summary, error) {
	var file struct {
		ForegroundMean map[string]*float64            `json:"foreground_mean"`
		Mean           map[string]map[string]*float64 `json:"mean"`
		Cases          []struct {
			Metrics    map[string]map[string]*float64 `json:"metrics"`
			Prediction string                         `json:"prediction_file"`
			Reference  string                         `json:"reference_file"`
		} `json:"metric_per_case"`
	}
	if err := json.Unmarshal(nullNaN(text), &file); err != nil {
		return Summary{}, err
	}
	var s Summary
	var err error
	if s.ForegroundMean, err = metricsFrom(file.ForegroundMean); err != nil {
		return s, fmt.Errorf("foreground_mean: %w", err)
	}
	if s.Mean, err = labelsFrom(file.Mean); err != nil {
		return s, fmt.Errorf("mean: %w", err)
	}
	for i, c := range file.Cases {
		labels, err := labelsFrom(c.Metrics)
		if err != nil {
			return s, fmt.Errorf("metric_per_case: case %d: %w", i, err)
		}
		s.Cases = append(s.Cases, CaseMetrics{Reference: c.Reference, Prediction: c.Prediction, Labels: labels})
	}
	return s, nil
}

func labelsFrom(values map[string]map[string]*float64) ([]LabelMetrics, error) {
	var out []LabelMetrics
	for key, v := range values {
		m, err := metricsFrom(v)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
		out = append(out, LabelMetrics{key, m})
	}
	slices.SortFunc(out, func(a, b LabelMetrics) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

func metricsFrom(values map[string]*float64) (Metrics, error) {
	var m Metrics
	var errs []error
	for _, f := range m.fields() {
		v, ok := values[f.name]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("no %s", f.name))
		case v == nil:
			*f.value = math.NaN()
		default:
			*f.value = *v
		}
	}
	return m, errors.Join(errs...)
}

// nullNaN replaces NaN outside strings by null.
func nullNaN(text []byte) []byte {
	out := make([]byte, 0, len(text))
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted && c == '\\' && i+1 < len(text):
			out = append(out, c)
			i++
			c = text[i]
		case c == '"':
			quoted = !quoted
		case !quoted && bytes.HasPrefix(text[i:], []byte("NaN")):
			out = append(out, "null"...)
			i += 2
			continue
		}
		out = append(out, c)
	}
	return out
}
