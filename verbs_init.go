package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"runspec/compiler"
)

func initCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Copy the language to where cue vet and editors look for it, and begin a spec",
		Long: `init copies the language to cue.mod/pkg of a folder's CUE module, so that cue vet
and the language server know what runspec has built in, and begins a spec where
there is none. Run it again after an update of runspec.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			done, err := compiler.Init(dir, force)
			if err != nil {
				return err
			}
			return list(cmd, done)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "overwrite files of the language that were changed")
	return cmd
}

// list prints what became of files, named from here where they lie below.
func list(cmd *cobra.Command, done []compiler.Written) error {
	here, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	for _, w := range done {
		path := w.Path
		if r, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(r) {
			path = r
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%-7s %s\n", w.Did, filepath.ToSlash(path)); err != nil {
			return err
		}
	}
	return nil
}
