package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"runspec/compiler"
	"runspec/compiler/plan"
	"runspec/runtime/progress"
	comparison "runspec/runtime/report"

	run "runspec/runtime"
)

// remain shows an experiment that this machine cannot begin: the tables of what
// has been recorded, what remains, and how to run it. It is false where the
// machine has what the experiment requires.
func (f *flags) remain(cmd *cobra.Command, path string) (bool, error) {
	if isPlan(path) {
		return false, nil // asked for by name
	}
	p, err := compiler.Compile(path, f.compilation()) // reads no data
	if err != nil || !p.Requires.Any() {
		return false, nil // a spec's mistakes are told by the run
	}
	f.options.Progress = progress.New(progress.None, os.Stderr)
	if p, err = f.compile(cmd, path, true); err != nil {
		return false, err
	}
	lacking, err := run.Lacking(cmd.Context(), p, f.options)
	if err != nil || len(lacking) == 0 {
		return false, err
	}
	recorded := f.recorded(path, p)
	r, err := run.Recorded(p, recorded)
	if err != nil {
		return true, err
	}
	return true, f.showRemaining(cmd, path, p, r, recorded, lacking)
}

// recorded is the folder whose results count: the run directory, or where
// nothing has run the one that is committed beside the spec.
func (f *flags) recorded(path string, p *plan.Plan) string {
	dir := f.options.RunDir
	if dir == "" {
		dir = filepath.Join(runs, p.Name)
	}
	if beside := run.RecordedDir(path); !run.HasRun(dir) && run.HasRun(beside) {
		return beside
	}
	return dir
}

func (f *flags) showRemaining(cmd *cobra.Command, path string, p *plan.Plan, r comparison.Report, recorded string, lacking []string) error {
	out := cmd.OutOrStdout()
	if err := r.Terminal(out); err != nil {
		return err
	}
	o := f.options
	o.RunDir = recorded
	look, err := run.Look(p, o)
	if err != nil {
		return err
	}
	if err := look.Write(out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nNothing was begun here.\n  %s\nTo run it where that is at hand: runspec %s%s --data DIR\n", strings.Join(lacking, "\n  "), path, f.tagged())
	return nil
}

// tagged repeats the tags that were given.
func (f *flags) tagged() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(f.tags)) {
		fmt.Fprintf(&b, " -t %s=%s", k, f.tags[k])
	}
	return b.String()
}
