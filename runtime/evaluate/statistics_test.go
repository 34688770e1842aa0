package evaluate

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// statistics is testdata/statistics.json, which statistics.py writes with SciPy.
type statistics struct {
	Wilcoxon []struct {
		Name  string
		D     []float64
		Zeros Zeros
		Exact bool
		P     float64
	}
	Intervals []struct {
		D, Means  []float64 // differences, and means of bootstrap samples
		Low, High float64   // of those samples
		Long      [2]float64
	}
	Friedman []struct {
		Scores       [][]float64
		Statistic, P float64
	}
	Holm []struct{ P, Adjusted []float64 }
}

func reference(t *testing.T) statistics {
	t.Helper()
	text, err := os.ReadFile("testdata/statistics.json")
	if err != nil {
		t.Fatal(err)
	}
	var r statistics
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Wilcoxon) == 0 || len(r.Intervals) == 0 || len(r.Friedman) == 0 || len(r.Holm) == 0 {
		t.Fatal("statistics.json lacks a part")
	}
	return r
}

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance*max(1, math.Abs(b)) }

func TestWilcoxonIsSciPys(t *testing.T) {
	for _, c := range reference(t).Wilcoxon {
		got := Wilcoxon(c.D, c.Zeros)
		if got.Exact != c.Exact || math.Abs(got.P-c.P) > 1e-10*c.P {
			t.Errorf("%s, zeros %s: P %v (exact: %v), want %v (%v)", c.Name, c.Zeros, got.P, got.Exact, c.P, c.Exact)
		}
	}
}

// Every assignment of signs to the ranks, one by one.
func TestWilcoxonCountsAllSigns(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		d := make([]float64, 1+random.IntN(9))
		for i := range d {
			d[i] = float64(random.IntN(9) - 4) // ties and zeros
		}
		for _, zeros := range []Zeros{DropZeros, RankZeros} {
			got := Wilcoxon(d, zeros)
			below, above, n := 0, 0, 1<<len(d)
			for signs := range n {
				flipped := slices.Clone(d)
				for i := range d {
					if signs>>i&1 == 1 {
						flipped[i] = -d[i]
					}
				}
				if plus := Wilcoxon(flipped, zeros).Plus; plus <= got.Plus {
					below++
				}
				if plus := Wilcoxon(flipped, zeros).Plus; plus >= got.Plus {
					above++
				}
			}
			if want := min(1, 2*float64(min(below, above))/float64(n)); !near(got.P, want, 1e-12) {
				t.Fatalf("%v, zeros %s: P %v, want %v", d, zeros, got.P, want)
			}
		}
	}
}

func TestExactAndNormalMeet(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		d := make([]float64, exactPairs)
		for i := range d {
			d[i] = random.NormFloat64() + 0.3
		}
		s := Wilcoxon(d, DropZeros)
		ranks := Ranks(d)
		if p := normalP(ranks, 0, s.Plus); math.Abs(p-s.P) > 0.005 { // the fourth moment that the normal distribution lacks
			t.Errorf("exact %v, normal %v", s.P, p)
		}
	}
}

func TestIntervalIsSciPys(t *testing.T) {
	for i, c := range reference(t).Intervals {
		low, high := interval(c.D, c.Means)
		if !near(low, c.Low, 1e-12) || !near(high, c.High, 1e-12) {
			t.Errorf("%d: [%v, %v], want [%v, %v]", i, low, high, c.Low, c.High)
		}
		// Our own samples against 200,000 of SciPy's.
		own := ComparePairs(c.D)
		width := c.Long[1] - c.Long[0]
		if math.Abs(own.Low-c.Long[0]) > 0.04*width || math.Abs(own.High-c.Long[1]) > 0.04*width {
			t.Errorf("%d: [%v, %v], want nearly %v", i, own.Low, own.High, c.Long)
		}
	}
}

func TestIntervalOfEqualDifferences(t *testing.T) {
	c := ComparePairs(make([]float64, 8))
	if c.Ties != 8 || c.P != 1 || c.Mean != 0 || c.Low != 0 || c.High != 0 || c.Effect != 0 {
		t.Errorf("%+v", c)
	}
	c = ComparePairs([]float64{1, 1, 1, 1, 1, 1})
	if c.Wins != 6 || c.P != 2.0/64 || c.Low != 1 || c.High != 1 || c.Effect != 1 {
		t.Errorf("%+v", c)
	}
}

func TestFewPairsHaveNoP(t *testing.T) {
	for n := range FewestPairs + 2 {
		d := make([]float64, n)
		for i := range d {
			d[i] = 0.01 * float64(i+1)
		}
		c := ComparePairs(d)
		if enough := n >= FewestPairs; math.IsNaN(c.P) == enough || math.IsNaN(c.Low) == enough || c.Pairs != n || c.Wins != n {
			t.Errorf("%d pairs: %+v", n, c)
		}
	}
}

func TestFriedmanIsSciPys(t *testing.T) {
	for i, c := range reference(t).Friedman {
		if s, p := Friedman(c.Scores); !near(s, c.Statistic, 1e-10) || !near(p, c.P, 1e-10) {
			t.Errorf("%d: %v, P %v; want %v, %v", i, s, p, c.Statistic, c.P)
		}
	}
	if _, p := Friedman([][]float64{{1, 1, 1}, {2, 2, 2}}); p != 1 {
		t.Errorf("equal scores: P %v", p)
	}
	if _, p := Friedman([][]float64{{1, 2}, {2, 3}}); !math.IsNaN(p) {
		t.Errorf("two approaches: P %v", p)
	}
}

func TestHolm(t *testing.T) {
	for i, c := range reference(t).Holm {
		with := Holm(append([]float64{math.NaN()}, c.P...)) // a test not made counts for nothing
		for k, want := range c.Adjusted {
			if !near(with[k+1], want, 1e-12) {
				t.Errorf("%d: %v, want %v", i, with[1:], c.Adjusted)
			}
		}
		if !math.IsNaN(with[0]) {
			t.Errorf("%d: a missing P has become %v", i, with[0])
		}
	}
}

func TestSpread(t *testing.T) {
	s := SpreadOf([]float64{4, 1, 3, 2})
	if s != (Spread{4, 2.5, 1.75, 3.25, 1}) {
		t.Errorf("%+v", s)
	}
	if s := SpreadOf([]float64{7}); s.Median != 7 || s.Lower != 7 {
		t.Errorf("%+v", s)
	}
	if s := SpreadOf(nil); s.N != 0 || !math.IsNaN(s.Least) {
		t.Errorf("%+v", s)
	}
}
