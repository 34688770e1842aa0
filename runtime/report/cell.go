package report

import (
	"fmt"
	"math"
	"strconv"
)

// dash stands where there is no number.
const dash = "–"

func missing() Cell { return Cell{Text: dash} }

// number rounds v to so many decimals.
func number(v float64, decimals int) Cell {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return missing()
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	rounded, _ := strconv.ParseFloat(text, 64)
	rounded += 0 // no negative zero
	return Cell{Value: &rounded, Text: strconv.FormatFloat(rounded, 'f', decimals, 64)}
}

// significant shows three digits of what may be of any size.
func significant(v float64) Cell {
	if !(v > 0) || v >= 100 {
		return number(v, 0)
	}
	return number(v, max(0, 2-int(math.Floor(math.Log10(v)))))
}

func count(v float64) Cell { return number(v, 0) }

// signed is a difference of Dice.
func signed(v float64) Cell { return plus(number(v, diceDecimals)) }

// plus puts a sign before what is above zero.
func plus(c Cell) Cell {
	if c.Value != nil && *c.Value > 0 {
		c.Text = "+" + c.Text
	}
	return c
}

// probability shows three digits, small ones as powers of ten: "1.23e-05".
func probability(p float64) Cell {
	if math.IsNaN(p) {
		return missing()
	}
	text := strconv.FormatFloat(p, 'g', 3, 64)
	rounded, _ := strconv.ParseFloat(text, 64)
	return Cell{Value: &rounded, Text: text}
}

// diceDecimals are those of the published numbers, which are percentages with two.
const diceDecimals = 4

// dice is mean and standard deviation over folds; missing where any fold has no
// score, since a mean over the others would be of another task. Where a single
// fold is planned there is no deviation to miss.
func dice(folds []float64, planned int) Cell {
	c := number(mean(folds), diceDecimals)
	if c.Value == nil {
		return c
	}
	sd := number(deviation(folds), diceDecimals)
	c.SD = sd.Value
	if planned > 1 {
		c.Text += " ± " + sd.Text
	}
	return c
}

// folds shows how many of the planned folds are in the row.
func folds(done, planned int) Cell {
	c := count(float64(done))
	if done < planned {
		c.Text = fmt.Sprintf("%d of %d", done, planned)
	}
	return c
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v)) // NaN for none
}

// deviation is the sample standard deviation, NaN below two values.
func deviation(v []float64) float64 {
	if len(v) < 2 {
		return math.NaN()
	}
	m, sum := mean(v), 0.0
	for _, x := range v {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(len(v)-1))
}
