// Package report compares what a plan's trainings reached: nnU-Net's defaults
// and each search's incumbent, one table per data set, beside the published
// numbers. It reads the plan and the journal's events and nothing else, neither
// clock nor data, so the same run gives the same tables for ever.
package report

import (
	"fmt"
	"slices"
	"strings"

	"runspec/compiler/plan"
	"runspec/runtime/journal"
)

// Version is the format of a Report in JSON.
const Version = "runspec/report/v1"

// Report is the comparison of an experiment.
type Report struct {
	Version    string  `json:"version"`
	Experiment string  `json:"experiment"`
	Simulated  bool    `json:"simulated,omitempty"` // nothing was trained
	Tables     []Table `json:"tables"`              // one per data set, in the plan's order
	Ranks      *Table  `json:"ranks,omitempty"`     // over all data sets, where there are several
	Paper      []Table `json:"paper,omitempty"`     // published Dice over data sets, where there are several

	Cases []CaseDice `json:"-"` // cases.csv
}

// Table compares trainings on one data set.
type Table struct {
	Title      string      `json:"title"`
	Dataset    string      `json:"dataset"` // "": all of them
	Columns    []Column    `json:"columns"`
	Rows       []Row       `json:"rows"` // baselines, incumbents, published
	Notes      []string    `json:"notes"`
	Statistics *Statistics `json:"statistics,omitempty"` // nil: no training has all its folds
	Fronts     []Front     `json:"fronts,omitempty"`     // of the studies with two objectives
	Scopes     []Scope     `json:"scopes,omitempty"`     // of statistics, whether or not there are any yet
}

// Column is one quantity. Its ID is stable; what belongs to one label or data
// set has that behind a slash.
type Column struct {
	ID   string `json:"id"` // "dice/Anterior", "dice", "difference", "folds", "epochs", "hours", "search_hours", "pflop", "parameters"
	Name string `json:"name"`
}

// RowKind says where a row's numbers come from.
type RowKind string

// The kinds of row.
const (
	Baseline  RowKind = "baseline"
	Incumbent RowKind = "incumbent"
	Published RowKind = "published" // by others, with their budget
	Imported  RowKind = "imported"  // of another program, case by case
)

// Row is one training, or what was published of one.
type Row struct {
	ID    string  `json:"id"` // baseline, study, or column of the published table
	Kind  RowKind `json:"kind"`
	Name  string  `json:"name"`  // what was really trained
	Cells []Cell  `json:"cells"` // in the order of Columns
}

// Cell is one number. It is rounded to what Text shows, so that no rendering
// says more than another; the journal has the rest.
type Cell struct {
	Value *float64 `json:"value"`        // nil: missing
	SD    *float64 `json:"sd,omitempty"` // sample standard deviation over folds; nil: fewer than two
	Text  string   `json:"text"`
}

// New makes the tables. Events of a data set, study or baseline that the plan
// does not have are an error: the journal belongs to another plan.
func New(p *plan.Plan, events []journal.Event) (Report, error) {
	if err := belong(p, events); err != nil {
		return Report{}, fmt.Errorf("report: %w", err)
	}
	literature, err := readPublished()
	if err != nil {
		return Report{}, fmt.Errorf("report: published numbers: %w", err)
	}
	r := Report{Version: Version, Experiment: p.Name, Tables: []Table{}}
	var all [][]training
	for _, d := range p.Datasets {
		trainings := gather(p, d, events)
		all = append(all, trainings)
		r.Tables = append(r.Tables, table(p, d, events, trainings, literature))
		r.Cases = append(r.Cases, caseDice(d, foreground(d, trainings), trainings)...)
	}
	r.Ranks = ranks(p, all)
	r.Paper = literature.overviews(p)
	if p.Simulation != nil {
		r.mark(p.Simulation.Kind)
	}
	return r, nil
}

// mark says of every table that it is simulated.
func (r *Report) mark(kind string) {
	r.Simulated = true
	for i := range r.Tables {
		t := &r.Tables[i]
		t.Title = "SIMULATED: " + t.Title
		t.Notes = append([]string{fmt.Sprintf("SIMULATED: nothing was trained; the numbers of this experiment's rows are of the benchmark %q.", kind)}, t.Notes...)
		if t.Statistics != nil {
			t.Statistics.Title = "SIMULATED: " + t.Statistics.Title
		}
	}
	if r.Ranks != nil {
		r.Ranks.Title = "SIMULATED: " + r.Ranks.Title
	}
}

// belong checks that every event's names stand in the plan.
func belong(p *plan.Plan, events []journal.Event) error {
	datasets, studies, baselines := map[string]bool{}, map[string]bool{"": true}, map[string]bool{"": true}
	for _, d := range p.Datasets {
		datasets[d.Name] = true
	}
	for _, s := range p.Studies {
		studies[s.Name] = true
	}
	for _, b := range p.Baselines {
		baselines[b.Name] = true
	}
	for _, e := range events {
		if !datasets[e.Dataset] || !studies[e.Study] || !baselines[e.Baseline] {
			return fmt.Errorf("event %d of the journal is of data set %q, study %q, baseline %q, which plan %s does not have; the journal belongs to another plan",
				e.Sequence, e.Dataset, e.Study, e.Baseline, p.Name)
		}
	}
	return nil
}

func table(p *plan.Plan, d plan.Dataset, events []journal.Event, trainings []training, literature published) Table {
	labels := foreground(d, trainings)
	if p.Report.Published && len(labels) == 0 {
		labels = literature.labels(d.Published)
	}
	t := Table{
		Title:   fmt.Sprintf("%s: Dice on %s, %s", d.Name, validation(p, trainings), over(p.Folds)),
		Dataset: d.Name, Columns: columns(p, labels),
		Statistics: statistics(p, labels, trainings),
		Scopes:     compared(p, labels),
	}
	against := reference(p, trainings)
	for _, tr := range trainings {
		t.Rows = append(t.Rows, tr.row(p, labels, against))
	}
	t.Notes = notes(p, d, events, trainings)
	t.Fronts = fronts(p, d, events)
	if p.Report.Published {
		rows, note := literature.rows(p, d, labels)
		t.Rows = append(t.Rows, rows...)
		t.Notes = append(t.Notes, note...)
	}
	return t
}

// columns are the same for every row of a table. Under the plan's cost "model"
// the reproducible cost stands beside the measured hours.
func columns(p *plan.Plan, labels []string) []Column {
	var out []Column
	for _, l := range labels {
		out = append(out, Column{"dice/" + l, "Dice " + l})
	}
	out = append(out, Column{"dice", "Dice mean"})
	against := "baseline"
	for _, b := range p.Baselines {
		if b.Name == p.Report.Against {
			against = label(p, b)
		}
	}
	out = append(out, Column{"difference", "Against " + against}, Column{"folds", "Folds"}, Column{"epochs", "Epochs"}, Column{"hours", "Hours"})
	if len(p.Studies) > 0 {
		out = append(out, Column{"search_hours", "Search hours"})
	}
	if p.Cost == plan.CostModel {
		out = append(out, Column{"pflop", "PFLOP"})
	}
	return append(out, Column{"parameters", "Parameters"})
}

// validation says how many cases a complete training is judged by, once one is.
func validation(p *plan.Plan, trainings []training) string {
	for _, t := range trainings {
		if n := len(t.cases("", p.Folds)); n > 0 && t.complete(p) {
			return plural(n, judged(p)+" case")
		}
	}
	return "the " + judged(p) + " cases"
}

// judged says which cases judge a training: under fold "all" those that it was
// trained on.
func judged(p *plan.Plan) string {
	if slices.Contains(p.Folds, plan.All) {
		return "training"
	}
	return "validation"
}

// over says what a cell of Dice is taken over.
func over(folds []plan.Fold) string {
	if len(folds) == 1 {
		return "fold " + list(folds)
	}
	return "mean ± standard deviation over folds " + list(folds)
}

// list prints "0, 1, 2".
func list(folds []plan.Fold) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(folds), " ", ", "), "[]")
}
