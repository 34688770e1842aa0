package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// Recorded is what another tool came to on a problem: its mean hypervolume at
// the budgets.
type Recorded struct {
	Tool  string    `json:"tool"`
	Seeds int       `json:"seeds"`
	Means []float64 `json:"means"` // NaN where it was not recorded
}

// atTop is the field of a tool's hypervolumes at full cost, of trials at 1000
// epochs: mean, 10 %, median, 90 %.
const atTop = "full.hv_at_max[mean,p10,median,p90]"

// ReadRecorded reads other tools' outcomes at the given budgets, full cost, from
// a folder with outcomes.json and nb201_outcomes.json.
func ReadRecorded(dir string, p Problem, budgets []int) ([]Recorded, error) {
	if p.Name == NB201 {
		return readTableOutcomes(filepath.Join(dir, "nb201_outcomes.json"), budgets)
	}
	var file struct {
		Grid    []int                                            `json:"grid_epochs"`
		Results map[string]map[string]map[string]json.RawMessage `json:"results"`
	}
	if err := readJSON(filepath.Join(dir, "outcomes.json"), &file); err != nil {
		return nil, err
	}
	key := map[string]string{FormulaHPO: "hpo", FormulaHPONAS: "hpo_nas"}[p.Name]
	var out []Recorded
	for tool, r := range file.Results[key] {
		var seeds int
		var rows [][4]float64
		if err := errors.Join(json.Unmarshal(r["seeds"], &seeds), json.Unmarshal(r[atTop], &rows)); err != nil {
			return nil, fmt.Errorf("recorded outcomes of %s in %s: %w", tool, dir, err)
		}
		var means []float64
		for _, row := range rows {
			means = append(means, row[0])
		}
		out = append(out, Recorded{tool, seeds, atBudgets(file.Grid, means, budgets)})
	}
	return byName(out), nil
}

func readTableOutcomes(path string, budgets []int) ([]Recorded, error) {
	var file struct {
		Evals   []int `json:"evals"`
		Results map[string]struct {
			Seeds int       `json:"seeds"`
			Mean  []float64 `json:"mean"`
		} `json:"results"`
	}
	if err := readJSON(path, &file); err != nil {
		return nil, err
	}
	var out []Recorded
	for tool, r := range file.Results {
		out = append(out, Recorded{tool, r.Seeds, atBudgets(file.Evals, r.Mean, budgets)})
	}
	return byName(out), nil
}

func atBudgets(grid []int, means []float64, budgets []int) []float64 {
	var out []float64
	for _, b := range budgets {
		mean := math.NaN()
		if i := slices.Index(grid, b); i >= 0 && i < len(means) {
			mean = means[i]
		}
		out = append(out, mean)
	}
	return out
}

func byName(r []Recorded) []Recorded {
	slices.SortFunc(r, func(a, b Recorded) int {
		if a.Tool < b.Tool {
			return -1
		}
		return 1
	})
	return r
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("recorded outcomes %s: %w", path, err)
	}
	return nil
}
