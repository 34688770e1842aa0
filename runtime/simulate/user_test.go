package simulate

import (
	"strings"
	"testing"
)

// TestBadTables holds what is told of tables that can't be read.
func TestBadTables(t *testing.T) {
	for text, told := range map[string]string{
		"":                           "t.csv: EOF; its first line names the columns",
		"loss\n0.1\n":                "t.csv:1:1: the columns are loss;",
		"loss,hours,loss\n1,1,1\n":   "t.csv:1:12: two columns are named loss",
		"loss,hours\n":               "t.csv:2:1: the table has no row",
		"loss,hours\n0.1,1\n0.1\n":   "t.csv:3:1: wrong number of fields; the first line names 2 columns",
		"loss,hours\n0.1,NaN\n":      `t.csv:2:5: hours is "NaN"; give it a finite number`,
		"loss,hours\n0.1,1\n0.1,2\n": "t.csv:3:1: the table has this configuration twice",
	} {
		if _, err := ParseTable("t.csv", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), told) {
			t.Errorf("%q: told %v, want %s", text, err, told)
		}
	}
}

// TestBadFormulas holds what is told of formulas that can't be read.
func TestBadFormulas(t *testing.T) {
	for text, told := range map[string]string{
		"":      "f.json:1:1: the file is empty",
		"[]":    "f.json:1:1: the formula is given as array",
		"{":     "f.json:1:2: the text ends before the formula does",
		"{} {}": "f.json:1:",
	} {
		if _, err := ParseFormula("f.json", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), told) {
			t.Errorf("%q: told %v, want %s", text, err, told)
		}
	}
}
