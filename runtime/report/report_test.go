package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/evaluate"
	"runspec/runtime/internal/golden"
	"runspec/runtime/journal"
	"runspec/runtime/search"
)

var update = flag.Bool("update", false, "write testdata anew")

func example() (*plan.Plan, []journal.Event) {
	labels := func(names ...string) (out []nnunet.Label) {
		for i, n := range names {
			out = append(out, nnunet.Label{Name: n, Values: []int{i}})
		}
		return out
	}
	p := &plan.Plan{
		Name: "example", Folds: []plan.Fold{0, 1}, Cost: plan.CostMeasured,
		Datasets: []plan.Dataset{
			{Name: "Dataset004_Hippocampus", Published: "D04", Description: nnunet.Dataset{Labels: labels("background", "Anterior", "Posterior")}},
			{Name: "Dataset999_Phantom", Description: nnunet.Dataset{Labels: labels("background", "organ", "void"), Ignore: 2}},
		},
		Training:  plan.Training{ValidateWith: "final", Augmentation: "v2", Hyperparameters: plan.NNUNet},
		Baselines: []plan.Baseline{{Name: "nnunet/Conv", Planner: nnunet.ConvPlanner}, {Name: "nnunet/ResEncM", Planner: nnunet.ResEncMPlanner}},
		Studies:   []plan.Study{{Name: "hpo", Folds: []plan.Fold{0}, Rungs: []plan.Rung{{Epochs: 4, Trials: 3}, {Epochs: 40, Trials: 1}}}, {Name: "wide|hpo", Folds: []plan.Fold{0}, Rungs: []plan.Rung{{Epochs: 40, Trials: 2}}}},
		Report:    plan.Report{Against: "nnunet/Conv", Published: true},
	}
	fold := func(n plan.Fold, hours float64, epochs int, dice ...float64) journal.FoldResult {
		f := journal.FoldResult{Fold: n, Dice: map[string]evaluate.Score{}, Cost: journal.Cost{Hours: evaluate.Score(hours), Epochs: epochs, FLOPs: 2e15}}
		sum := 0.0
		for i, name := range []string{"Anterior", "Posterior"} {
			f.Dice[name] = evaluate.Score(dice[i])
			sum += dice[i] / 2
		}
		f.MeanDice = evaluate.Score(sum)
		for i, off := range []float64{-0.05, -0.01, 0.012, 0.02, 0.028} { // of the mean Dice, so that cases have it too
			c := journal.CaseResult{ID: fmt.Sprintf("case_%d%d", n, i), Dice: map[string]evaluate.Score{}}
			for name, mean := range f.Dice {
				c.Dice[name] = mean + evaluate.Score(off*2*hours)
			}
			f.Cases = append(f.Cases, c)
		}
		return f
	}
	result := func(iterations int, folds ...journal.FoldResult) *journal.TrialResult {
		return &journal.TrialResult{Objectives: []evaluate.Score{1 - folds[0].Dice["Anterior"]}, Folds: folds, Parameters: 351234, Features: 8, Iterations: iterations}
	}
	trial := func(study string, c string) search.Trial {
		return search.Trial{ID: study + "-" + c, Study: study, Key: c[:2], Epochs: 40,
			Configuration: space.Configuration{"initial_lr": space.Number(0.005), "optimizer": space.Text("SGD")}}
	}
	zero := plan.Fold(0)
	events := []journal.Event{
		{Kind: journal.Start, Baseline: "nnunet/Conv"},
		{Kind: journal.FoldDone, Baseline: "nnunet/Conv", Result: result(2000, fold(0, 0.5, 40, 0.85, 0.83))},
		{Kind: journal.Result, Baseline: "nnunet/Conv", Result: result(2000, fold(0, 0.5, 40, 0.85, 0.83), fold(1, 0.7, 40, 0.87, 0.84))},
		{Kind: journal.Start, Baseline: "nnunet/ResEncM"},
		{Kind: journal.Failure, Baseline: "nnunet/ResEncM", Fold: &zero, Cause: "the loss is not finite in epoch 3"},
		{Kind: journal.Result, Study: "hpo", Trial: trial("hpo", "c0r1"), Result: result(2000, fold(0, 0.5, 40, 0.85, 0.83))},
		{Kind: journal.Failure, Study: "hpo", Trial: trial("hpo", "c1r1"), Cause: "killed"},
		{Kind: journal.Result, Study: "hpo", Trial: trial("hpo", "c2r1"), Result: result(2000, fold(0, 0.5, 40, 0.88, 0.86))},
		{Kind: journal.FoldDone, Study: "hpo", Trial: trial("hpo", "c2r1"), Result: result(2000, fold(1, 0.75, 40, 0.87, 0.85))},
		{Kind: journal.Result, Study: "wide|hpo", Trial: trial("wide|hpo", "c0r1"), Result: result(2000, fold(0, 12.34, 40, 0.9, math.NaN()), fold(3, 1, 40, 0.1, 0.1))},
	}
	for i := range events {
		events[i].Sequence, events[i].Dataset = i+1, "Dataset004_Hippocampus"
	}
	return p, events
}

func build(t *testing.T, p *plan.Plan, events []journal.Event) Report {
	t.Helper()
	r, err := New(p, events)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRenderings(t *testing.T) {
	r := build(t, func() *plan.Plan { p, _ := example(); return p }(), func() []journal.Event { _, e := example(); return e }())
	for name, write := range map[string]func(io.Writer) error{
		"report.txt": r.Terminal, "report.md": r.Markdown, "report.csv": r.CSV, "report.json": r.JSON, "report.tex": r.TeX, "cases.csv": r.CasesCSV,
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("%s differs from %s; see go test -update:\n%s", name, path, b.String())
		}
	}
}

// cells of one row, by column.
func cells(t *testing.T, table Table, id string) map[string]Cell {
	t.Helper()
	for _, r := range table.Rows {
		if r.ID == id {
			if len(r.Cells) != len(table.Columns) {
				t.Fatalf("row %s has %d cells for %d columns", id, len(r.Cells), len(table.Columns))
			}
			out := map[string]Cell{}
			for i, c := range table.Columns {
				out[c.ID] = r.Cells[i]
			}
			return out
		}
	}
	t.Fatalf("no row %s", id)
	return nil
}

func TestNumbers(t *testing.T) {
	p, events := example()
	table := build(t, p, events).Tables[0]
	for id, want := range map[string]map[string]string{
		// (0.85, 0.87): sd with n-1 = 0.0141; means 0.84 and 0.855
		"nnunet/Conv":    {"dice/Anterior": "0.8600 ± 0.0141", "dice": "0.8475 ± 0.0106", "difference": "–", "folds": "2", "epochs": "40", "hours": "0.600", "parameters": "351234"},
		"nnunet/ResEncM": {"dice/Anterior": "–", "dice": "–", "difference": "–", "folds": "0 of 2", "epochs": "–", "hours": "–", "parameters": "–"},
		"hpo":            {"dice": "0.8650 ± 0.0071", "difference": "+0.0175", "folds": "2"},
		"wide|hpo":       {"dice/Anterior": "0.9000 ± –", "dice/Posterior": "–", "dice": "–", "difference": "–", "folds": "1 of 2", "hours": "12.3"},
		"Conv":           {"dice/Anterior": "0.8985", "dice/Posterior": "0.8823", "dice": "0.8904", "difference": "–", "folds": "5", "epochs": "1000", "hours": "1.69", "parameters": "–"},
		"HPO":            {"dice": "0.8937", "difference": "+0.0033", "epochs": "111", "hours": "0.210"},
		"HPO+NAS":        {"dice/Anterior": "0.9030", "dice": "0.8946", "difference": "+0.0042", "epochs": "1000", "hours": "3.00"},
	} {
		got := cells(t, table, id)
		for column, text := range want {
			if got[column].Text != text {
				t.Errorf("%s, %s: %q, want %q", id, column, got[column].Text, text)
			}
		}
	}
}

func TestNamesSayWhatWasTrained(t *testing.T) {
	p, events := example()
	want := []string{
		"nnU-Net default, 8 features, 2000 iterations", "nnU-Net ResEncM, failed",
		"hpo incumbent, 8 features, 2000 iterations", "wide|hpo incumbent, 8 features, 2000 iterations",
		"Published: nnU-Net default, 1000 epochs × 250 iterations",
	}
	tables := build(t, p, events).Tables
	for i, w := range want {
		if got := tables[0].Rows[i].Name; got != w {
			t.Errorf("row %d: %q, want %q", i, got, w)
		}
	}
	if got := tables[1].Rows[0].Name; got != "nnU-Net default, not trained" {
		t.Errorf("untrained: %q", got)
	}
	if got := tables[1].Rows[2].Name; got != "hpo, no incumbent" {
		t.Errorf("study without trials: %q", got)
	}
	if n := len(tables[1].Rows); n != 4 {
		t.Errorf("%d rows for a data set of which nothing was published, want 4", n)
	}
}

// A difference between trainings of different folds would be one of tasks.
func TestDifferenceNeedsEqualFolds(t *testing.T) {
	p, events := example()
	table := build(t, p, events[:2]).Tables[0] // the default has fold 0 alone
	if got := cells(t, table, "nnunet/Conv"); got["folds"].Text != "1 of 2" || got["dice"].Text != "0.8400 ± –" {
		t.Errorf("%+v", got)
	}
	table = build(t, p, append(events[:2:2], events[7], events[8])).Tables[0]
	if got := cells(t, table, "hpo")["difference"].Text; got != dash {
		t.Errorf("difference %s between folds 0, 1 and fold 0", got)
	}
}

func TestAFoldTrainedAgainCountsOnce(t *testing.T) {
	p, events := example()
	want := build(t, p, events)
	again := events[2]
	again.Sequence = len(events) + 1
	got := build(t, p, append(events, again))
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(got)
	if !bytes.Equal(a, b) {
		t.Error("a repeated result changes the tables")
	}
}

func TestModelCostHasItsColumn(t *testing.T) {
	p, events := example()
	p.Cost = plan.CostModel
	table := build(t, p, events).Tables[0]
	if got := cells(t, table, "nnunet/Conv")["pflop"].Text; got != "2.00" {
		t.Errorf("PFLOP %s", got)
	}
	cells(t, table, "HPO")
}

func TestRoundingLeavesNoNegativeZero(t *testing.T) {
	if c := signed(-0.00001); c.Text != "0.0000" || math.Signbit(*c.Value) {
		t.Errorf("%+v", c)
	}
}

func TestJournalOfAnotherPlan(t *testing.T) {
	p, events := example()
	for _, spoil := range []func(*journal.Event){
		func(e *journal.Event) { e.Dataset = "Dataset001_BrainTumour" },
		func(e *journal.Event) { e.Baseline = "nnunet/ResEncL" },
		func(e *journal.Event) { e.Study = "nas" },
	} {
		other := append([]journal.Event(nil), events...)
		spoil(&other[3])
		if _, err := New(p, other); err == nil || !strings.Contains(err.Error(), "event 4") {
			t.Errorf("error %v, want one on event 4", err)
		}
	}
}

// Each rendering shows the same numbers.
func TestRenderingsAgree(t *testing.T) {
	p, events := example()
	dir := filepath.Join(t.TempDir(), "run")
	paths, err := build(t, p, events).WriteAll(dir)
	if err != nil || len(paths) != 5 {
		t.Fatal(paths, err)
	}
	text := map[string]string{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text[filepath.Base(path)] = string(b)
	}
	var r Report
	if err := json.Unmarshal([]byte(text["report.json"]), &r); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(strings.NewReader(text["report.csv"])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var terminal bytes.Buffer
	if err := r.Terminal(&terminal); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, table := range r.all() {
		agree(t, table.grid(), terminal.String(), text["report.md"], text["report.tex"])
		if table.Statistics != nil {
			agree(t, table.Statistics.grid(), terminal.String(), text["report.md"], text["report.tex"])
		}
		for _, row := range table.Rows {
			n++
			numbers := table.values(row)
			for i, c := range records[0][4:] {
				if got, want := records[n][i+4], plain(numbers[c]); got != want {
					t.Errorf("%s, %s: %q in the CSV, %q in the JSON", row.Name, c, got, want)
				}
				delete(numbers, c)
			}
			if len(numbers) > 0 {
				t.Errorf("%s: %v are not in the CSV", row.Name, numbers)
			}
		}
	}
	if n+1 != len(records) {
		t.Errorf("%d records, want %d rows and a head", len(records), n)
	}
}

// agree looks for the lines of a grid in the terminal, Markdown and LaTeX.
func agree(t *testing.T, g grid, terminal, markdown, tex string) {
	t.Helper()
	if len(g.rows) == 0 {
		t.Error("an empty grid")
	}
	for _, l := range g.rows {
		numbers := l.texts[g.left:]
		if row := "| " + strings.Join(numbers, " | ") + " |\n"; !strings.Contains(markdown, row) {
			t.Errorf("%s: %s is not in the Markdown", l.texts[0], row)
		}
		if !strings.Contains(strings.Join(strings.Fields(terminal), " "), "│ "+strings.Join(numbers, " │ ")+" │") {
			t.Errorf("%s: %s is not in the terminal", l.texts[0], numbers)
		}
		var set []string
		for _, c := range numbers {
			set = append(set, figures(c))
		}
		if row := " & " + strings.Join(set, " & ") + ` \\` + "\n"; !strings.Contains(tex, row) {
			t.Errorf("%s: %s is not in the LaTeX", l.texts[0], row)
		}
	}
}

func TestPublishedNumbersAreTheAuthors(t *testing.T) {
	raw, err := os.ReadFile(golden.Shared(t, "reference/autonnunet/published_results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want published
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	got, err := readPublished()
	if err != nil {
		t.Fatal(err)
	}
	want.Source, want.Epochs = got.Source, got.Epochs
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(got)
	if !bytes.Equal(a, b) {
		t.Error("published.json differs from the reference")
	}
	raw, err = os.ReadFile(golden.Shared(t, "reference/autonnunet/incumbents.json"))
	if err != nil {
		t.Fatal(err)
	}
	var incumbents map[string]map[string]struct {
		Epochs float64 `json:"num_epochs"`
	}
	if err := json.Unmarshal(raw, &incumbents); err != nil {
		t.Fatal(err)
	}
	for dataset, studies := range incumbents {
		for study, key := range map[string]string{"hpo": "HPO", "hpo_nas": "HPO+NAS", "hpo_hnas": "HPO+HNAS"} {
			if e := int(math.RoundToEven(studies[study].Epochs)); e != got.Epochs[dataset][key] {
				t.Errorf("%s %s: %d epochs, want %d", dataset, key, got.Epochs[dataset][key], e)
			}
		}
	}
}

func TestReadOnlyDirectoryIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p, events := example()
	if _, err := build(t, p, events).WriteAll(filepath.Join(file, "report")); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names %s", err, file)
	}
}

// TestNamesSayWhatDiffersFromNNUNet changes a hyperparameter of the default.
func TestNamesSayWhatDiffersFromNNUNet(t *testing.T) {
	p, events := example()
	p.Training.Hyperparameters.Momentum, p.Training.Augmentation = 0.9, "none"
	r, err := New(p, events)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Tables[0].Rows[0].Name; got != "nnU-Net default but augmentation none, momentum 0.9, 8 features, 2000 iterations" {
		t.Errorf("row %q", got)
	}
}

// TestPlacesAreTold where a device had a part.
func TestPlacesAreTold(t *testing.T) {
	const device = "cuda NVIDIA H200 bf16"
	notes := func(devices func(e journal.Event, fold plan.Fold) []string) string {
		p, events := example()
		for _, e := range events {
			if e.Result != nil && e.Kind != journal.Import {
				for i := range e.Result.Folds {
					e.Result.Folds[i].Devices = devices(e, e.Result.Folds[i].Fold)
				}
			}
		}
		return strings.Join(build(t, p, events).Tables[0].Notes, "\n")
	}
	if have := notes(func(journal.Event, plan.Fold) []string { return nil }); strings.Contains(have, "trained on the processor") {
		t.Errorf("the processor alone: %s", have)
	}
	if have := notes(func(journal.Event, plan.Fold) []string { return []string{device} }); !strings.Contains(have, "\nAll trained on cuda NVIDIA H200 in bf16.\n") {
		t.Errorf("one device: %s", have)
	}
	have := notes(func(e journal.Event, fold plan.Fold) []string {
		switch {
		case e.Baseline == "nnunet/Conv" && fold == 1:
			return []string{device, ""}
		case e.Trial.ID == "hpo-c0r1":
			return []string{"cuda NVIDIA T4 fp16"}
		case e.Study == "hpo":
			return []string{device}
		}
		return nil
	})
	for _, want := range []string{
		"\nnnU-Net default trained on the processor and cuda NVIDIA H200 in bf16; its hours mix these.\n",
		"\nhpo trained on cuda NVIDIA H200 in bf16; its search hours mix in those on cuda NVIDIA T4 in fp16.\n",
	} {
		if !strings.Contains(have, want) {
			t.Errorf("%q is not in: %s", want, have)
		}
	}
}

// TestAnIncumbentsFailedFoldIsTold whichever of its folds ended last.
func TestAnIncumbentsFailedFoldIsTold(t *testing.T) {
	p, events := example()
	one := plan.Fold(1)
	for i, e := range events {
		if e.Kind == journal.FoldDone && e.Study == "hpo" {
			failure := journal.Event{Dataset: e.Dataset, Kind: journal.Failure, Study: "hpo", Trial: e.Trial, Fold: &one, Cause: "nan"}
			events[i] = failure
		}
	}
	r, err := New(p, events)
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(r.Tables[0].Notes, "\n"); !strings.Contains(notes, "hpo incumbent, 8 features, 2000 iterations failed on fold 1: nan.") {
		t.Error(notes)
	}
}

// The network of an incumbent that chose one is described, its derivation after
// it; a data set that has not been read has the derivation alone.
func TestAnIncumbentsNetworkIsDescribed(t *testing.T) {
	p, events := example()
	tree := "(S unet (2E res_encoder (ENORM batch_norm) (ENONLIN relu) (EDROPOUT dropout) (1REB 1b) down (2REB 3b)) (2D conv_decoder (DNORM instance_norm) (DNONLIN elu) (DDROPOUT no_dropout) up (1DB 4b)))"
	for i := range events {
		if events[i].Study == "hpo" {
			events[i].Trial.Configuration = space.Configuration{"architecture": space.Text(tree), "dropout_rate": space.Number(0.25), "initial_lr": space.Number(0.5)}
		}
	}
	note := func() string { return strings.Join(build(t, p, events).Tables[0].Notes, "\n") }
	if have := note(); !strings.Contains(have, "(architecture="+tree+", dropout_rate=0.25, initial_lr=0.5)") || strings.Contains(have, "'s network") {
		t.Error(have)
	}
	d := &p.Datasets[0]
	d.Description.Channels, d.Description.NumTraining, d.Configuration = []string{"MRI"}, 20, "3d_fullres"
	d.Fingerprint = &nnunet.Fingerprint{MedianRelativeSize: 1, Foreground: map[string]nnunet.Intensity{"0": {}}}
	for range 20 {
		d.Fingerprint.Spacings = append(d.Fingerprint.Spacings, [3]float64{1, 1, 1})
		d.Fingerprint.ShapesAfterCrop = append(d.Fingerprint.ShapesAfterCrop, [3]int{32, 32, 32})
	}
	p.Training.BaseFeatures = 8
	p.Studies[0].Planner = nnunet.ConvPlanner
	have := note()
	if !strings.Contains(have, "(dropout_rate=0.25, initial_lr=0.5)") ||
		!strings.Contains(have, "'s network: residual encoder: 2 stages of 8 16 features and 1 3 residual blocks, BatchNorm, ReLU, dropout 0.25; decoder: 4 convolutions, InstanceNorm, ELU; ") ||
		!strings.Contains(have, " parameters, patch 32×32×32, batch ") || !strings.Contains(have, "; derivation "+tree+".") {
		t.Error(have)
	}
}
