package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestMSD runs the paper's spec on a machine that cannot begin it: every
// published cell is in the tables, our own results are missing, and what remains
// is listed.
func TestMSD(t *testing.T) {
	dir := t.TempDir()
	var f flags
	cmd := command(&f)
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"experiments/msd.cue", "--run-dir", dir + "/run", "--cache", dir + "/cache", "--data", dir})
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for table, cells := range publishedCells(t) {
		for _, c := range cells {
			if !strings.Contains(text, c) {
				t.Errorf("%s: %s is nowhere in the tables", table, c)
			}
		}
	}
	if trained := regexp.MustCompile(`(?m)^│ (nnU-Net|hpo)[^│]*│ +0\.`).FindString(text); trained != "" {
		t.Errorf("a result of ours without a training: %s", trained)
	}
	for _, want := range []string{"Nothing was begun here.", "--data DIR", "requires a GPU"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the output", want)
		}
	}
	left := regexp.MustCompile(`(?m)^  Dataset\d+_\w+ +\S.* 0 +0 +(\d+) +\d+$`).FindAllString(text, -1)
	if len(left) < 10*4 {
		t.Errorf("what remains has %d rows, of ten data sets with three baselines and their studies:\n%s", len(left), strings.Join(left, "\n"))
	}
}

// publishedCells are the published numbers as the tables print them.
func publishedCells(t *testing.T) map[string][]string {
	t.Helper()
	raw, err := os.ReadFile("runtime/report/published.json")
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Mean  map[string]map[string]float64                    `json:"validation_dsc_5fold"`
		Class map[string]map[string]map[string]float64         `json:"validation_dsc_per_class"`
		Test  map[string]map[string]struct{ Mean, SD float64 } `json:"test_dsc"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for d, row := range p.Mean {
		for _, v := range row {
			out["validation "+d] = append(out["validation "+d], fmt.Sprintf("%.4f", v/100))
		}
	}
	for d, classes := range p.Class {
		for _, row := range classes {
			for _, v := range row {
				out["classes of "+d] = append(out["classes of "+d], fmt.Sprintf("%.4f", v/100))
			}
		}
	}
	for d, row := range p.Test {
		for _, v := range row {
			out["test "+d] = append(out["test "+d], fmt.Sprintf("%.4f ± %.3f", v.Mean/100, v.SD/100))
		}
	}
	return out
}
