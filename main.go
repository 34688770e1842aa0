// Command runspec compiles a declarative experiment spec (CUE) to a plan,
// executes the plan (nnU-Net's pipeline under a hyperparameter search) and
// prints comparison tables. This file turns flags into one call and an exit
// code; everything else is in compiler/ and runtime/.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"runspec/compiler/diag"
	"runspec/compiler/plan"
	"runspec/runtime/journal"
	"runspec/runtime/lease"

	run "runspec/runtime"
)

// Exit codes.
const (
	exitDone        = 0
	exitError       = 1   // an error in the spec, or any other
	exitWork        = 2   // only with --detailed-exitcode: work to do, or a difference
	exitFailures    = 3   // more trials failed than the plan bears, or all of an approach
	exitMismatch    = 4   // run directory, saved plan or lock are another plan's
	exitLocked      = 5   // another process runs in the run directory
	exitInterrupted = 130 // Ctrl-C; resumable
	exitTerminated  = 143 // SIGTERM; resumable
)

func main() { os.Exit(start()) }

func start() int {
	ctx, signalled, stop := untilSignal()
	defer stop()
	f := &flags{}
	err := command(f).ExecuteContext(ctx)
	if s := signalled(); s != nil {
		fmt.Fprintln(os.Stderr, "runspec: stopped; the same command continues where it was")
		return codeOf(s)
	}
	return report(err, f.diagnostics)
}

// codeOf is the exit code of a run that a signal stopped.
func codeOf(s os.Signal) int {
	if s == syscall.SIGTERM {
		return exitTerminated
	}
	return exitInterrupted
}

// untilSignal gives a context that the first Ctrl-C or TERM ends; the second
// kills the process. signalled tells which came.
func untilSignal() (ctx context.Context, signalled func() os.Signal, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	first, caught := make(chan os.Signal, 1), make(chan os.Signal, 2)
	signal.Notify(caught, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-caught
		first <- s
		cancel()
		<-caught
		os.Exit(codeOf(s))
	}()
	return ctx, func() os.Signal {
		select {
		case s := <-first:
			return s
		default:
			return nil
		}
	}, cancel
}

// report prints an error, diagnostics in the format of the given name, and
// chooses the exit code.
func report(err error, format string) int {
	if err == nil {
		return exitDone
	}
	var found diag.Diagnostics
	if errors.As(err, &found) {
		if err = diagnose(found, format); err == nil {
			return exitError
		}
	}
	if errors.Is(err, errWork) || errors.Is(err, errDifferent) {
		return exitWork
	}
	fmt.Fprintln(os.Stderr, "runspec:", err)
	switch {
	case errors.Is(err, run.ErrOtherPlan), errors.Is(err, plan.ErrStale), errors.Is(err, plan.ErrVersion), errors.Is(err, plan.ErrLock):
		return exitMismatch
	case errors.As(err, new(*lease.HeldError)), errors.Is(err, lease.ErrLost), errors.Is(err, journal.ErrLocked):
		return exitLocked
	case errors.Is(err, errMissing), errors.Is(err, run.ErrTooManyFailures):
		return exitFailures
	}
	return exitError
}

// diagnose writes diagnostics: for people to the standard error, for programs,
// which wait for nothing else, to the standard output.
func diagnose(found diag.Diagnostics, name string) error {
	format, err := diag.ParseFormat(name)
	switch {
	case err != nil:
		return err
	case format.Machine():
		dir, _ := os.Getwd() // without it, files are named in full
		return diag.Render(os.Stdout, found, format, diag.Options{Dir: dir})
	}
	return diag.Render(os.Stderr, found, format, diag.Options{Colour: color(os.Stderr)})
}
