package space

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// TestPriors compares samples with the quantiles and probabilities of the
// priors of Auto-nnU-Net's optimiser, within four standard errors.
func TestPriors(t *testing.T) {
	raw, err := os.ReadFile("testdata/priors.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Numeric []struct {
			Name, Type    string
			Lower, Upper  float64
			Log           bool
			Default       float64
			Confidence    Confidence
			Quantiles     [][2]float64
			Probabilities []float64 `json:"pmf_by_rounding"`
		}
		Categorical []struct {
			Confidence    Confidence
			Default       int       `json:"default_index"`
			Probabilities []float64 `json:"p"`
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	const draws = 20000
	for _, g := range golden.Numeric {
		p := Parameter{Name: g.Name, Kind: Kind(g.Type), Low: g.Lower, High: g.Upper, Log: g.Log, Default: ptr(Number(g.Default)), Prior: g.Confidence}
		xs := make([]float64, draws)
		for i := range xs {
			xs[i], _ = p.sample(rng, true).Float()
		}
		share := func(in func(float64) bool) float64 {
			n := 0
			for _, x := range xs {
				if in(x) {
					n++
				}
			}
			return float64(n) / draws
		}
		for _, q := range g.Quantiles {
			near(t, g.Name+" "+string(g.Confidence)+" below "+strconv.FormatFloat(q[1], 'g', 4, 64), share(func(x float64) bool { return x <= q[1] }), q[0], draws)
		}
		for i, want := range g.Probabilities {
			near(t, g.Name+" "+string(g.Confidence)+" = "+strconv.Itoa(i), share(func(x float64) bool { return x == g.Lower+float64(i) }), want, draws)
		}
	}
	for _, g := range golden.Categorical {
		p := Parameter{Kind: Categorical, Prior: g.Confidence}
		for i := range g.Probabilities {
			p.Choices = append(p.Choices, Number(float64(i)))
		}
		p.Default = &p.Choices[g.Default]
		counts := make([]int, len(g.Probabilities))
		for range draws {
			x, _ := p.sample(rng, true).Float()
			counts[int(x)]++
		}
		for i, want := range g.Probabilities {
			near(t, "choice "+strconv.Itoa(i), float64(counts[i])/draws, want, draws)
		}
	}
	if len(golden.Numeric) < 25 || len(golden.Categorical) == 0 {
		t.Fatalf("golden file holds only %d and %d", len(golden.Numeric), len(golden.Categorical))
	}
}
