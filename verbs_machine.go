package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"runspec/runtime/accelerator"
	"runspec/runtime/doctor"
	"runspec/runtime/execute"
	"runspec/runtime/machine"
	"runspec/runtime/provenance"

	run "runspec/runtime"
)

// errUnfit is a machine on which experiments will not work.
var errUnfit = errors.New("something is wrong with this machine or its folders; the lines that begin with error say what")

func workerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "worker JOB",
		Short:  "Run one frozen job file and leave its result beside it",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return execute.Work(cmd.Context(), args[0], cmd.OutOrStdout())
		},
	}
}

// devicesCommand is the other end of accelerator.Ask.
func devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "devices PLUGIN",
		Short:  "List the devices of an XLA plug-in",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := accelerator.List(args[0])
			if err != nil {
				return err
			}
			return accelerator.Write(cmd.OutOrStdout(), list)
		},
	}
}

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			b := machine.Program()
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), b)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "runspec %s %s %s/%s\n", b.Version, b.Go, b.OS, b.Arch)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print "+machine.BuildVersion+": commit, modules, formats")
	return cmd
}

func (f *flags) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at this machine as an experiment will: processor, memory, disks, data",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			places := doctor.Places{Runs: f.options.RunDir, Cache: f.options.CacheDir, Data: f.options.DataDir, Engine: f.options.Engine}
			places.Probe = func(path string) ([]accelerator.Device, error) { return run.Probe(cmd.Context(), path) }
			if places.Runs == "" {
				places.Runs = runs
			}
			if places.Cache == "" {
				places.Cache = run.DefaultCache()
			}
			r := doctor.Examine(places)
			write := r.Write
			if asJSON {
				write = func(w io.Writer) error { return writeJSON(w, r) }
			}
			if err := write(cmd.OutOrStdout()); err != nil {
				return err
			}
			if r.Worst() == doctor.Bad {
				return errUnfit
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print "+doctor.Version)
	return cmd
}

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages into a folder",
		Example: `  runspec man ~/.local/share/man/man1`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.InitDefaultCompletionCmd()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Title: "RUNSPEC", Section: "1", Source: "runspec " + machine.Program().Version, Manual: "runspec"}
			if t, err := time.Parse(time.RFC3339, machine.Program().Time); err == nil {
				header.Date = &t
			}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return err
			}
			pages, err := filepath.Glob(filepath.Join(args[0], "runspec*.1"))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d pages in %s\n", len(pages), args[0])
			return err
		},
	}
}

// invocation is how the program was called, for the record.
func (f *flags) invocation(spec string) provenance.Invocation {
	dir, _ := os.Getwd() // without it, it stays unknown
	return provenance.Invocation{Arguments: os.Args[1:], Directory: dir, Spec: spec, Tags: f.tags, Set: f.set}
}
