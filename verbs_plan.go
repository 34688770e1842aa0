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

	run "runspec/runtime"
)

// Ends of a command that are told by the exit code alone.
var (
	errWork      = errors.New("there is work to do")
	errDifferent = errors.New("the plans differ")
)

func (f *flags) planCommand() *cobra.Command {
	var asJSON, detailed bool
	var out string
	cmd := &cobra.Command{
		Use:   "plan SPEC.cue|PLAN.json",
		Short: "Show what a spec would do: data sets, networks, trials, epochs, hours, and what is done already",
		Long: `plan compiles a spec and shows what a run would do, and what is left of it in the
run directory. It trains nothing and downloads nothing. Data that are not at
hand are known from the spec's lock, if there is one.`,
		Example: `  runspec plan experiments/hippocampus.cue -t profile=laptop
  runspec plan mine.cue --out mine.plan.json && runspec run mine.plan.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := f.toShow(cmd, args[0])
			if err != nil {
				return err
			}
			if err := run.Placeable(p, f.options); err != nil {
				return err
			}
			if out != "" {
				if err := plan.WriteSaved(out, plan.Saved{Spec: args[0], Tags: f.tags, Set: f.set, Plan: p}); err != nil {
					return err
				}
			}
			look, err := run.Look(p, f.options)
			if err != nil {
				return err
			}
			if err := describe(cmd.OutOrStdout(), p, look, asJSON); err != nil {
				return err
			}
			if detailed && look.Todo {
				return errWork
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the plan itself, as canonical JSON")
	cmd.Flags().StringVar(&out, "out", "", "file to write the plan to, for `runspec run`")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 where there is work to do, with 0 where there is none")
	return cmd
}

func describe(w io.Writer, p *plan.Plan, look run.Outlook, asJSON bool) error {
	if asJSON {
		text, err := p.Canonical()
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\n", text)
		}
		return err
	}
	if err := p.Describe(w); err != nil {
		return err
	}
	return look.Write(w)
}

// isPlan says whether a path is a plan's file, by its name.
func isPlan(path string) bool { return strings.HasSuffix(path, ".json") }

// toShow gives the plan of a spec, of a plan's file, also of one that can no
// longer be run, or of a run directory.
func (f *flags) toShow(cmd *cobra.Command, path string) (*plan.Plan, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "plan.json")
	}
	if !isPlan(path) {
		return f.compile(cmd, path, true)
	}
	s, err := plan.Load(path)
	if errors.Is(err, plan.ErrVersion) || errors.Is(err, plan.ErrStale) {
		fmt.Fprintln(cmd.ErrOrStderr(), "runspec:", err)
		err = nil
	}
	return s.Plan, err
}

// toRun gives the plan of a spec, or of a plan's file, if spec and data still
// give the same.
func (f *flags) toRun(cmd *cobra.Command, path string) (*plan.Plan, error) {
	if !isPlan(path) {
		return f.compile(cmd, path, false)
	}
	if len(f.tags)+len(f.set) > 0 {
		return nil, errors.New("-t and --set change a spec; a plan is run as it is")
	}
	s, err := plan.Load(path)
	if err != nil {
		return nil, err
	}
	now, err := f.again(cmd, s)
	if err != nil {
		return nil, err
	}
	if changes := plan.Unlearnt(plan.Diff(s.Plan, now)); len(changes) > 0 {
		return nil, &plan.StaleError{Path: path, Spec: s.Spec, Changes: changes}
	}
	return now, nil
}

// again makes a saved plan once more: from its spec, or, where that is not
// here, from the plan itself with its data read again.
func (f *flags) again(cmd *cobra.Command, s plan.Saved) (*plan.Plan, error) {
	if _, err := os.Stat(s.Spec); err == nil {
		f.tags, f.set = s.Tags, s.Set
		return f.compile(cmd, s.Spec, false)
	}
	if s.Spec != "" {
		f.options.SpecDir = filepath.Dir(s.Spec)
		f.options.Progress.Note("the plan's spec, %s, is not here; the plan is run as it is", s.Spec)
	}
	path := plan.LockPath(s.Spec)
	lock, err := plan.ReadLock(path)
	if err != nil {
		return nil, err
	}
	p := *s.Plan
	p.Datasets = append([]plan.Dataset{}, p.Datasets...)
	sources := f.sources(cmd, lock, false)
	for i := range p.Datasets {
		d := &p.Datasets[i]
		data, err := sources.Data(d.Source, d.Name)
		if err != nil {
			return nil, fmt.Errorf("data set %s: %w", d.Name, err)
		}
		d.Digest, d.Description, d.Fingerprint = data.Digest, data.Description, data.Fingerprint
	}
	return &p, f.checkLock(path, lock, &p)
}

func (f *flags) diffCommand() *cobra.Command {
	var asJSON, detailed bool
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show what differs between two experiments, and what it means for trials that are there",
		Long: `diff compares specs, plans' files or run directories by what they mean. Each
difference is of a class: "cosmetic" changes no trial; "budget" is more of the
same; "space" draws other configurations, while the old ones stay observations;
"incompatible" would make the trials that are there mean something else.`,
		Example: `  runspec diff mine.cue runs/mine
  runspec diff old.cue new.cue --json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := f.toShow(cmd, args[0])
			if err != nil {
				return err
			}
			b, err := f.toShow(cmd, args[1])
			if err != nil {
				return err
			}
			changes := plan.Unlearnt(plan.Diff(a, b))
			if err := writeChanges(cmd.OutOrStdout(), changes, asJSON); err != nil {
				return err
			}
			if detailed && len(changes) > 0 {
				return errDifferent
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the changes as JSON")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 where there is a difference")
	return cmd
}

func writeChanges(w io.Writer, changes []plan.Change, asJSON bool) error {
	if asJSON {
		out := struct {
			Version string        `json:"version"`
			Class   plan.Class    `json:"class,omitempty"`
			Changes []plan.Change `json:"changes"`
		}{Version: "runspec/diff/v1", Changes: append([]plan.Change{}, changes...)}
		if len(changes) > 0 {
			out.Class = plan.Worst(changes)
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(out)
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintln(w, "No difference.")
		return err
	}
	fmt.Fprintf(w, "%s; together %s (old → new):\n", plan.Summary(changes), plan.Worst(changes))
	return plan.WriteChanges(w, changes)
}
