package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// CSV writes all tables as one, a record for each row of a table. Its columns
// are those of the tables and of their statistics, by ID, whether or not there
// are numbers yet; beside each column of Dice stands one of standard deviations
// over folds. What is of a label has it behind a slash: "dice/Anterior",
// "dice_sd/Anterior", "p/Anterior". "p_unseen" is of the folds that no study
// chose by. Missing is empty. Where nothing was trained, a column says so.
func (r Report) CSV(w io.Writer) error {
	var head []string
	seen := map[string]bool{}
	for _, t := range r.all() {
		for _, c := range t.head() {
			if !seen[c] {
				seen[c], head = true, append(head, c)
			}
		}
	}
	out := csv.NewWriter(w)
	first := []string{"dataset", "kind", "id", "name"}
	if r.Simulated {
		first = append(first, "simulated")
	}
	out.Write(append(first, head...))
	for _, t := range r.all() {
		for _, row := range t.Rows {
			values := t.values(row)
			record := []string{t.Dataset, string(row.Kind), row.ID, row.Name}
			if r.Simulated {
				record = append(record, simulated(row))
			}
			for _, c := range head {
				record = append(record, plain(values[c]))
			}
			out.Write(record)
		}
	}
	out.Flush()
	return out.Error()
}

// simulated marks a row of an experiment that trained nothing; published rows
// are real.
func simulated(r Row) string {
	if r.Kind == Published {
		return ""
	}
	return "SIMULATED"
}

// all lists the tables in the order of the renderings.
func (r Report) all() []Table {
	all := r.Tables[:len(r.Tables):len(r.Tables)]
	if r.Ranks != nil {
		all = append(all, *r.Ranks)
	}
	return append(all, r.Paper...)
}

// head names a table's columns of CSV.
func (t Table) head() []string {
	var out []string
	for _, c := range t.Columns {
		out = append(out, c.ID)
		if quantity, label, _ := strings.Cut(c.ID, "/"); quantity == "dice" {
			out = append(out, under("dice_sd", label))
		}
	}
	for _, of := range t.Scopes {
		for _, c := range statisticColumns {
			out = append(out, of.column(c.ID))
		}
	}
	return out
}

// values are a row's numbers, those of its statistics included, by column.
func (t Table) values(row Row) map[string]*float64 {
	out := map[string]*float64{}
	for i, c := range t.Columns {
		out[c.ID] = row.Cells[i].Value
		if quantity, label, _ := strings.Cut(c.ID, "/"); quantity == "dice" {
			out[under("dice_sd", label)] = row.Cells[i].SD
		}
	}
	if t.Statistics == nil || row.Kind == Published {
		return out
	}
	for _, r := range t.Statistics.Rows {
		if r.ID == row.ID {
			for i, c := range t.Statistics.Columns {
				out[r.column(c.ID)] = r.Cells[i].Value
			}
		}
	}
	return out
}

func under(quantity, label string) string {
	if label == "" {
		return quantity
	}
	return quantity + "/" + label
}

func plain(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'f', -1, 64)
}
