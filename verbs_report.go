package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	run "runspec/runtime"
	comparison "runspec/runtime/report"
)

// reportCommand prints a run's tables again.
func (f *flags) reportCommand() *cobra.Command {
	var format, out string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "report SPEC.cue|DIR",
		Short: "Print a run's tables and statistics, also while it is under way",
		Long: `report makes the tables of a run from its plan and journal alone: it trains,
locks and changes nothing. It takes the run's folder, or the spec, whose folder
is runs/NAME unless --run-dir says otherwise.`,
		Example: `  runspec report experiments/quickstart.cue
  runspec report runs/quickstart --format tex > table.tex
  runspec report runs/quickstart --out report`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := f.runDir(cmd, args[0])
			if err != nil {
				return err
			}
			r, err := run.Report(dir)
			if err != nil {
				return err
			}
			if asJSON {
				format = "json"
			}
			write, err := rendering(r, format)
			if err != nil {
				return err
			}
			if err := write(cmd.OutOrStdout()); err != nil || out == "" {
				return err
			}
			paths, err := r.WriteAll(out)
			for _, path := range paths {
				fmt.Fprintln(cmd.ErrOrStderr(), "written:", path)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "terminal", "terminal, md, csv, json, tex or cases")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as --format json")
	cmd.MarkFlagsMutuallyExclusive("json", "format")
	cmd.Flags().StringVar(&out, "out", "", "folder to write report.md, report.csv, report.json, report.tex and cases.csv to as well")
	return cmd
}

// rendering chooses how a report is written.
func rendering(r comparison.Report, format string) (func(io.Writer) error, error) {
	switch format {
	case "terminal":
		return r.Terminal, nil
	case "md":
		return r.Markdown, nil
	case "csv":
		return r.CSV, nil
	case "json":
		return r.JSON, nil
	case "tex":
		return r.TeX, nil
	case "cases":
		return r.CasesCSV, nil
	}
	return nil, fmt.Errorf("--format %q is not known; use terminal, md, csv, json, tex or cases", format)
}
