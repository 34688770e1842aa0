package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"runspec/compiler/plan"
)

// overviews are the published numbers with a column for each data set and one
// for the mean over all ten: Dice of cross-validation, and on the Decathlon's
// hidden test sets, of which ours have none, since their labels are not public.
// None where the plan has one data set or wants no published numbers.
func (u published) overviews(p *plan.Plan) []Table {
	if !p.Report.Published {
		return nil
	}
	validation := func(key, method string) (Cell, bool) {
		v, known := u.Mean[key][method]
		return number(v/100, diceDecimals), known
	}
	test := func(key, method string) (Cell, bool) {
		v, known := u.Test[key][method]
		return v.cell(), known
	}
	source := " Source: " + strings.TrimSuffix(u.Source, ".") + "."
	var out []Table
	for _, o := range []struct {
		id, title, note string
		cell            func(key, method string) (Cell, bool)
	}{
		{"published", "Published: Dice of five-fold cross-validation", "Others' results.", validation},
		{"test", "Published: Dice on the test sets, mean ± standard deviation over cases", "Others' results, by the Decathlon's own server; ours have none.", test},
	} {
		if t := overview(p, o.id, o.cell); t != nil {
			t.Title, t.Notes = o.title, []string{o.note + source}
			out = append(out, *t)
		}
	}
	return out
}

// overview is one table of approaches by data sets; nil for fewer than two.
func overview(p *plan.Plan, id string, cell func(key, method string) (Cell, bool)) *Table {
	t := &Table{}
	var keys []string
	for _, d := range p.Datasets {
		if _, known := cell(d.Published, approaches[0].mean); known {
			t.Columns = append(t.Columns, Column{id + "/" + d.Name, d.Name})
			keys = append(keys, d.Published)
		}
	}
	if len(keys) < 2 {
		return nil
	}
	t.Columns, keys = append(t.Columns, Column{id, "Mean of ten"}), append(keys, "Mean")
	for _, a := range approaches {
		if _, known := cell("Mean", a.mean); !known {
			continue
		}
		r := Row{ID: a.key, Kind: Published, Name: "Published: " + a.name}
		for _, key := range keys {
			c, _ := cell(key, a.mean)
			r.Cells = append(r.Cells, c)
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

// cell shows a percentage as a fraction.
func (s spreadOf) cell() Cell {
	c := number(s.Mean/100, diceDecimals)
	if c.Value != nil {
		sd := number(s.SD/100, 3)
		c.SD, c.Text = sd.Value, fmt.Sprintf("%s ± %s", c.Text, sd.Text)
	}
	return c
}

// labels are the names under which a data set's classes were published, sorted:
// the labels of a data set that nobody has read yet.
func (u published) labels(key string) []string {
	names := slices.Sorted(maps.Keys(u.Classes[u.dataset(key)]))
	return slices.DeleteFunc(names, func(n string) bool { return n == "Mean" })
}
