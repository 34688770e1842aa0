package simulate

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"runspec/compiler/space"
)

// ReadFormula reads a formula's constants from a file, such as a changed copy
// of data/formula.json. Constants that it does not name keep their values.
func ReadFormula(path string) (Formula, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Formula{}, fmt.Errorf("the formula's file: %w", err)
	}
	return ParseFormula(path, text)
}

// ParseFormula reads a formula's constants from the text of a file. What is wrong
// with it is told with its place in the file.
func ParseFormula(file string, text []byte) (Formula, error) {
	f, err := BuiltIn()
	if err != nil {
		return f, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, misread(file, text, d.InputOffset(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return f, fmt.Errorf("%s: the text goes on after the formula", position(file, text, d.InputOffset()))
	}
	if n := len(f.Constants.Ref); n != 2 {
		at := max(0, bytes.Index(text, []byte(`"ref"`)))
		return f, fmt.Errorf("%s: constants.ref has %d numbers; give it one for each of the two objectives", position(file, text, int64(at)), n)
	}
	return f, nil
}

// misread says where in a text a decoder stumbled, and over what.
func misread(file string, text []byte, offset int64, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	what := strings.TrimPrefix(err.Error(), "json: ")
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset - 1
	case errors.As(err, &kind):
		offset, what = kind.Offset-1, fmt.Sprintf("%s is given as %s; it is a %s", cmp.Or(kind.Field, "the formula"), kind.Value, wanted(kind.Type.Kind().String()))
	case errors.Is(err, io.EOF) && len(bytes.TrimSpace(text)) == 0:
		what = "the file is empty; {} leaves all constants as they are"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		offset, what = int64(len(text)), "the text ends before the formula does"
	case strings.HasPrefix(what, "unknown field "):
		if at := bytes.Index(text, []byte(strings.TrimPrefix(what, "unknown field "))); at >= 0 {
			offset = int64(at)
		}
		what += "; data/formula.json has all that there are"
	}
	return fmt.Errorf("%s: %s", position(file, text, offset), what)
}

func wanted(kind string) string {
	switch kind {
	case "float64":
		return "number"
	case "map", "struct":
		return "table of names and numbers"
	case "slice", "array":
		return "list"
	}
	return kind
}

// position is file:line:column of a byte, both counted from 1.
func position(file string, text []byte, offset int64) string {
	before := text[:min(max(offset, 0), int64(len(text)))]
	return fmt.Sprintf("%s:%d:%d", file, bytes.Count(before, []byte("\n"))+1, len(before)-bytes.LastIndexByte(before, '\n'))
}

// Measured is a black box that was measured at the configurations of a CSV file.
type Measured struct {
	parameters []string
	byEpochs   bool
	rows       map[string][]float64
}

// ParseTable reads a table from the text of a CSV file. Its columns loss and
// hours are the objectives; epochs, where there is one, the fidelity; each other
// one a parameter, empty where that is inactive.
func ParseTable(file string, text []byte) (Measured, error) {
	r := csv.NewReader(bytes.NewReader(text))
	head, err := r.Read()
	if err != nil {
		return Measured{}, fmt.Errorf("%s: %w; its first line names the columns: loss, hours, perhaps epochs, and the parameters", file, err)
	}
	m := Measured{byEpochs: slices.Contains(head, "epochs"), rows: map[string][]float64{}}
	for i, name := range head {
		if slices.Contains(head[:i], name) {
			return m, fmt.Errorf("%s: two columns are named %s; rename or drop one", columnOf(r, file, i), name)
		}
		if name != "loss" && name != "hours" && name != "epochs" {
			m.parameters = append(m.parameters, name)
		}
	}
	if !slices.Contains(head, "loss") || !slices.Contains(head, "hours") {
		return m, fmt.Errorf("%s:1:1: the columns are %s; two of them must be loss and hours", file, strings.Join(head, ", "))
	}
	for {
		row, err := r.Read()
		switch wrong := (*csv.ParseError)(nil); {
		case errors.Is(err, io.EOF) && len(m.rows) == 0:
			return m, fmt.Errorf("%s:2:1: the table has no row; give it one for each configuration", file)
		case errors.Is(err, io.EOF):
			return m, nil
		case errors.As(err, &wrong):
			return m, fmt.Errorf("%s:%d:%d: %w; the first line names %d columns", file, wrong.Line, max(1, wrong.Column), wrong.Err, len(head))
		case err != nil:
			return m, fmt.Errorf("%s: %w", file, err)
		}
		if err := m.add(head, row, func(i int) string { return columnOf(r, file, i) }); err != nil {
			return m, err
		}
	}
}

// columnOf is file:line:column of a field of the row that was read last.
func columnOf(r *csv.Reader, file string, i int) string {
	line, column := r.FieldPos(i)
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}

func (m Measured) add(head, row []string, at func(int) string) error {
	cells, numbers := map[string]string{}, map[string]float64{}
	for i, name := range head {
		cells[name] = row[i]
		if name == "loss" || name == "hours" || name == "epochs" {
			v, err := strconv.ParseFloat(row[i], 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("%s: %s is %q; give it a finite number", at(i), name, row[i])
			}
			numbers[name] = v
		}
	}
	key := m.key(func(name string) string { return cells[name] }, numbers["epochs"])
	if _, twice := m.rows[key]; twice {
		return fmt.Errorf("%s: the table has this configuration twice", at(0))
	}
	m.rows[key] = []float64{numbers["loss"], numbers["hours"]}
	return nil
}

func (m Measured) key(cell func(name string) string, epochs float64) string {
	var parts []string
	for _, name := range m.parameters {
		text := cell(name)
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			text = strconv.FormatFloat(v, 'g', -1, 64)
		}
		parts = append(parts, text)
	}
	if m.byEpochs {
		parts = append(parts, strconv.FormatFloat(epochs, 'g', -1, 64))
	}
	return strings.Join(parts, "\x00")
}

// Evaluate looks a configuration up.
func (m Measured) Evaluate(c space.Configuration, epochs float64) ([]float64, error) {
	row, ok := m.rows[m.key(func(name string) string {
		v, active := c[name]
		if text, is := v.Text(); is {
			return text
		}
		if !active {
			return ""
		}
		return v.String()
	}, epochs)]
	if !ok {
		var point []string
		for _, name := range m.parameters {
			point = append(point, fmt.Sprintf("%s=%v", name, c[name]))
		}
		return nil, fmt.Errorf("the table has no row for %s at %g epochs", strings.Join(point, " "), epochs)
	}
	return row, nil
}
