package nnunet

import (
	"math"
	"slices"
)

// number is what a median is taken of.
type number interface{ ~int | ~float64 }

// axisPercentile is numpy.percentile(rows[:, axis], q) with linear
// interpolation, in numpy's order of operations.
func axisPercentile[T number](rows [][3]T, axis int, q float64) float64 {
	column := sortedColumn(rows, axis)
	at := float64(len(column)-1) * (q / 100)
	low := int(at)
	high := min(low+1, len(column)-1)
	a, b, t := column[low], column[high], at-float64(low)
	// The conversions keep a compiler from fusing multiplication and addition,
	// which would round differently on other processors.
	if t >= 0.5 {
		return b - float64((b-a)*(1-t))
	}
	return a + float64((b-a)*t)
}

// axisMedian is numpy.median(rows[:, axis]): the mean of the middle two.
func axisMedian[T number](rows [][3]T, axis int) float64 {
	column := sortedColumn(rows, axis)
	n := len(column)
	if n%2 == 1 {
		return column[n/2]
	}
	return (column[n/2-1] + column[n/2]) / 2
}

func medians[T number](rows [][3]T) (m [3]float64) {
	for axis := range m {
		m[axis] = axisMedian(rows, axis)
	}
	return m
}

func sortedColumn[T number](rows [][3]T, axis int) []float64 {
	column := make([]float64, len(rows))
	for i, r := range rows {
		column[i] = float64(r[axis])
	}
	slices.Sort(column)
	return column
}

// round is Python's: to the nearest integer, halves to the even one.
func round(x float64) int { return int(math.RoundToEven(x)) }

func product(list []float64) float64 {
	p := 1.0
	for _, v := range list {
		p *= v
	}
	return p
}

// argmax gives the first of the largest.
func argmax(list []float64) int {
	best := 0
	for i, v := range list {
		if v > list[best] {
			best = i
		}
	}
	return best
}
