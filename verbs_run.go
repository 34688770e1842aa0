package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"runspec/compiler/plan"
	"runspec/runtime/inspect"
)

// runs is where runs lie unless --run-dir says otherwise.
const runs = "runs"

// runDir is the run directory that a command means: a folder, the run of a
// spec, --run-dir, or the only run below ./runs.
func (f *flags) runDir(cmd *cobra.Command, what string) (string, error) {
	if what == "" && f.options.RunDir != "" {
		return f.options.RunDir, nil
	}
	if what == "" {
		return onlyRun()
	}
	info, err := os.Stat(what)
	switch {
	case err == nil && info.IsDir():
		return what, nil
	case err == nil && strings.HasSuffix(what, ".cue"):
		p, err := f.compile(cmd, what, true)
		if err != nil || f.options.RunDir != "" {
			return f.options.RunDir, err
		}
		return filepath.Join(runs, p.Name), nil
	case err == nil:
		return "", fmt.Errorf("%s is neither a spec (SPEC.cue) nor a run directory", what)
	}
	return "", fmt.Errorf("%w; give a spec or a run directory", err)
}

// onlyRun is the run below ./runs, where there is just one.
func onlyRun() (string, error) {
	entries, _ := os.ReadDir(runs)
	var found []string
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(runs, e.Name(), "plan.json")); err == nil {
			found = append(found, filepath.Join(runs, e.Name()))
		}
	}
	switch len(found) {
	case 0:
		return "", errors.New("there is no run in ./runs; name one with --run-dir")
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("there are several runs: %s; say which with --run-dir", strings.Join(found, ", "))
}

// argument is the i-th argument, or "".
func argument(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

// writeJSON writes a value for a program.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(v)
}

func (f *flags) statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [SPEC.cue | RUN]",
		Short: "Show what of a run is done, running, failed and to do",
		Example: `  runspec status experiments/quickstart.cue
  runspec status runs/quickstart --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := f.runDir(cmd, argument(args, 0))
			if err != nil {
				return err
			}
			r, err := inspect.Open(dir)
			if err != nil {
				return err
			}
			s, err := r.Status()
			switch {
			case err != nil:
				return err
			case asJSON:
				return writeJSON(cmd.OutOrStdout(), s)
			}
			return s.Write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print "+inspect.StatusVersion)
	return cmd
}

func lsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls [DIR]",
		Short: "List the runs in a folder, ./runs unless said otherwise",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := argument(args, 0)
			if root == "" {
				root = runs
			}
			found, errs := inspect.List(root)
			all := []inspect.Status{}
			for _, r := range found {
				s, err := r.Status()
				if err != nil {
					errs = append(errs, err)
					continue
				}
				all = append(all, s)
			}
			err := errors.Join(errs...)
			switch {
			case asJSON:
				return errors.Join(writeJSON(cmd.OutOrStdout(), all), err)
			case len(all) == 0 && err == nil:
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "There is no run in %s.\n", root)
				return err
			}
			return errors.Join(inspect.WriteList(cmd.OutOrStdout(), all), err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a list of "+inspect.StatusVersion)
	return cmd
}

func (f *flags) showCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show TRIAL | PLAN.json",
		Short: "Show what a trial was and came to, or describe a plan",
		Example: `  runspec show halving-c0r2
  runspec show nnunet/Conv --run-dir runs/quickstart --json
  runspec show runs/quickstart/plan.json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.trials,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.HasSuffix(args[0], ".json") {
				return showPlan(cmd.OutOrStdout(), args[0], asJSON)
			}
			r, err := f.open(cmd)
			if err != nil {
				return err
			}
			t, err := r.Trial(args[0])
			switch {
			case err != nil:
				return err
			case asJSON:
				return writeJSON(cmd.OutOrStdout(), t)
			}
			return t.Write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print "+inspect.TrialVersion+", or the plan itself")
	return cmd
}

// showPlan describes a plan's file, also one that can no longer be run.
func showPlan(w io.Writer, path string, asJSON bool) error {
	s, err := plan.Load(path)
	if s.Plan == nil {
		return err
	}
	if asJSON {
		return errors.Join(writeJSON(w, s.Plan), tellStale(err))
	}
	return errors.Join(s.Plan.Describe(w), tellStale(err))
}

// tellStale turns what hinders running a plan into a note.
func tellStale(err error) error {
	if errors.Is(err, plan.ErrVersion) || errors.Is(err, plan.ErrStale) {
		fmt.Fprintln(os.Stderr, "runspec:", err)
		return nil
	}
	return err
}

func (f *flags) logsCommand() *cobra.Command {
	var o inspect.LogOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "logs [-f] TRIAL",
		Short: "Show what a trial's workers wrote, and its epochs",
		Example: `  runspec logs -f hpo-c3r1
  runspec logs Dataset004_Hippocampus/nnunet-Conv/default`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: f.trials,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := f.runDir(cmd, "")
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			return inspect.Logs(cmd.Context(), dir, args[0], o, func(l inspect.LogLine) error {
				if asJSON {
					return l.WriteJSON(out)
				}
				return l.Write(out)
			})
		},
	}
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on until the trial ends")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one "+inspect.LogVersion+" a line")
	return cmd
}

func (f *flags) explainCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain TRIAL [SPEC.cue | PLAN.json]",
		Short: "Show what has changed since a trial was trained: its data, settings, seed, or the code",
		Long: `explain compares what a trial's result follows from, as it was trained, with what
this program, and the spec or plan if one is given, would train now.`,
		Example: `  runspec explain hpo-c3r1
  runspec explain hpo-c3r1 mine.cue --run-dir runs/mine`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: f.trials,
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.open(cmd)
			if err != nil {
				return err
			}
			now := r.Plan
			switch what := argument(args, 1); {
			case strings.HasSuffix(what, ".json"):
				now, err = plan.Read(what)
			case what != "":
				now, err = f.compile(cmd, what, true)
			}
			if err != nil {
				return err
			}
			x, err := r.Explain(args[0], now)
			switch {
			case err != nil:
				return err
			case asJSON:
				return writeJSON(cmd.OutOrStdout(), x)
			}
			return x.Write(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print "+inspect.ExplanationVersion)
	return cmd
}

// open opens the run that a command about a trial means.
func (f *flags) open(cmd *cobra.Command) (*inspect.Run, error) {
	dir, err := f.runDir(cmd, "")
	if err != nil {
		return nil, err
	}
	return inspect.Open(dir)
}

// trials completes the names of trials.
func (f *flags) trials(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	r, err := f.open(cmd)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return r.Names(), cobra.ShellCompDirectiveNoFileComp
}
