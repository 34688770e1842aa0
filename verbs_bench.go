package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"runspec/compiler/plan"
	"runspec/runtime/search"
	"runspec/runtime/simulate"
)

// recordedOutcomes is where other tools' outcomes lie in a full checkout.
const recordedOutcomes = "../shared/reference/search/7_benchmark"

func benchCommand() *cobra.Command {
	return group(&cobra.Command{Use: "bench", Short: "Compare search methods where no training is needed"}, benchSearchCommand())
}

// benchFlags are what bench search is told.
type benchFlags struct {
	problem, optimizer, formula, recorded, count, compat string
	seeds, workers                                       int
	first                                                uint64
	budgets                                              []int
	without                                              []string
	sigma, shift                                         float64
	noDefault, noPrior, asJSON                           bool
}

func benchSearchCommand() *cobra.Command {
	var b benchFlags
	cmd := &cobra.Command{
		Use:   "search",
		Short: "Play a search method on a closed formula or a table, on a virtual clock",
		Long: `search plays a method on a black box: a formula of validation loss and hours of
a training, in the paper's spaces, or NAS-Bench-201 as a table. It prints the mean hypervolume of
the trials at full fidelity at each budget with its standard error, the share of
time in which workers were idle, and what other tools were recorded at, where
their outcomes are at hand, with z: how many standard errors of the difference
the method's mean lies above theirs. Everything it prints is simulated.`,
		Example: `  runspec bench search --benchmark formula-hpo --optimizer pareto_bayes
  runspec bench search --benchmark nb201 --optimizer random --seeds 20
  runspec bench search --optimizer hyperband --workers 8 --sigma 0.5
  runspec bench search --optimizer pareto_bayes --prior-shift 0.3 --formula mine.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	p := cmd.Flags()
	p.StringVar(&b.problem, "benchmark", simulate.FormulaHPO, "formula-hpo, formula-hpo-nas, formula-hpo-hnas or nb201")
	p.StringVar(&b.optimizer, "optimizer", string(plan.ParetoBayes), "a kind of optimizer, as a spec names it")
	p.StringVar(&b.compat, "compat", "", "authors: PriorBand ranks, weighs and waits as Auto-nnU-Net's optimiser does")
	p.IntVar(&b.seeds, "seeds", 100, "studies that are played")
	p.Uint64Var(&b.first, "first-seed", 0, "seed of the first study")
	p.IntSliceVar(&b.budgets, "budget", nil, "epochs at which the hypervolume is taken (default 6000,11000,22000; for nb201, evaluations: 20,50,100,200)")
	p.StringVar(&b.count, "count", string(plan.CountFull), "what a trial costs that continues: full or trained")
	p.IntVar(&b.workers, "workers", 1, "simulated workers")
	p.Float64Var(&b.sigma, "sigma", 0, "standard deviation of the logarithm of a trial's time, which is otherwise its epochs")
	p.StringVar(&b.formula, "formula", "", "file of the formula's constants (default: built in)")
	p.Float64Var(&b.shift, "prior-shift", 0, "share of each range by which defaults and priors are moved away; from 0.5 on choices too")
	p.BoolVar(&b.noDefault, "no-default", false, "do not begin with the default")
	p.BoolVar(&b.noPrior, "no-prior", false, "do not use the priors")
	p.StringSliceVar(&b.without, "without", nil, fmt.Sprintf("ablation: parts that %s goes without, of %v", plan.ParetoBayes, search.Parts()))
	p.StringVar(&b.recorded, "recorded", recordedOutcomes, "folder of other tools' recorded outcomes")
	p.BoolVar(&b.asJSON, "json", false, "print "+simulate.BenchVersion)
	return cmd
}

func (b benchFlags) run(cmd *cobra.Command) error {
	bench, err := b.bench()
	if err != nil {
		return err
	}
	o, err := bench.Run(cmd.Context())
	if err != nil {
		return err
	}
	if b.asJSON {
		return writeJSON(cmd.OutOrStdout(), o)
	}
	var recorded []simulate.Recorded
	if _, err := os.Stat(b.recorded); err == nil && b.formula == "" {
		var budgets []int
		for _, r := range o.Budgets {
			budgets = append(budgets, r.Epochs)
		}
		if recorded, err = simulate.ReadRecorded(b.recorded, bench.Problem, budgets); err != nil {
			return err
		}
	}
	return writeBench(cmd.OutOrStdout(), o, recorded)
}

func (b benchFlags) bench() (simulate.Bench, error) {
	var formula *simulate.Formula
	if b.formula != "" {
		f, err := simulate.ReadFormula(b.formula)
		if err != nil {
			return simulate.Bench{}, err
		}
		formula = &f
	}
	p, err := simulate.Open(b.problem, formula)
	if err != nil {
		return simulate.Bench{}, err
	}
	switch {
	case b.seeds < 1 || b.workers < 1 || b.sigma < 0 || b.shift < 0 || b.shift > 1:
		return simulate.Bench{}, fmt.Errorf("--seeds and --workers begin at 1, --sigma at 0, and --prior-shift lies between 0 and 1")
	case b.count != string(plan.CountFull) && b.count != string(plan.CountTrained):
		return simulate.Bench{}, fmt.Errorf("--count %q is not known; use full or trained", b.count)
	}
	if b.compat != "" && (b.compat != plan.CompatAuthors || !plan.OptimizerKind(b.optimizer).PriorBands()) {
		return simulate.Bench{}, fmt.Errorf("--compat is %q; it may be %q, with --optimizer %s or %s", b.compat, plan.CompatAuthors, plan.PriorBand, plan.RegularizedBand)
	}
	for i, epochs := range b.budgets {
		if epochs < p.Fidelity.Max || i > 0 && epochs <= b.budgets[i-1] {
			return simulate.Bench{}, fmt.Errorf("--budget must rise, and pay for one trial at %d epochs; %d does not", p.Fidelity.Max, epochs)
		}
	}
	prior := p.Name != simulate.NB201 // its cells have no default that anybody would believe in
	o := plan.Optimizer{Kind: plan.OptimizerKind(b.optimizer), Prior: prior && !b.noPrior, Default: prior && !b.noDefault, Compat: b.compat}
	var without []search.Part
	for _, part := range b.without {
		without = append(without, search.Part(part))
	}
	return simulate.Bench{
		Without: without,
		Problem: p.Shift(b.shift), Optimizer: o, Budgets: b.budgets, Count: plan.Counting(b.count),
		Seeds: b.seeds, First: b.first, Workers: b.workers, Sigma: b.sigma,
	}, nil
}

// writeBench prints the method's row above the recorded tools'.
func writeBench(w io.Writer, o simulate.Outcome, recorded []simulate.Recorded) error {
	fmt.Fprintf(w, "SIMULATED: hypervolume on %s, mean ± standard error over %d seeds from %d on\n", o.Problem, o.Seeds, o.First)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "epochs")
	for _, r := range o.Budgets {
		fmt.Fprintf(t, "\t%d", r.Epochs)
	}
	fmt.Fprintf(t, "\n%s", o.Optimizer)
	for _, part := range o.Without {
		fmt.Fprintf(t, " without %s", part)
	}
	for _, r := range o.Budgets {
		fmt.Fprintf(t, "\t%.4f ± %.4f", r.Mean, r.StandardError)
	}
	fmt.Fprint(t, "\n  mean - SE")
	for _, r := range o.Budgets {
		fmt.Fprintf(t, "\t%.4f", r.Mean-r.StandardError)
	}
	for _, r := range recorded {
		fmt.Fprintf(t, "\nrecorded: %s (%d seeds)", r.Tool, r.Seeds)
		for k, mean := range r.Means {
			if math.IsNaN(mean) {
				fmt.Fprint(t, "\t–")
				continue
			}
			fmt.Fprintf(t, "\t%.4f ± %.4f (z %+.1f)", mean, r.Errors[k], r.Z(k, o.Budgets[k]))
		}
	}
	fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%.0f trials a study, %.2f ms each to propose and play; %d simulated workers idle %.1f %% of their time\n", o.Trials, 1000*o.AskSeconds, o.Workers, 100*o.Idle)
	return err
}
