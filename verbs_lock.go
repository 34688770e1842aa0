package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"runspec/compiler"
	"runspec/compiler/plan"
	"runspec/runtime/lease"
	"runspec/runtime/machine"

	run "runspec/runtime"
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

func (f *flags) lockCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lock SPEC.cue",
		Short: "Write the spec's lock: digests of its data, folds, networks and plan, and its seeds",
		Long: `lock writes SPEC.lock.json beside the spec, as a run does: what the spec comes to
with its data. Kept with the spec it says later, and elsewhere, whether that is
still so: with --locked a run is refused where it is not, with --frozen the lock
is believed and data are not read to make it again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(f.set) > 0 {
				return errors.New("--set makes another spec, which has no lock")
			}
			p, err := f.compile(cmd, args[0], false)
			if err != nil {
				return err
			}
			now, err := run.Locked(p, f.tags)
			if err != nil {
				return err
			}
			path := plan.LockPath(args[0])
			written, err := putLock(path, now)
			if err == nil && written {
				fmt.Fprintln(cmd.OutOrStdout(), "written:", path)
			} else if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), "unchanged:", path)
			}
			return err
		},
	}
}

// sources are what a compilation may know of data: from the lock alone, or from
// the data and, where they are not at hand, from the lock.
func (f *flags) sources(cmd *cobra.Command, lock plan.Lock, offline bool) compiler.Sources {
	read := run.Sources(cmd.Context(), f.options, offline)
	return compiler.Sources{Data: func(source plan.Source, name string) (plan.Data, error) {
		if f.frozen {
			return lock.Data(source, name), nil
		}
		data, err := read(source, name)
		if err == nil && data.Fingerprint == nil {
			return lock.Data(source, name), nil
		}
		return data, err
	}}
}

// checkLock holds a plan to the spec's lock, where that is asked for.
func (f *flags) checkLock(path string, lock plan.Lock, p *plan.Plan) error {
	if !f.locked && !f.frozen {
		return nil
	}
	if lock.Version == "" {
		return fmt.Errorf("%w: there is no %s; make it with `runspec lock`", plan.ErrLock, path)
	}
	now, err := run.Locked(p, f.tags)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	changes, err := lock.Check(now)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case len(changes) > 0:
		return &plan.LockError{Path: path, Changes: changes}
	}
	return nil
}

// keepLock writes the lock of a spec that was run, to its end or until a signal
// came. With --set it was another spec, and a simulation has no data to lock. A
// folder that cannot be written to is no reason to fail.
func (f *flags) keepLock(spec string, p *plan.Plan, err error) error {
	if f.locked || f.frozen || isPlan(spec) || len(f.set) > 0 || p == nil || p.Simulation != nil || err != nil && !errors.Is(err, context.Canceled) {
		return nil
	}
	now, err := run.Locked(p, f.tags)
	if err != nil {
		return err
	}
	path := plan.LockPath(spec)
	if _, err := putLock(path, now); errors.Is(err, plan.ErrLock) || errors.Is(err, plan.ErrVersion) {
		return err
	} else if err != nil {
		f.options.Progress.Note("the lock is not written: %v", err)
	}
	return nil
}

// putLock puts an experiment into a lock, unless it says so already.
func putLock(path string, now plan.Locked) (written bool, err error) {
	lock, err := plan.ReadLock(path)
	if err != nil {
		return false, err
	}
	if changes, err := lock.Check(now); err == nil && len(changes) == 0 {
		return false, nil
	}
	lock.Put(now, machine.Program().Version)
	return true, lock.Write(path)
}
