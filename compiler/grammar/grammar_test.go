package grammar

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"runspec/grammars"
)

// unet is the shipped grammar for a number of stages.
func unet(t testing.TB, stages int, c Confidence) Grammar {
	t.Helper()
	g, ds := Read("unet.hcl", grammars.UNet, Variables{"stages": stages, "confidence": string(c)})
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	return g
}

// recorded is a file of the authors' grammar for a number of stages.
type recorded struct {
	Stages      int `json:"n_stages"`
	Start       string
	Productions map[string][]struct {
		RHS   []string
		Prior float64
	}
	Most        int `json:"s_max"`
	Unreachable []string
	Terminals   []string
	Swappable   []string
	Likely      float64                             `json:"default_prior_probability"`
	Counted     string                              `json:"authors_grammar_count"`
	Miscounted  string                              `json:"authors_helper_count_comma_bug"`
	Logarithm   string                              `json:"log_prior_bug"`
	Default     string                              `json:"default_tree"`
	Trees       string                              `json:"derivable_trees_exact"`
	Counts      map[string]string                   `json:"counts_by_nonterminal"`
	Priors      map[Confidence]map[string][]float64 `json:"priors_by_confidence"`
	Uniform     []sample                            `json:"samples_uniform"`
	Prior       []sample                            `json:"samples_prior"`
	Children    []sample                            `json:"bananas_children_of_default"`
	Crossed     []map[string]any                    `json:"crossover_examples"` // c1 and c2 are false where the authors gave up
	Drawn       struct {
		N              int
		Start, Encoder map[string]int
	} `json:"freq_start_production_prior_sampling"`
	Unchanged struct {
		N         int
		P         float64
		Swappable int `json:"swappable_nodes_in_default"`
	} `json:"bananas_p_unchanged"`
}

type sample struct {
	Tree string
	P    float64 `json:"prior_p"`
}

func goldens(t *testing.T, each func(*testing.T, recorded)) {
	files, _ := filepath.Glob(filepath.FromSlash("../../../shared/reference/search/4_grammar/grammar_n*.json"))
	if len(files) == 0 {
		t.Skip("the recorded grammars of Auto-nnU-Net (shared/reference/search/4_grammar) are not here")
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var r recorded
		strict := json.NewDecoder(bytes.NewReader(raw))
		strict.DisallowUnknownFields() // all of it is read
		if err := strict.Decode(&r); err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(f), func(t *testing.T) { each(t, r) })
	}
}

// TestAuthorsGrammar compares structure, counts, priors and the default tree;
// ours lacks only the productions that the authors' never reaches.
func TestAuthorsGrammar(t *testing.T) {
	goldens(t, func(t *testing.T, r recorded) {
		g := unet(t, r.Stages, Medium)
		if g.Count().String() != r.Trees || g.Default().String() != r.Default || g.Start != r.Start {
			t.Errorf("%v trees, default %v", g.Count(), g.Default())
		}
		if want := len(r.Productions) - len(r.Unreachable); len(g.Productions) != want {
			t.Errorf("%d productions, want %d", len(g.Productions), want)
		}
		if r.Counted != r.Trees || r.Most != 2 || math.Abs(g.Density(g.Default(), true)/r.Likely-1) > 0.005 {
			t.Errorf("the default has probability %v, want %v", g.Density(g.Default(), true), r.Likely)
		}
		if d := cmp.Diff(r.Terminals, g.Terminals()); d != "" {
			t.Error(d)
		}
		for _, p := range g.Productions {
			want := r.Productions[p.Symbol]
			if choice := len(p.Alternatives) > 1; choice != slices.Contains(r.Swappable, p.Symbol) {
				t.Errorf("%s has a choice: %v", p.Symbol, choice)
			}
			if len(want) != len(p.Alternatives) || g.CountOf(p.Symbol).String() != r.Counts[p.Symbol] {
				t.Errorf("%s has %d alternatives and %v trees, want %d and %s", p.Symbol, len(p.Alternatives), g.CountOf(p.Symbol), len(want), r.Counts[p.Symbol])
				continue
			}
			for i, a := range p.Alternatives {
				if !slices.Equal(a.Symbols, want[i].RHS) {
					t.Errorf("%s: %v, want %v", p.Symbol, a.Symbols, want[i].RHS)
				}
			}
		}
		for c, priors := range r.Priors {
			for _, p := range unet(t, r.Stages, c).Productions {
				for i, a := range p.Alternatives {
					if want := priors[p.Symbol][i]; math.Abs(a.Probability-want) > 1e-4 {
						t.Errorf("%s %s: %v, want %v", c, p.Symbol, a.Probability, want)
					}
				}
			}
		}
	})
}

// TestAuthorsTrees reads the recorded trees, prints them back and compares
// their probability, to what the authors' coarse integrals allow.
func TestAuthorsTrees(t *testing.T) {
	goldens(t, func(t *testing.T, r recorded) {
		g := unet(t, r.Stages, Medium)
		for _, s := range slices.Concat(r.Uniform, r.Prior, r.Children) {
			d, err := g.Parse(s.Tree)
			if err != nil || d.String() != s.Tree {
				t.Errorf("%s comes back as %s: %v", s.Tree, d, err)
				continue
			}
			if p := g.Density(d, true); math.Abs(p/s.P-1) > 0.005 {
				t.Errorf("%s has probability %v, want %v", s.Tree, p, s.P)
			}
		}
	})
}

// TestAuthorsCrossings makes each recorded crossing among our own, from the same
// parents. Where the authors gave up, after 50 tries, so may we.
func TestAuthorsCrossings(t *testing.T) {
	goldens(t, func(t *testing.T, r recorded) {
		g, rng := unet(t, r.Stages, Medium), rand.New(rand.NewPCG(3, 4))
		parse := func(x any) Derivation {
			text, _ := x.(string)
			d, err := g.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		crossed := 0
		for _, c := range r.Crossed {
			a, b := parse(c["p1"]), parse(c["p2"])
			if _, ok := c["c1"].(string); !ok {
				continue
			}
			x, y := parse(c["c1"]), parse(c["c2"])
			found := false
			for range 2000 {
				p, q, ok := g.CrossOver(rng, a, b)
				found = found || ok && p.Equal(x) && q.Equal(y)
			}
			if !found {
				t.Errorf("%v and %v never give %v and %v", a, b, x, y)
			}
			crossed++
		}
		if crossed == 0 {
			t.Error("no crossing is recorded")
		}
	})
}

// TestAuthorsStructure reads the authors' grammar as their code holds it: its
// symbols, parted by blanks, some with a comma that their counting takes for a
// part of the name, so that it counts a symbol as a terminal.
func TestAuthorsStructure(t *testing.T) {
	files, _ := filepath.Glob(filepath.FromSlash("../../../shared/reference/nnunet/hnas/grammar_n*.json"))
	if len(files) == 0 {
		t.Skip("the recorded grammars of Auto-nnU-Net (shared/reference/nnunet/hnas) are not here")
	}
	for _, f := range files {
		var r struct {
			Stages     int        `json:"n_stages"`
			Most       int        `json:"s_max"`
			Confidence Confidence `json:"prior_confidence"`
			Structure  map[string][]string
			Prior      map[string][]float64
			Size       string `json:"search_space_size"`
			Default    string
		}
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		strict := json.NewDecoder(bytes.NewReader(raw))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&r); err != nil {
			t.Fatal(err)
		}
		g := unet(t, r.Stages, r.Confidence)
		theirs := Grammar{Name: f, Start: "S"}
		for symbol, alternatives := range r.Structure {
			p, reached := g.Production(symbol)
			q := Production{Symbol: symbol}
			for i, text := range alternatives {
				symbols := strings.Fields(strings.ReplaceAll(text, ",", " "))
				q.Alternatives = append(q.Alternatives, Alternative{Symbols: strings.Fields(text)})
				if reached && (!slices.Equal(p.Alternatives[i].Symbols, symbols) || math.Abs(p.Alternatives[i].Probability-r.Prior[symbol][i]) > 1e-4) {
					t.Errorf("%s: %v, want %v with %v", symbol, p.Alternatives[i], symbols, r.Prior[symbol][i])
				}
			}
			if reached && len(p.Alternatives) != len(alternatives) {
				t.Errorf("%s has %d alternatives, want %d", symbol, len(p.Alternatives), len(alternatives))
			}
			theirs.Productions = append(theirs.Productions, q)
		}
		if have := theirs.Count().String(); have != r.Size {
			t.Errorf("%s: counted as the authors do %s, want %s", f, have, r.Size)
		}
		if have := g.Default().String(); have != r.Default {
			t.Errorf("default %s, want %s", have, r.Default)
		}
	}
}

// TestAuthorsFrequencies compares draws and mutations with the recorded
// frequencies, within four standard errors of the two counts.
func TestAuthorsFrequencies(t *testing.T) {
	goldens(t, func(t *testing.T, r recorded) {
		g, rng := unet(t, r.Stages, Medium), rand.New(rand.NewPCG(1, 2))
		have := map[string]int{}
		for range r.Drawn.N {
			d := g.Sample(rng, true)
			have[d.Children[1].Symbol]++
			have[d.Children[1].Children[0].Symbol]++
		}
		near := func(what string, n, total int, p float64) {
			q := float64(n) / float64(total)
			if se := math.Sqrt(2 * p * (1 - p) / float64(total)); math.Abs(q-p) > 4*se+1e-9 {
				t.Errorf("%s: %.4f, want %.4f ± %.4f", what, q, p, 4*se)
			}
		}
		for _, counts := range []map[string]int{r.Drawn.Start, r.Drawn.Encoder} {
			for symbol, n := range counts {
				near(symbol, have[symbol], r.Drawn.N, float64(n)/float64(r.Drawn.N))
			}
		}
		same, d := 0, g.Default()
		if n := len(g.Trees().start.swappable(d)); n != r.Unchanged.Swappable {
			t.Errorf("%d nodes with a choice, want %d", n, r.Unchanged.Swappable)
		}
		for range r.Unchanged.N {
			m := g.Mutate(rng, d)
			if _, err := g.Parse(m.String()); err != nil {
				t.Fatal(err)
			}
			if m.Equal(d) {
				same++
			}
		}
		near("unchanged", same, r.Unchanged.N, r.Unchanged.P)
	})
}

// TestLaws holds for any number of stages and needs no recorded file.
func TestLaws(t *testing.T) {
	for stages := 2; stages <= 9; stages++ {
		g, rng := unet(t, stages, Low), rand.New(rand.NewPCG(uint64(stages), 0))
		for i := range 200 {
			a, b := g.Sample(rng, i%2 == 0), g.Sample(rng, false)
			for _, text := range []string{a.String(), strings.Join(a.Lines(), "\n")} {
				back, err := g.Parse(text)
				if err != nil || !back.Equal(a) {
					t.Fatal(text, back, err)
				}
			}
			text := a.String()
			c, d, _ := g.CrossOver(rng, a, b)
			for _, x := range []Derivation{c, d, g.Mutate(rng, a)} {
				if _, err := g.Parse(x.String()); err != nil {
					t.Fatal(x, err)
				}
			}
			if a.String() != text {
				t.Fatal("a change changed its origin")
			}
		}
		raw, err := json.Marshal(g)
		var again Grammar
		if err != nil || json.Unmarshal(raw, &again) != nil || !again.Equal(g) {
			t.Fatal("JSON and back differ", err)
		}
	}
}

// TestPipelines is a grammar of something else: its trees are enumerated.
func TestPipelines(t *testing.T) {
	g, ds := Read("pipeline.hcl", []byte(pipelines), nil)
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	if n := g.Count().Int64(); n != 9 { // (1 + 2) scalers x (1 + 2) models
		t.Errorf("%d trees", n)
	}
	if d := g.Default().String(); d != "(pipeline (scaler none) then (model tree (depth 2)))" {
		t.Error(d)
	}
	total, rng := 0.0, rand.New(rand.NewPCG(5, 6))
	seen := map[string]bool{}
	for range 2000 {
		d := g.Sample(rng, false)
		if text := d.String(); !seen[text] {
			seen[text] = true
			total += g.Density(d, true)
		}
	}
	if len(seen) != 9 || math.Abs(total-1) > 1e-12 {
		t.Errorf("%d trees of probability %v: %v", len(seen), total, seen)
	}
}

const pipelines = `grammar "pipeline" {
  start     = "pipeline"
  terminals = ["none", "then", "linear", "tree", "centre", "rank", "2", "8"]
  production "pipeline" {
    alternatives = [["scaler", "then", "model"]]
  }
  production "scaler" {
    alternatives = ["none", "centre", "rank"]
    weights      = [0.5, 0.3, 0.2]
  }
  production "model" {
    alternatives = ["linear", ["tree", "depth"]]
    default      = ["tree", "depth"]
    prior        = "high"
  }
  production "depth" { alternatives = ["2", "8"] }
}
`

func TestParseRejects(t *testing.T) {
	g, _ := Read("pipeline.hcl", []byte(pipelines), nil)
	for _, text := range []string{
		"", "pipeline", "(pipeline", ")", "(scaler none)", "(pipeline (scaler none) then)", "(pipeline (scaler none) then (model linear)) x",
		"(pipeline scaler then (model linear))", "(pipeline (scaler nine) then (model linear))", "(x)", "((", "(pipeline (pipeline (pipeline (pipeline (pipeline (pipeline",
		"(pipeline (scaler (none)) then (model linear))", "(pipeline () then (model linear))",
	} {
		if d, err := g.Parse(text); err == nil {
			t.Errorf("%q passes as %v", text, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	g, ds := Read("unet.hcl", grammars.UNet, Variables{"stages": 4})
	if len(ds) > 0 {
		f.Fatal(ds)
	}
	f.Add(g.Default().String())
	f.Add("(S unet (2E")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := g.Parse(text)
		if err != nil {
			return
		}
		if again, err := g.Parse(d.String()); err != nil || !again.Equal(d) || g.Density(d, true) <= 0 {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(string(grammars.UNet), 3)
	f.Add(pipelines, 0)
	for _, m := range mistakes {
		f.Add(m.text, 2)
	}
	f.Fuzz(func(t *testing.T, text string, stages int) {
		g, ds := Read("g.hcl", []byte(text), Variables{"stages": stages % 10})
		if len(ds) > 0 {
			for _, d := range ds {
				if d.Detail == "" || d.Code == "" {
					t.Fatal(d)
				}
			}
			return
		}
		if _, err := g.Parse(g.Default().String()); err != nil || g.Count().Sign() <= 0 {
			t.Fatal(err)
		}
	})
}
