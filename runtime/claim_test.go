package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/journal"
	"runspec/runtime/search"
	"runspec/runtime/train"
)

// grown is smallPlan with a change.
func grown(change func(*plan.Plan)) *plan.Plan {
	p := smallPlan()
	change(p)
	return p
}

// table runs a plan to its end and returns its report as text.
func table(t *testing.T, p *plan.Plan, o Options) string {
	t.Helper()
	out, err := Run(context.Background(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(out.Report)
	if err != nil || len(out.Report.Tables) == 0 || len(text) < 100 {
		t.Fatalf("report %s, %v", text, err)
	}
	return string(text)
}

// budgets are ways to grow smallPlan after which a run that goes on gives the
// table of a run that had the larger budget from the beginning.
var budgets = map[string]func(*plan.Plan){
	"random: trials": func(p *plan.Plan) { p.Studies[1].Optimizer.Trials, p.Studies[1].Rungs[0].Trials = 5, 5 },
	"folds":          func(p *plan.Plan) { p.Folds = []plan.Fold{0, 1, 2} },
	"a study's folds": func(p *plan.Plan) {
		p.Studies[0].Folds, p.Studies[1].Folds = []plan.Fold{0, 1}, []plan.Fold{0, 1}
	},
	"random: epochs": func(p *plan.Plan) { p.Fidelity.Max, p.Studies[1].Rungs[0].Epochs = 6, 6 },
	"halving: a rung more": func(p *plan.Plan) {
		p.Fidelity.Max = 8
		p.Studies[0].Rungs = append(p.Studies[0].Rungs, plan.Rung{Epochs: 8, Trials: 1})
		p.Studies[1].Rungs[0].Epochs = 8
	},
	"halving: longer rungs": func(p *plan.Plan) {
		p.Studies[0].Rungs = []plan.Rung{{Epochs: 2, Trials: 4}, {Epochs: 3, Trials: 2}, {Epochs: 6, Trials: 1}}
	},
}

// TestExtendedBudget: the trainings themselves are the same too, as one that is
// trained on passes through the states of a longer one (train's tests; and
// testdata/script/extend.txtar, with real trainings).
func TestExtendedBudget(t *testing.T) {
	for name, change := range budgets {
		whole := table(t, grown(change), options(t, t.TempDir(), Options{}))
		dir := t.TempDir()
		table(t, smallPlan(), options(t, dir, Options{}))
		var refused *OtherPlanError
		_, err := Run(context.Background(), grown(change), options(t, dir, Options{WarmStart: true}))
		if !errors.As(err, &refused) || !errors.Is(err, ErrOtherPlan) || !strings.Contains(err.Error(), "--extend-budget") {
			t.Errorf("%s: without leave: %v", name, err)
		}
		if more := table(t, grown(change), options(t, dir, Options{ExtendBudget: true, Workers: 2})); more != whole {
			t.Errorf("%s: extended\n%s\nfrom the beginning\n%s", name, more, whole)
		}
		if again := table(t, grown(change), options(t, dir, Options{})); again != whole {
			t.Errorf("%s: the same command again\n%s", name, again)
		}
		kept, err := plan.Read(filepath.Join(dir, "plan.1.json"))
		if err != nil || len(plan.Diff(kept, smallPlan())) > 0 {
			t.Errorf("%s: the old plan: %v, %v", name, kept, err)
		}
	}
}

// TestExtendedInSteps grows the budget in several ways, in any order, and stops
// the runs in between anywhere: the last one gives the table of the whole.
func TestExtendedInSteps(t *testing.T) {
	ways := []string{"random: trials", "folds", "a study's folds", "random: epochs", "halving: longer rungs"}
	for seed := range uint64(4) {
		draw := rand.New(rand.NewPCG(seed, 1))
		steps := draw.Perm(len(ways))[:2+draw.IntN(len(ways)-1)]
		p, dir, names := smallPlan(), t.TempDir(), []string{}
		for _, step := range append([]int{-1}, steps...) {
			if step >= 0 {
				budgets[ways[step]](p)
				names = append(names, ways[step])
			}
			ctx, cancel := context.WithCancel(context.Background())
			left := draw.IntN(20)
			_, err := Run(ctx, p, options(t, dir, Options{ExtendBudget: true, Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
				if left--; left < 0 {
					cancel()
					return train.Result{}, ctx.Err()
				}
				return pretend(ctx, j, tell)
			}}))
			cancel()
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatalf("%d: %v: %v", seed, names, err)
			}
		}
		whole := table(t, p, options(t, t.TempDir(), Options{}))
		if extended := table(t, p, options(t, dir, Options{Workers: 2})); extended != whole {
			t.Errorf("%d: %v: extended\n%s\nfrom the beginning\n%s", seed, names, extended, whole)
		}
	}
}

// TestExtendedHalving documents what more trials of successive halving do: the
// lowest rung goes on with the same configurations; who climbs is decided anew.
// A trial that climbed earlier, and would not have under the larger budget, is
// kept, so the incumbent is at least as good as from the beginning.
func TestExtendedHalving(t *testing.T) {
	more := func(p *plan.Plan) {
		p.Studies[0].Optimizer.Trials = 8
		p.Studies[0].Rungs = []plan.Rung{{Epochs: 1, Trials: 8}, {Epochs: 2, Trials: 4}, {Epochs: 4, Trials: 2}}
	}
	whole, extended := t.TempDir(), t.TempDir()
	table(t, grown(more), options(t, whole, Options{}))
	table(t, smallPlan(), options(t, extended, Options{}))
	table(t, grown(more), options(t, extended, Options{ExtendBudget: true}))
	a, b := results(t, whole), results(t, extended)
	for id, o := range a {
		if p, ok := b[id]; !ok || p.Objectives[0] != o.Objectives[0] {
			t.Errorf("%s: %+v, extended %+v", id, o, p)
		}
	}
	best := func(all map[string]search.Observation) float64 {
		least := 2.0
		for _, o := range all {
			least = min(least, o.Objectives[0])
		}
		return least
	}
	if best(b) > best(a) {
		t.Errorf("incumbent %v, from the beginning %v", best(b), best(a))
	}
}

// results are the observations of smallPlan's halving study, by trial.
func results(t *testing.T, dir string) map[string]search.Observation {
	t.Helper()
	events, _, err := journal.Read(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]search.Observation{}
	for _, o := range journal.History(events, "Dataset900_Phantom", "halving") {
		out[o.ID] = o
	}
	return out
}

// TestExtendedHyperband: brackets learn nothing of one another, so whole
// brackets more leave the others as they are.
func TestExtendedHyperband(t *testing.T) {
	hyperband := func(p *plan.Plan) {
		s := &p.Studies[0]
		s.Optimizer = plan.Optimizer{Kind: plan.Hyperband, Trials: 4}
		s.Brackets = []plan.Bracket{{Rung: 0, Trials: []int{4, 2, 1}}}
	}
	more := func(p *plan.Plan) {
		hyperband(p)
		s := &p.Studies[0]
		s.Optimizer.Trials = 6
		s.Brackets = append(s.Brackets, plan.Bracket{Rung: 1, Trials: []int{2, 1}})
		s.Rungs = []plan.Rung{{Epochs: 1, Trials: 4}, {Epochs: 2, Trials: 4}, {Epochs: 4, Trials: 2}}
	}
	whole := table(t, grown(more), options(t, t.TempDir(), Options{}))
	dir := t.TempDir()
	table(t, grown(hyperband), options(t, dir, Options{}))
	if extended := table(t, grown(more), options(t, dir, Options{ExtendBudget: true})); extended != whole {
		t.Errorf("extended\n%s\nfrom the beginning\n%s", extended, whole)
	}
}

// TestLook: the outlook agrees with what a run then trains. Of an incumbent's
// training on further folds nobody knows beforehand how long it is, nor whether
// it has been done for another budget, so there are none here.
func TestLook(t *testing.T) {
	for name, change := range map[string]func(*plan.Plan){"nothing done": nil, "part done": budgets["random: trials"], "longer": budgets["random: epochs"]} {
		one := func(p *plan.Plan) { p.Folds = []plan.Fold{0} }
		dir, p := t.TempDir(), grown(one)
		if change != nil {
			table(t, p, options(t, dir, Options{}))
			p = grown(change)
			one(p)
		}
		trained, epochs := 0, 0
		o := options(t, dir, Options{ExtendBudget: true, Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
			trained++
			epochs += j.Epochs
			if j.Parent != "" {
				epochs -= j.Epochs / 2 // smallPlan's rungs double
			}
			return pretend(ctx, j, tell)
		}})
		before, err := Look(p, o)
		if err != nil {
			t.Fatal(err)
		}
		table(t, p, o)
		after, err := Look(p, o)
		if err != nil {
			t.Fatal(err)
		}
		left := 0
		for _, a := range before.Sets[0].Approaches {
			left += a.Epochs
		}
		if before.Left != trained || left != epochs || !before.Todo {
			t.Errorf("%s: %d trainings of %d epochs were foreseen (%+v), %d of %d came", name, before.Left, left, before.Sets, trained, epochs)
		}
		if after.Todo || after.Left != 0 {
			t.Errorf("%s: left after the run: %+v", name, after)
		}
	}
}

func TestCosmeticChangesGoOn(t *testing.T) {
	dir := t.TempDir()
	table(t, smallPlan(), options(t, dir, Options{}))
	trained := 0
	table(t, grown(func(p *plan.Plan) { p.Report.Against = ""; p.Name = "another" }), options(t, dir, Options{
		Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
			trained++
			return pretend(ctx, j, tell)
		}}))
	if trained > 0 {
		t.Errorf("%d trainings", trained)
	}
	if p, err := plan.Read(filepath.Join(dir, planFile)); err != nil || p.Name != "another" {
		t.Errorf("plan.json: %v, %v", p, err)
	}
}

// TestWarmStart: configurations of a larger space have numbers of their own, and
// the old ones' results are observations.
func TestWarmStart(t *testing.T) {
	larger := func(p *plan.Plan) {
		p.Studies[1].Space = space.Space{Parameters: slices.Clone(p.Studies[1].Space.Parameters)}
		p.Studies[1].Space.Parameters[0].High = 10
		p.Studies = append(p.Studies, plan.Study{Name: "third", Space: p.Studies[0].Space, Folds: []plan.Fold{0}, Seed: 7,
			Optimizer: plan.Optimizer{Kind: plan.RandomSearch, Trials: 1}, Rungs: []plan.Rung{{Epochs: 4, Trials: 1}}})
	}
	dir := t.TempDir()
	table(t, smallPlan(), options(t, dir, Options{}))
	if _, err := Run(context.Background(), grown(larger), options(t, dir, Options{ExtendBudget: true})); !errors.Is(err, ErrOtherPlan) || !strings.Contains(err.Error(), "--warm-start") {
		t.Fatal(err)
	}
	count := func() (trained []string) {
		table(t, grown(larger), options(t, dir, Options{WarmStart: true, Train: func(ctx context.Context, j train.Job, tell func(train.Epoch)) (train.Result, error) {
			trained = append(trained, filepath.Base(filepath.Dir(j.Directory)))
			return pretend(ctx, j, tell)
		}}))
		return trained
	}
	trained := count()
	for _, id := range []string{"random-c3r0", "random-c4r0", "random-c5r0", "third-c0r0"} {
		if !slices.Contains(trained, id) {
			t.Errorf("%s was not trained, but %v", id, trained)
		}
	}
	for _, id := range trained {
		if slices.Contains([]string{"random-c0r0", "random-c1r0", "random-c2r0"}, id) {
			i := slices.Index(trained, id)
			if i < 3 { // the incumbent of all is trained on the other fold, last
				t.Errorf("%s was trained again", id)
			}
		}
	}
	if again := count(); len(again) > 0 {
		t.Errorf("the same command again trained %v", again)
	}
	p, err := plan.Read(filepath.Join(dir, planFile))
	if err != nil || p.Studies[0].First != 0 || p.Studies[1].First != 3 || p.Studies[2].First != 0 {
		t.Errorf("%+v, %v", p.Studies, err)
	}
}

func TestFreshMovesAside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	first := table(t, smallPlan(), options(t, dir, Options{}))
	before, err := os.ReadFile(filepath.Join(dir, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	p := grown(func(p *plan.Plan) { p.Seed++ })
	if again := table(t, p, options(t, dir, Options{Fresh: true})); again == first {
		t.Error("another seed gave the same table")
	}
	if kept, err := os.ReadFile(filepath.Join(dir+".old-1", "journal.jsonl")); err != nil || string(kept) != string(before) {
		t.Errorf("the old journal: %v", err)
	}
	table(t, p, options(t, dir, Options{Fresh: true}))
	if _, err := os.Stat(dir + ".old-2"); err != nil {
		t.Error(err)
	}
}

// TestPrecisionIsHinted refuses another precision with what would go on.
func TestPrecisionIsHinted(t *testing.T) {
	dir := t.TempDir()
	table(t, smallPlan(), options(t, dir, Options{}))
	_, err := Run(context.Background(), grown(func(p *plan.Plan) { p.Training.Precision = "fp32" }), options(t, dir, Options{}))
	if !errors.Is(err, ErrOtherPlan) || !strings.Contains(err.Error(), "compared with none in another; without training.precision in the spec, as it was, these go on") {
		t.Error(err)
	}
	if got := restore([]byte(`"bf16"`)); !strings.Contains(got, "with `training: precision: \"bf16\"`, as it was") {
		t.Error(got)
	}
}

func TestHorizonIsHinted(t *testing.T) {
	dir := t.TempDir()
	table(t, smallPlan(), options(t, dir, Options{}))
	_, err := Run(context.Background(), grown(func(p *plan.Plan) { p.Fidelity.Max, p.Fidelity.Horizon, p.Studies[1].Rungs[0].Epochs = 6, 6, 6 }), options(t, dir, Options{ExtendBudget: true}))
	if !errors.Is(err, ErrOtherPlan) || !strings.Contains(err.Error(), "horizon: 4`") || !strings.Contains(err.Error(), "~ fidelity.horizon") {
		t.Error(err)
	}
}
