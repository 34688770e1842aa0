package pareto_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"runspec/runtime/internal/golden"
	"runspec/runtime/pareto"
)

// number reads "inf", "-inf" and "nan" too; null is NaN.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	switch s := strings.Trim(string(b), `"`); s {
	case "inf":
		*n = number(math.Inf(1))
	case "-inf":
		*n = number(math.Inf(-1))
	case "nan", "null":
		*n = number(math.NaN())
	default:
		return json.Unmarshal(b, (*float64)(n))
	}
	return nil
}

func plain(rows [][]number) [][]float64 {
	var out [][]float64
	for _, r := range rows {
		var p []float64
		for _, x := range r {
			p = append(p, float64(x))
		}
		out = append(out, p)
	}
	return out
}

func read(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(golden.Shared(t, "reference/search/1_moo/"+name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// TestSorting compares fronts, crowding and both orders with pymoo, deap and the
// authors' class.
func TestSorting(t *testing.T) {
	var g struct {
		Cases []struct {
			ID       int
			M        int
			Points   [][]number
			Fronts   [][]int
			Crowding []number `json:"crowding_textbook"`
			Correct  []int    `json:"order_correct"`
			Authors  []int    `json:"order_authors"`
		}
	}
	read(t, "nds_crowding.json", &g)
	if len(g.Cases) != 60 {
		t.Fatalf("%d cases, want 60", len(g.Cases))
	}
	for _, c := range g.Cases {
		points := plain(c.Points)
		fronts, failures := pareto.Fronts(points)
		if !slices.EqualFunc(fronts, c.Fronts, slices.Equal) || failures != nil {
			t.Errorf("case %d: fronts %v and failures %v, want %v", c.ID, fronts, failures, c.Fronts)
			continue
		}
		if first := pareto.First(points); !slices.Equal(first, c.Fronts[0]) {
			t.Errorf("case %d: the first front is %v, want %v", c.ID, first, c.Fronts[0])
		}
		for _, front := range fronts {
			for i, d := range pareto.Crowding(points, front) {
				if want := float64(c.Crowding[front[i]]); d != want && math.Abs(d-want) > 1e-12 {
					t.Errorf("case %d: point %d has crowding %v, want %v", c.ID, front[i], d, want)
				}
			}
		}
		if got := pareto.Order(points); !slices.Equal(got, c.Correct) {
			t.Errorf("case %d: order %v, want %v", c.ID, got, c.Correct)
		}
		if got := pareto.OrderAuthors(points); c.M == 2 && !slices.Equal(got, c.Authors) {
			t.Errorf("case %d: the authors' order %v, want %v", c.ID, got, c.Authors)
		}
	}
}

// TestHypervolume compares with pymoo and moocore.
func TestHypervolume(t *testing.T) {
	var g struct {
		Cases []struct {
			ID        int
			Points    [][]float64
			Ref       []float64
			HV        float64
			Exclusive []float64 `json:"exclusive_contribution"`
		}
	}
	read(t, "hypervolume.json", &g)
	if len(g.Cases) != 80 {
		t.Fatalf("%d cases, want 80", len(g.Cases))
	}
	for _, c := range g.Cases {
		hv := pareto.Hypervolume(c.Points, c.Ref)
		if math.Abs(hv-c.HV) > 1e-10 {
			t.Errorf("case %d: %v, want %v", c.ID, hv, c.HV)
		}
		for i, want := range c.Exclusive {
			rest := slices.Delete(slices.Clone(c.Points), i, i+1)
			if got := hv - pareto.Hypervolume(rest, c.Ref); math.Abs(got-want) > 1e-10 {
				t.Errorf("case %d: point %d adds %v, want %v", c.ID, i, got, want)
			}
		}
	}
}

// TestFourObjectives: the volume of two overlapping boxes by hand.
func TestFourObjectives(t *testing.T) {
	points := [][]float64{{0, 0.5, 0.5, 0.5}, {0.5, 0, 0.5, 0.5}, {0.75, 0.75, 0.75, 0.75}}
	if got, want := pareto.Hypervolume(points, []float64{1, 1, 1, 1}), 0.125+0.125-0.0625; math.Abs(got-want) > 1e-15 {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestIncumbent compares with the authors' class.
func TestIncumbent(t *testing.T) {
	var g struct {
		Cases []struct {
			Points    [][]float64
			Incumbent int
		}
	}
	read(t, "incumbent_hv.json", &g)
	if len(g.Cases) != 30 {
		t.Fatalf("%d cases, want 30", len(g.Cases))
	}
	for i, c := range g.Cases {
		if got := pareto.Incumbent(c.Points); got != c.Incumbent {
			t.Errorf("case %d: %d, want %d", i, got, c.Incumbent)
		}
	}
	if got := pareto.Incumbent([][]float64{{math.NaN(), 1}}); got != -1 {
		t.Errorf("of failures: %d, want -1", got)
	}
}

// TestNotFinite holds the policy for NaN and infinities.
func TestNotFinite(t *testing.T) {
	var g struct {
		Cases []struct {
			Points [][]number
			Fronts [][]int
			Tail   []int
		} `json:"project_policy_proposal"`
	}
	read(t, "nonfinite.json", &g)
	seen := 0
	for i, c := range g.Cases {
		if c.Points == nil {
			continue
		}
		seen++
		points := plain(c.Points)
		fronts, failures := pareto.Fronts(points)
		if !slices.EqualFunc(fronts, c.Fronts, slices.Equal) || !slices.Equal(failures, c.Tail) {
			t.Errorf("case %d: %v and %v, want %v and %v", i, fronts, failures, c.Fronts, c.Tail)
		}
		for _, front := range fronts {
			if slices.ContainsFunc(pareto.Crowding(points, front), math.IsNaN) {
				t.Errorf("case %d: crowding is NaN", i)
			}
		}
		if order := pareto.Order(points); len(order) != len(points) || !slices.Equal(order[len(points)-len(c.Tail):], c.Tail) {
			t.Errorf("case %d: order %v", i, order)
		}
	}
	if seen < 4 {
		t.Fatalf("%d cases, want at least 4", seen)
	}
}
