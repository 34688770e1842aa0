package report

import (
	"encoding/csv"
	"io"

	"runspec/compiler/plan"
)

// CaseDice is the Dice of one case under one label: what the tables are made
// of, for a statistician's own models.
type CaseDice struct {
	Dataset string
	Kind    RowKind
	ID      string // of the table's row
	Fold    plan.Fold
	Case    string
	Label   string
	Dice    Cell // missing where neither reference nor prediction has the label
}

// caseDice lists the trainings' cases as far as they are scored, whether or not
// all folds are.
func caseDice(d plan.Dataset, labels []string, trainings []training) []CaseDice {
	var out []CaseDice
	for _, t := range trainings {
		for _, fold := range t.numbers() {
			for _, c := range t.folds[fold].Cases {
				for _, l := range labels {
					out = append(out, CaseDice{d.Name, t.kind, t.id, fold, c.ID, l, number(score(c.Dice, l), caseDecimals)})
				}
			}
		}
	}
	return out
}

// caseDecimals tell cases of a million voxels apart.
const caseDecimals = 6

// CasesCSV writes a record for each case and label.
func (r Report) CasesCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	out.Write([]string{"dataset", "kind", "id", "fold", "case", "label", "dice"})
	for _, c := range r.Cases {
		out.Write([]string{c.Dataset, string(c.Kind), c.ID, c.Fold.String(), c.Case, c.Label, plain(c.Dice.Value)})
	}
	out.Flush()
	return out.Error()
}
