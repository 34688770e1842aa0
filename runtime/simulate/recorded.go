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
// the budgets, and the standard error of that mean. NaN stands for what was not
// recorded.
type Recorded struct {
	Tool   string
	Seeds  int
	Means  []float64
	Errors []float64
}

// Fields of a tool's hypervolumes at full cost, of trials at 1000 epochs: at
// each budget mean, 10 %, median, 90 %; and each seed's at the last budget.
const (
	atTop   = "full.hv_at_max[mean,p10,median,p90]"
	perSeed = "final_hv_per_seed"
)

// decileSpread is the distance of a normal distribution's deciles, 10 % and
// 90 %, in standard deviations.
const decileSpread = 2.563

// Z is how many standard errors the reached mean lies above the recorded one at
// budget k: their difference over the root of the sum of both squared errors.
func (r Recorded) Z(k int, reached Reached) float64 {
	return (reached.Mean - r.Means[k]) / math.Hypot(reached.StandardError, r.Errors[k])
}

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
		var rows [][4]float64
		var last []float64
		if err := errors.Join(json.Unmarshal(r[perSeed], &last), json.Unmarshal(r[atTop], &rows)); err != nil {
			return nil, fmt.Errorf("recorded outcomes of %s in %s: %w", tool, dir, err)
		}
		means, faults := spreads(rows, last)
		out = append(out, Recorded{tool, len(last), atBudgets(file.Grid, means, budgets), atBudgets(file.Grid, faults, budgets)})
	}
	return byName(out), nil
}

// spreads gives means and standard errors by budget. Seeds were recorded one by
// one at the last budget alone: before it the standard deviation is taken from
// the deciles, which is too small where many seeds have found nothing beyond the
// default, so that a difference looks larger than it is.
func spreads(rows [][4]float64, last []float64) (means, faults []float64) {
	for _, row := range rows {
		means = append(means, row[0])
		faults = append(faults, (row[3]-row[1])/decileSpread/math.Sqrt(float64(len(last))))
	}
	if len(faults) > 0 {
		_, faults[len(faults)-1] = meanError(last)
	}
	return means, faults
}

func readTableOutcomes(path string, budgets []int) ([]Recorded, error) {
	var file struct {
		Evals   []int `json:"evals"`
		Results map[string]struct {
			Seeds     int       `json:"seeds"`
			Mean      []float64 `json:"mean"`
			Deviation []float64 `json:"sd"`
		} `json:"results"`
	}
	if err := readJSON(path, &file); err != nil {
		return nil, err
	}
	var out []Recorded
	for tool, r := range file.Results {
		for i := range r.Deviation {
			r.Deviation[i] /= math.Sqrt(float64(r.Seeds))
		}
		out = append(out, Recorded{tool, r.Seeds, atBudgets(file.Evals, r.Mean, budgets), atBudgets(file.Evals, r.Deviation, budgets)})
	}
	return byName(out), nil
}

func atBudgets(grid []int, values []float64, budgets []int) []float64 {
	var out []float64
	for _, b := range budgets {
		v := math.NaN()
		if i := slices.Index(grid, b); i >= 0 && i < len(values) {
			v = values[i]
		}
		out = append(out, v)
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
