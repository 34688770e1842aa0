package runtime

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/journal"
)

// offer is an observation of another run. A CSV's row has its cells in the
// place of the configuration, as only a space can tell how they are read.
type offer struct {
	where string // file and line, or trial
	known plan.Known
	cells map[string]string
}

// Adopt gives the plan's studies what another run has observed: path is its
// directory, or a CSV file with the columns dataset, epochs, dice, cost and one
// for each parameter, empty where that is inactive. Of each observation that no
// study takes, dropped says why. The plan that it returns is another plan: what
// is known is a part of it.
func Adopt(p *plan.Plan, path string) (adopted *plan.Plan, dropped []string, err error) {
	offers, err := offered(p, path)
	if err != nil {
		return nil, nil, err
	}
	q := *p
	q.Studies = slices.Clone(p.Studies)
	taken, reasons := make([]bool, len(offers)), make([]error, len(offers))
	willing := false
	for i := range q.Studies {
		if !q.Studies[i].Optimizer.Kind.Learns() {
			continue
		}
		willing = true
		for n, o := range offers {
			k, err := o.fit(q.Studies[i], q.Datasets)
			if err != nil {
				reasons[n] = err
				continue
			}
			q.Studies[i].Known, taken[n] = append(q.Studies[i].Known, k), true
		}
	}
	if !willing {
		return nil, nil, fmt.Errorf("%s: no study of the plan takes observations of another run; a study whose optimizer is spec.#PriorBand, spec.#RegularizedPriorBand or spec.#ParetoBayes does; the others learn nothing from what was observed", path)
	}
	for n, o := range offers {
		if !taken[n] {
			dropped = append(dropped, fmt.Sprintf("%s: %v", o.where, reasons[n]))
		}
	}
	if !slices.Contains(taken, true) {
		return nil, dropped, fmt.Errorf("%s: none of its %d observations fits a study of the plan%s", path, len(offers), because(dropped))
	}
	return &q, dropped, nil
}

func because(dropped []string) string {
	if len(dropped) == 0 {
		return ""
	}
	return "; the first: " + dropped[0]
}

// fit checks an observation against a study's data sets, rungs and space.
func (o offer) fit(s plan.Study, datasets []plan.Dataset) (plan.Known, error) {
	k := o.known
	d := slices.IndexFunc(datasets, func(d plan.Dataset) bool { return d.Name == k.Dataset })
	if d < 0 {
		return k, fmt.Errorf("the plan has no data set %q", k.Dataset)
	}
	if !slices.ContainsFunc(s.Rungs, func(r plan.Rung) bool { return r.Epochs == k.Epochs }) {
		return k, fmt.Errorf("study %s has no rung of %d epochs", s.Name, k.Epochs)
	}
	s, err := s.Bound(datasets[d])
	if err != nil {
		return k, err
	}
	if o.cells != nil {
		if k.Configuration, err = configured(s.Space, o.cells); err != nil {
			return k, err
		}
	}
	if err := s.Space.Contains(k.Configuration); err != nil {
		return k, fmt.Errorf("it is not in the space of study %s: %w", s.Name, err)
	}
	return k, nil
}

// offered reads a run directory or a CSV file.
func offered(p *plan.Plan, path string) ([]offer, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("warm start: %w; give a run directory or a CSV file", err)
	case info.IsDir():
		return offeredByRun(p, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("warm start: %w", err)
	}
	return offeredByTable(path, string(text))
}

// offeredByRun lists what the studies of a run came to.
func offeredByRun(p *plan.Plan, dir string) ([]offer, error) {
	old, err := plan.Read(filepath.Join(dir, planFile))
	if err != nil {
		return nil, fmt.Errorf("warm start: %w", err)
	}
	if old.Cost != p.Cost {
		return nil, fmt.Errorf("warm start: %s counts cost as %q, this plan as %q; their costs can't be compared", dir, old.Cost, p.Cost)
	}
	events, _, err := journal.Read(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		return nil, err
	}
	var out []offer
	for _, e := range journal.Current(old, events) {
		if e.Study == "" || e.Kind != journal.Result || e.Result == nil {
			continue
		}
		k := plan.Known{Dataset: e.Dataset, Configuration: e.Trial.Configuration, Epochs: e.Trial.Epochs}
		for _, v := range e.Result.Objectives {
			k.Objectives = append(k.Objectives, float64(v))
		}
		if slices.ContainsFunc(k.Objectives, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
			continue
		}
		out = append(out, offer{where: e.Dataset + " " + e.Trial.ID, known: k})
	}
	return out, nil
}

// offeredByTable reads a CSV file's text.
func offeredByTable(path, text string) ([]offer, error) {
	r := csv.NewReader(strings.NewReader(text))
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s: it is empty; its first line names the columns dataset, epochs, dice, cost and the parameters", path)
	}
	var out []offer
	for n, row := range rows[1:] {
		o := offer{where: fmt.Sprintf("%s:%d", path, n+2), cells: map[string]string{}}
		for i, name := range rows[0] {
			o.cells[name] = row[i]
		}
		if err := o.measured(); err != nil {
			return nil, fmt.Errorf("%s: %w", o.where, err)
		}
		out = append(out, o)
	}
	return out, nil
}

// measured moves the columns that are no parameters out of the cells.
func (o *offer) measured() error {
	o.known.Dataset = o.cells["dataset"]
	epochs, bad := strconv.Atoi(o.cells["epochs"])
	dice, worse := finite(o.cells["dice"])
	cost, worst := finite(o.cells["cost"])
	if err := cmp.Or(bad, worse, worst); err != nil || dice > 1 || dice < 0 {
		return errors.Join(err, fmt.Errorf("epochs must be a whole number, dice a number from 0 to 1, cost a number; they are %q, %q and %q", o.cells["epochs"], o.cells["dice"], o.cells["cost"]))
	}
	o.known.Epochs, o.known.Objectives = epochs, []float64{1 - dice, cost}
	for _, name := range []string{"dataset", "epochs", "dice", "cost"} {
		delete(o.cells, name)
	}
	return nil
}

func finite(cell string) (float64, error) {
	v, err := strconv.ParseFloat(cell, 64)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = fmt.Errorf("%q is not finite", cell)
	}
	return v, err
}

// configured reads the cells as a configuration of a space.
func configured(s space.Space, cells map[string]string) (space.Configuration, error) {
	c := space.Configuration{}
	for name, cell := range cells {
		if cell == "" {
			continue
		}
		p, ok := s.Parameter(name)
		if !ok {
			return nil, fmt.Errorf("the space has no parameter %s", name)
		}
		v, err := read(p, cell)
		if err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
		c[name] = v
	}
	return c, nil
}

// read reads a cell as a value of a parameter.
func read(p space.Parameter, cell string) (space.Value, error) {
	switch p.Kind {
	case space.Float, space.Int:
		v, err := finite(cell)
		return space.Number(v), err
	case space.Grammar:
		return space.Text(cell), nil
	}
	for _, v := range p.Options() {
		if text, ok := v.Text(); ok && text == cell || v.String() == cell {
			return v, nil
		}
	}
	return space.Value{}, fmt.Errorf("%q is none of its choices", cell)
}
