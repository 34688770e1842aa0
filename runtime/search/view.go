package search

import (
	"math"
	"slices"

	"runspec/compiler/space"
)

// How many observations a surrogate is conditioned and its kernels are fitted
// on, and the fewest that make one.
const (
	conditioned = 64
	fitted      = 48
	fewest      = 4
)

// view is what a study believes: the surrogate, and the front to improve on.
type view struct {
	surrogate   *surrogate
	logarithmic []bool // by objective: the surrogate's values are logarithms
	stairs      staircase
	front       []space.Configuration // at the top rung
}

// look makes the view; false where too little is known.
func (m bayes) look(s *state) (view, bool) {
	ended := successes(s.ended)
	if len(ended) < fewest {
		return view{}, false
	}
	v := view{logarithmic: positive(ended)}
	shown := m.chosen(imputed(s.ended), conditioned)
	points, values := m.table(shown, v.logarithmic)
	v.surrogate = m.surrogate(m.kernels(ended, v.logarithmic))
	v.surrogate.condition(points, values)
	for _, t := range s.open {
		if m.lacks[Belief] {
			break
		}
		v.surrogate.believe(m.at(t, m.place(t.Rung)))
	}
	m.aim(&v, s, ended)
	return v, true
}

// place is a rung's between the lowest and the top, in logarithms of epochs.
func (m bayes) place(rung int) float64 {
	if m.top() == 0 {
		return 1
	}
	at := func(k int) float64 { return math.Log(float64(m.study.Rungs[k].Epochs)) }
	return (at(rung) - at(0)) / (at(m.top()) - at(0))
}

// table gives points and, by objective, values.
func (m bayes) table(shown []Observation, logarithmic []bool) (points []coordinates, values [][]float64) {
	values = make([][]float64, len(logarithmic))
	for _, o := range shown {
		points = append(points, m.at(o.Trial, m.place(o.Rung)))
		for j, logs := range logarithmic {
			y := o.Objectives[j]
			if logs {
				y = math.Log(y)
			}
			values[j] = append(values[j], y)
		}
	}
	return points, values
}

// expected is the belief about the objectives of x, on their own scale: where
// values are logarithms, their median and the deviation to first order.
func (v view) expected(x coordinates) []guess { return v.scaled(v.surrogate.predict(x)) }

func (v view) scaled(out []guess) []guess {
	for j, g := range out {
		if v.logarithmic[j] {
			median := math.Exp(g.mean)
			out[j] = guess{median, median * g.deviation}
		}
	}
	return out
}

// gain is the improvement of the front that is expected of x. One objective is
// two of which the second is always the same.
func (v view) gain(x coordinates) float64 {
	g := v.expected(x)
	if len(g) == 1 {
		g = append(g, guess{0, 1e-9})
	}
	return v.stairs.improvement(g[0], g[1])
}

// aim sets the front at the top rung, and the reference point that it is
// measured from: worse by a tenth of the range than the worst that a trial of
// the top rung has come to, or that the first configurations are believed to
// come to there. The latter keep the front open where few have been trained.
func (m bayes) aim(v *view, s *state, ended []Observation) {
	var tops, spread [][2]float64
	for i, o := range ended {
		if o.Rung == m.top() {
			tops = append(tops, pair(o.Objectives))
		} else if i <= s.ledger.First() {
			spread = append(spread, pair(v.means(m.at(o.Trial, 1))))
		}
	}
	for _, t := range s.open {
		if t.Rung == m.top() {
			tops = append(tops, pair(v.means(m.at(t, 1))))
		}
	}
	if len(v.logarithmic) == 1 {
		v.stairs = newStaircase(tops, [2]float64{beyond(append(spread, tops...), 0), 1})
	} else {
		all := append(spread, tops...)
		v.stairs = newStaircase(tops, [2]float64{beyond(all, 0), beyond(all, 1)})
	}
	for _, o := range ended {
		if o.Rung == m.top() && slices.Contains(v.stairs.points, pair(o.Objectives)) {
			v.front = append(v.front, o.Configuration)
		}
	}
}

func pair(objectives []float64) [2]float64 {
	if len(objectives) == 1 {
		return [2]float64{objectives[0], 0}
	}
	return [2]float64{objectives[0], objectives[1]}
}

// means are what is expected of x, on the objectives' own scale.
func (v view) means(x coordinates) []float64 {
	var out []float64
	for _, g := range v.scaled(v.surrogate.means(x)) {
		out = append(out, g.mean)
	}
	return out
}

// beyond is worse than the worst by a tenth of the range.
func beyond(points [][2]float64, j int) float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range points {
		low, high = min(low, p[j]), max(high, p[j])
	}
	if high == low {
		return high + 0.1*math.Abs(high) + 1e-9
	}
	return high + 0.1*(high-low)
}
