package simulate

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/internal/golden"
	"runspec/runtime/search"
)

// TestFormula compares with 120 points that were computed in Python.
func TestFormula(t *testing.T) {
	text, err := os.ReadFile(golden.Shared(t, "reference/search/7_benchmark/formula_points.json"))
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Points []struct {
			Config        space.Configuration
			Epochs        float64
			Loss, Runtime float64
		}
	}
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	f, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range recorded.Points {
		got, err := f.Evaluate(p.Config, p.Epochs)
		if err != nil {
			t.Fatal(err)
		}
		for k, want := range []float64{p.Loss, p.Runtime} {
			if math.Abs(got[k]-want) > 1e-12*want {
				t.Errorf("point %d, objective %d: %v, recorded %v", i, k, got[k], want)
			}
		}
	}
	if len(recorded.Points) != 120 {
		t.Errorf("%d points compared, not 120", len(recorded.Points))
	}
}

// TestDefault holds without the recorded points.
func TestDefault(t *testing.T) {
	for _, name := range []string{FormulaHPO, FormulaHPONAS} {
		p, err := Open(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Box.Evaluate(p.Space.Default(), 1000)
		if err != nil || math.Abs(got[0]-0.1672012003251012) > 1e-14 || math.Abs(got[1]-4.761620370370372) > 1e-13 {
			t.Errorf("%s: default gives %v, %v", name, got, err)
		}
		if hv := p.Metric.Hypervolume([][]float64{got}); math.Abs(hv-0.90584) > 5e-6 {
			t.Errorf("%s: hypervolume %v of the default, recorded 0.90584", name, hv)
		}
	}
}

func TestTable(t *testing.T) {
	p, err := Open(NB201, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]float64
	for _, row := range p.Box.(Table).rows {
		all = append(all, row)
	}
	if hv := p.Metric.Hypervolume(all); len(all) != 15625 || math.Abs(hv-1.123161644945664) > 1e-12 {
		t.Errorf("front of %d rows has hypervolume %v, recorded 1.123161644945664", len(all), hv)
	}
	got, err := p.Box.Evaluate(p.Space.Default(), 1)
	if err != nil || got[0] != 90.2880 || got[1] != 10.9042 {
		t.Errorf("first row is %v, %v", got, err)
	}
}

func TestUnknown(t *testing.T) {
	if _, err := Open("branin", nil); err == nil || !strings.Contains(err.Error(), FormulaHPO) {
		t.Errorf("%v does not say what there is", err)
	}
	f, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	p, _ := Open(FormulaHPO, nil)
	c := p.Space.Default()
	c["optimizer"] = space.Text("Lion")
	if _, err := f.Evaluate(c, 1); err == nil || !strings.Contains(err.Error(), "Lion") {
		t.Errorf("an unknown optimiser: %v", err)
	}
}

// TestClock plays random search: with equal times nobody is idle, and all
// trials run.
func TestClock(t *testing.T) {
	p, err := Open(FormulaHPO, nil)
	if err != nil {
		t.Fatal(err)
	}
	study := plan.Study{Name: "s", Space: p.Space, Optimizer: plan.Optimizer{Kind: plan.RandomSearch, Trials: 16}, Rungs: []plan.Rung{{Epochs: 1000, Trials: 16}}}
	m, err := search.New(study)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Clock{{}, {Workers: 8}, {Workers: 8, Sigma: 0.5, Seed: 3}} {
		play, err := Run(p, study, m, c)
		if err != nil || len(play.Trials) != 16 || math.Abs(play.Idle) > 1e-12 {
			t.Errorf("%+v: %d trials, idle %v, %v", c, len(play.Trials), play.Idle, err)
		}
	}
	play, _ := Run(p, study, m, Clock{})
	curve := p.Curve(study, play.Trials, []int{999, 1000, 16000}, plan.CountFull)
	if curve[0] != 0 || curve[1] <= 0 || curve[2] < curve[1] {
		t.Errorf("curve %v", curve)
	}
}

// TestTrace measures the authors' recorded runs of seed 0 as they were measured,
// and evaluates their trials as they were: what differs between their outcomes
// and ours is then the draw of the seeds.
func TestTrace(t *testing.T) {
	for name, want := range map[string]float64{FormulaHPO: 0.932902, FormulaHPONAS: 0.994529} {
		p, err := Open(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		file := "trace_hpo.json"
		if name == FormulaHPONAS {
			file = "trace_hpo_nas.json"
		}
		var trace struct {
			Params []string
			Rows   []struct {
				ID, Rung      int
				Loss, Runtime float64
				Cfg           []space.Value
			}
		}
		if err := readJSON(golden.Shared(t, "reference/search/3_priorband/"+file), &trace); err != nil {
			t.Fatal(err)
		}
		study := plan.Study{Rungs: plan.Ladder(plan.Hyperband, p.Fidelity, 0)}
		var trials []Ended
		drawn := map[int]space.Configuration{}
		for i, row := range trace.Rows {
			c := drawn[row.ID] // recorded where it is drawn
			if c == nil {
				c = space.Configuration{}
				drawn[row.ID] = c
			}
			for k, v := range row.Cfg {
				c[strings.TrimPrefix(trace.Params[k], "hp_config.")] = v
			}
			epochs := 1000 / math.Pow(3, float64(4-row.Rung)) // not rounded
			y, err := p.Box.Evaluate(c, epochs)
			if err != nil || math.Abs(y[0]-row.Loss) > 1e-12 || math.Abs(y[1]-row.Runtime) > 1e-12 {
				t.Fatalf("%s, row %d: %v %v, recorded %v and %v", file, i, y, err, row.Loss, row.Runtime)
			}
			o := search.Observation{Trial: search.Trial{Rung: row.Rung, Epochs: study.Rungs[row.Rung].Epochs}, Objectives: y}
			trials = append(trials, Ended{Observation: o})
		}
		if got := p.Curve(study, trials, []int{22000}, plan.CountFull)[0]; math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: hypervolume %.6f, recorded %.6f", file, got, want)
		}
	}
}

// TestRecorded reads the standard errors of other tools' outcomes.
func TestRecorded(t *testing.T) {
	p, err := Open(FormulaHPONAS, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := golden.Shared(t, "reference/search/7_benchmark")
	recorded, err := ReadRecorded(dir, p, []int{6000, 6001, 22000})
	if err != nil || recorded[0].Tool != "authors" {
		t.Fatal(recorded, err)
	}
	r := recorded[0]
	// (0.96225 - 0.90584)/2.563/5, and the deviation of the 25 last ones.
	if r.Seeds != 25 || math.Abs(r.Errors[0]-0.0044) > 5e-5 || !math.IsNaN(r.Errors[1]) || math.Abs(r.Errors[2]-0.0059) > 5e-5 {
		t.Errorf("%+v", r)
	}
	if z := r.Z(2, Reached{Mean: r.Means[2] - 0.005, StandardError: r.Errors[2]}); math.Abs(z+0.005/r.Errors[2]/math.Sqrt2) > 1e-9 {
		t.Errorf("z is %v", z)
	}
}
