package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"runspec/runtime/lease"
)

func (f *flags) unlockCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "unlock [SPEC.cue | RUN]",
		Short: "Tell whose a run directory is, and free it if its owner is dead",
		Long: `unlock tells which process a run directory belongs to. That of a dead process is
freed, which the next run would do too. That of a living one is freed only with
--force: the process notices, and stops before it writes anything more.`,
		Example: `  runspec unlock runs/quickstart
  runspec unlock experiments/quickstart.cue --force`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := f.runDir(cmd, argument(args, 0))
			if err != nil {
				return err
			}
			return unlock(cmd, dir, force)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "free it although its owner is alive")
	return cmd
}

func unlock(cmd *cobra.Command, dir string, force bool) error {
	owner, held, err := lease.Unlock(dir, force)
	var living *lease.HeldError
	if errors.As(err, &living) {
		return fmt.Errorf("%w; --force frees it although its owner is alive", err)
	}
	if err != nil {
		return err
	}
	if !held {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is in use by nobody\n", dir)
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s was in use by %s since %s; it is free now\n", dir, owner.Process, owner.Since.Local().Format(time.DateTime))
	return err
}
