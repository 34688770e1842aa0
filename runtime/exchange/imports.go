package exchange

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
)

// CaseDice are the Dice of one case by label; NaN where neither reference nor
// prediction has the label.
type CaseDice struct {
	Case string
	Fold string // "" where the source does not say
	Dice map[string]float64
	Line int // of the source; 0: it has none
}

// Cases reads the Dice of every validation case from the summaries of a model
// folder's folds, by the names that dataset.json gives to the labels.
func (m Model) Cases() ([]CaseDice, error) {
	var out []CaseDice
	for _, f := range m.Folds {
		if f.Summary == "" {
			return nil, fmt.Errorf("fold %s has no validation/summary.json beside %s: nnU-Net writes it when its training ends (nnUNetv2_train … --val)", f.Name, f.Checkpoint)
		}
		s, err := evaluate.ReadSummary(f.Summary)
		if err != nil {
			return nil, err
		}
		for _, c := range s.Cases {
			one := CaseDice{Case: caseName(c.Prediction), Fold: f.Name, Dice: map[string]float64{}}
			for _, l := range m.Dataset.Foreground() {
				other := l // runspec wrote every region as a tuple once
				other.Listed = !l.Listed
				key, earlier := m.Dataset.Key(l), m.Dataset.Key(other)
				at := slices.IndexFunc(c.Labels, func(x evaluate.LabelMetrics) bool { return x.Key == key || x.Key == earlier })
				if at < 0 {
					return nil, fmt.Errorf("%s: case %s has no metrics of label %q (%s)", f.Summary, one.Case, l.Name, key)
				}
				if one.Dice[l.Name] = c.Labels[at].Dice; outside(c.Labels[at].Dice) {
					return nil, fmt.Errorf("%s: case %s: the Dice of %q (%s) is %v; it lies between 0 and 1, or is NaN where nobody has the label", f.Summary, one.Case, l.Name, c.Labels[at].Key, c.Labels[at].Dice)
				}
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// outside says whether a number is no Dice; NaN is one, of a case without the label.
func outside(dice float64) bool { return dice < 0 || dice > 1 }

// caseName is a file's name without its endings.
func caseName(path string) string {
	name := path[strings.LastIndexAny(path, `/\`)+1:]
	name, _, _ = strings.Cut(name, ".")
	return name
}

// ReadTable reads an outside method's Dice per case from CSV with a header. It is
// wide, a column "case" and one for each label, or long, with the columns "case",
// "label" and "dice"; a column "fold" may be there. An empty cell, "NaN" and "nan"
// mean that a case has no score of a label. Errors begin with the file and line.
func ReadTable(path string, labels []string) ([]CaseDice, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\ufeff")))
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	t := &table{path: path, labels: labels, at: map[string]int{}}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		line, _ := r.FieldPos(0)
		if err := t.record(line, record); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, line, err)
		}
	}
	return t.done()
}

// table is a CSV file under way.
type table struct {
	path   string
	labels []string
	head   []string // nil: not read yet
	cases  []CaseDice
	at     map[string]int // cases by name
}

func (t *table) column(name string) int {
	return slices.IndexFunc(t.head, func(h string) bool { return strings.EqualFold(h, name) })
}

func (t *table) long() bool { return t.column("label") >= 0 }

func (t *table) record(line int, record []string) error {
	if t.head == nil {
		return t.header(record)
	}
	if len(record) != len(t.head) {
		return fmt.Errorf("%d fields under a header of %d", len(record), len(t.head))
	}
	name := strings.TrimSpace(record[t.column("case")])
	if name == "" {
		return errors.New("a row without a case")
	}
	c := t.find(name, line)
	if i := t.column("fold"); i >= 0 {
		if err := c.inFold(strings.TrimSpace(record[i])); err != nil {
			return err
		}
	}
	if t.long() {
		return c.set(strings.TrimSpace(record[t.column("label")]), record[t.column("dice")], t.labels)
	}
	if c.Line != line {
		return fmt.Errorf("case %s stands in line %d already", name, c.Line)
	}
	for _, l := range t.labels {
		if err := c.set(l, record[t.column(l)], t.labels); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) header(record []string) error {
	for _, h := range record {
		h = strings.TrimSpace(h)
		if h != "" && t.column(h) >= 0 {
			return fmt.Errorf("the header has the column %q twice", h)
		}
		t.head = append(t.head, h)
	}
	wanted := append([]string{"case"}, t.labels...)
	if t.long() {
		wanted = []string{"case", "label", "dice"}
	}
	for _, name := range wanted {
		if t.column(name) < 0 {
			return fmt.Errorf("the header has no column %q: it is %s; give case and a column for each of %s, or case, label and dice",
				name, strings.Join(t.head, ", "), strings.Join(t.labels, ", "))
		}
	}
	return nil
}

func (t *table) find(name string, line int) *CaseDice {
	i, ok := t.at[name]
	if !ok {
		i = len(t.cases)
		t.at[name] = i
		t.cases = append(t.cases, CaseDice{Case: name, Line: line, Dice: map[string]float64{}})
	}
	return &t.cases[i]
}

// inFold takes the cell of the fold, which a case's rows may leave to one of them.
func (c *CaseDice) inFold(name string) error {
	if name == "" {
		return nil
	}
	if _, err := plan.ParseFold(name); err != nil {
		return err
	}
	if c.Fold != "" && c.Fold != name {
		return fmt.Errorf("case %s is of fold %s in an earlier line, of fold %s here", c.Case, c.Fold, name)
	}
	c.Fold = name
	return nil
}

// set takes one cell.
func (c *CaseDice) set(label, text string, labels []string) error {
	at := slices.IndexFunc(labels, func(l string) bool { return strings.EqualFold(l, label) })
	if at < 0 {
		return fmt.Errorf("label %q is not of the data set, which has %s", label, strings.Join(labels, ", "))
	}
	if _, twice := c.Dice[labels[at]]; twice {
		return fmt.Errorf("case %s has a Dice of %s already", c.Case, labels[at])
	}
	text = strings.TrimSpace(text)
	if text == "" || strings.EqualFold(text, "nan") {
		c.Dice[labels[at]] = math.NaN()
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return fmt.Errorf("%q is no Dice of %s: it lies between 0 and 1", text, labels[at])
	}
	c.Dice[labels[at]] = v
	return nil
}

func (t *table) done() ([]CaseDice, error) {
	if len(t.cases) == 0 {
		return nil, fmt.Errorf("%s has no cases: a header and a row for each case are needed", t.path)
	}
	for _, c := range t.cases {
		for _, l := range t.labels {
			if _, ok := c.Dice[l]; !ok {
				return nil, fmt.Errorf("%s:%d: case %s has no row of label %s", t.path, c.Line, c.Case, l)
			}
		}
	}
	return t.cases, nil
}

// Base is a path's last part, by which a report names a source.
func Base(path string) string { return filepath.Base(filepath.Clean(path)) }
