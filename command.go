package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"runspec/compiler"
	"runspec/compiler/diag"
	"runspec/compiler/plan"
	"runspec/runtime/accelerator"
	"runspec/runtime/execute"
	"runspec/runtime/inspect"
	"runspec/runtime/journal"
	"runspec/runtime/progress"

	run "runspec/runtime"
)

// errMissing is a run that ended without a result of some approach.
var errMissing = errors.New("no training of an approach ended well")

// group makes a command of verbs alone one that shows its help, and refuses a verb
// that it has not.
func group(cmd *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(verbs...)
	var names []string
	for _, v := range verbs {
		names = append(names, v.Name())
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return fmt.Errorf("%s has no verb %q; it has %s", cmd.CommandPath(), args[0], strings.Join(names, ", "))
	}
	cmd.Args = cobra.ArbitraryArgs
	return cmd
}

// flags are what the commands share.
type flags struct {
	tags        map[string]string
	set         []string
	options     run.Options
	progress    string
	diagnostics string
	warmFrom    string
	locked      bool
	frozen      bool
}

// command is the whole command; its flags are left in f.
func command(f *flags) *cobra.Command {
	root := &cobra.Command{
		Use:   "runspec SPEC.cue",
		Short: "Compile and run declarative experiments in medical-image segmentation",
		Long: `runspec compiles an experiment spec (CUE) to a plan, trains nnU-Net's networks
under the searches that it describes, and prints a table against nnU-Net's
defaults. The same command run again continues where it was.`,
		Example: `  runspec experiments/quickstart.cue
  runspec experiments/hippocampus.cue -t profile=laptop --data ~/decathlon
  runspec plan experiments/hippocampus.cue`,
		Args:          cobra.MaximumNArgs(1),
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			_, err := diag.ParseFormat(f.diagnostics)
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return f.run(cmd, args[0])
		},
	}
	f.bind(root)
	root.AddCommand(f.runCommand())
	root.AddCommand(initCommand(), f.vetCommand(), fmtCommand(), f.planCommand(), f.spaceCommand(), f.diffCommand(), f.lockCommand())
	root.AddCommand(f.statusCommand(), lsCommand(), f.showCommand(), f.logsCommand(), f.explainCommand(), f.unlockCommand(), f.reportCommand())
	root.AddCommand(f.nnunetCommand())
	root.AddCommand(f.exportCommand(), f.importCommand())
	root.AddCommand(f.doctorCommand(), benchCommand(), versionCommand(), manCommand(), workerCommand(), devicesCommand())
	return root
}

// bind declares the flags; they hold for the root and every verb below it.
func (f *flags) bind(cmd *cobra.Command) {
	p := cmd.PersistentFlags()
	p.StringToStringVarP(&f.tags, "tag", "t", nil, "set a tag of the spec, such as profile=laptop")
	p.StringArrayVar(&f.set, "set", nil, "set a field of the spec, such as fidelity.max=100; once for each field")
	p.StringVar(&f.options.DataDir, "data", os.Getenv("RUNSPEC_DATA"), "folder where data sets lie already (also RUNSPEC_DATA)")
	p.StringVar(&f.options.CacheDir, "cache", os.Getenv("RUNSPEC_CACHE"), "folder of downloads and preprocessed cases (also RUNSPEC_CACHE)")
	p.StringVar(&f.options.RunDir, "run-dir", "", "folder of the run (default runs/NAME)")
	p.IntVar(&f.options.Workers, "workers", 0, "trainings at once (default one for each processor, or for each device)")
	p.Var((*engineFlag)(&f.options.Engine), "engine", "what trains: auto, cpu or xla (default the spec's)")
	p.Var((*devicesFlag)(&f.options.Devices), "devices", "numbers of the devices to train on, such as 0,1 (default all)")
	p.IntVar(&f.options.Threads, "threads", runtime.NumCPU(), "processors in all; changes no result")
	p.Var((*seconds)(&f.options.Limits.Timeout), "timeout", "time that one training may take, such as 2h (default the spec's)")
	p.Var((*size)(&f.options.Limits.Memory), "memory", "memory that one training's process may hold, such as 12GiB (default the spec's)")
	p.BoolVar(&f.options.ExtendBudget, "extend-budget", false, "go on in a run directory with more epochs, trials, rungs or folds")
	p.BoolVar(&f.options.WarmStart, "warm-start", false, "go on in a run directory with a larger space, or with more studies, baselines or data sets")
	p.StringVar(&f.warmFrom, "warm-start-from", "", "give studies of PriorBand and Pareto-Bayes what another run observed: its directory, or a CSV file with the columns dataset, epochs, dice, cost and the parameters")
	p.BoolVar(&f.options.RetryFailed, "retry-failed", false, "try failed trials again, though the searches have gone on without them")
	p.BoolVar(&f.options.Fresh, "fresh", false, "begin anew; the run directory that is there is moved aside")
	p.BoolVar(&f.locked, "locked", false, "refuse to go on where the spec's lock is missing or says otherwise")
	p.BoolVar(&f.frozen, "frozen", false, "as --locked, and believe the lock: read no data to check it")
	p.BoolVar(&f.options.Reuse, "reuse", false, "take trainings that another run has finished from the cache, and keep this run's there")
	p.StringVar(&f.diagnostics, "diagnostics", "text", "how mistakes in a spec are shown: text, or on the standard output json, github, sarif")
	p.StringVar(&f.progress, "progress", "auto", "auto, tty, plain, json (a stream of events) or none")
}

func (f *flags) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run SPEC.cue|PLAN.json",
		Short: "Compile, plan, execute what is missing, report",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
}

// compilation is what the flags say about compiling.
func (f *flags) compilation() compiler.Options {
	return compiler.Options{Tags: f.tags, Set: f.set}
}

// compile compiles a spec with what its data sets' files tell.
func (f *flags) compile(cmd *cobra.Command, path string, offline bool) (*plan.Plan, error) {
	f.options.SpecDir = filepath.Dir(path)
	lockPath := plan.LockPath(path)
	lock, err := plan.ReadLock(lockPath)
	if err != nil {
		return nil, err
	}
	o := f.compilation()
	o.Sources = f.sources(cmd, lock, offline)
	p, err := compiler.Compile(path, o)
	if err != nil {
		return nil, err
	}
	return p, f.checkLock(lockPath, lock, p)
}

func (f *flags) run(cmd *cobra.Command, path string) error {
	mode, err := f.mode()
	if err != nil {
		return err
	}
	if shown, err := f.remain(cmd, path); shown || err != nil {
		return err
	}
	f.options.Progress = progress.New(mode, os.Stderr)
	f.options.Invocation = f.invocation(path)
	p, err := f.toRun(cmd, path)
	if err != nil {
		f.options.Progress.Close()
		return err
	}
	adopted, err := f.adopt(cmd, p)
	if err != nil {
		f.options.Progress.Close()
		return err
	}
	outcome, err := run.Run(cmd.Context(), adopted, f.options)
	err = errors.Join(err, f.keepLock(path, p, err))
	f.options.Progress.Close()
	if err != nil {
		return err
	}
	return show(cmd, outcome)
}

// adopt gives the plan what --warm-start-from names, and tells what was dropped.
func (f *flags) adopt(cmd *cobra.Command, p *plan.Plan) (*plan.Plan, error) {
	if f.warmFrom == "" {
		return p, nil
	}
	adopted, dropped, err := run.Adopt(p, f.warmFrom)
	if err != nil {
		return nil, err
	}
	for _, why := range dropped {
		fmt.Fprintf(cmd.ErrOrStderr(), "not taken over: %s\n", why)
	}
	return adopted, nil
}

// show prints the tables, then where everything is.
func show(cmd *cobra.Command, o run.Outcome) error {
	out := cmd.OutOrStdout()
	if err := o.Report.Terminal(out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nRun:     %s\nReport:  %s\nJournal: %s\n", o.RunDir, o.RunDir+"/report/report.md", o.RunDir+"/journal.jsonl")
	for _, e := range o.Failures {
		fmt.Fprintf(cmd.ErrOrStderr(), "failed: %s %s %s%s: %s\n", e.Dataset, e.Baseline+e.Study, e.Trial.ID, fold(e), reason(e, o.RunDir))
	}
	if len(o.Missing) > 0 {
		return fmt.Errorf("%w: %s", errMissing, strings.Join(o.Missing, ", "))
	}
	return nil
}

func fold(e journal.Event) string {
	if e.Fold == nil {
		return ""
	}
	return fmt.Sprintf(" fold %s", *e.Fold)
}

// reason says why a trial of a run directory failed, and what can be done.
func reason(e journal.Event, dir string) string {
	if execute.Cause(e.Cause).Final() {
		return e.Cause + ", the training diverged; it counts as a failed trial"
	}
	again := "--retry-failed tries it again"
	if e.Study == "" {
		again = "the same command tries it again"
	}
	if strings.Contains(dir, " ") {
		dir = strconv.Quote(dir)
	}
	return fmt.Sprintf("%s, attempt %d; `runspec logs %s --run-dir %s` tells more, %s", e.Cause, e.Attempt, inspect.Name(e), dir, again)
}

func (f *flags) mode() (progress.Mode, error) {
	switch f.progress {
	case "auto":
		if term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("CI") == "" {
			return progress.TTY, nil
		}
		return progress.Plain, nil
	case "tty", "plain", "json", "none":
		return progress.Mode(f.progress), nil
	}
	return "", fmt.Errorf("--progress %q is not known; use auto, tty, plain, json or none", f.progress)
}

// color says whether a stream takes colour.
func color(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
}

// engineFlag is a flag for a plan's engine.
type engineFlag plan.Engine

func (e *engineFlag) Set(text string) error {
	switch plan.Engine(text) {
	case plan.Auto, plan.CPU, plan.XLA:
		*e = engineFlag(text)
		return nil
	}
	return fmt.Errorf("there is no engine %q; choose auto, cpu or xla", text)
}

func (e *engineFlag) String() string { return string(*e) }

func (e *engineFlag) Type() string { return "engine" }

// devicesFlag is a flag for numbers of devices.
type devicesFlag []int

func (d *devicesFlag) Set(text string) error {
	if len(*d) > 0 { // said before
		text = d.String() + "," + text
	}
	list, err := accelerator.Numbers(text)
	*d = list
	return err
}

func (d *devicesFlag) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(*d)), " ", ","), "[]")
}

func (d *devicesFlag) Type() string { return "numbers" }

// seconds is a flag for a duration, size one for an amount of memory; both
// must be positive.
type (
	seconds float64
	size    int
)

func (s *seconds) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no duration; write one such as 90s or 2h", text)
	}
	*s = seconds(d.Seconds())
	return nil
}

func (s *seconds) String() string {
	if *s == 0 {
		return ""
	}
	return time.Duration(float64(*s) * float64(time.Second)).String()
}

func (s *seconds) Type() string { return "duration" }

func (b *size) Set(text string) error {
	n, err := plan.ParseSize(text)
	*b = size(n)
	return err
}

func (b *size) String() string {
	if *b == 0 {
		return ""
	}
	return fmt.Sprint(int(*b))
}

func (b *size) Type() string { return "size" }
