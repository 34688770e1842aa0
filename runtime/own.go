package runtime

import (
	"context"
	"errors"

	"runspec/compiler/plan"
	"runspec/runtime/durable"
	"runspec/runtime/lease"
)

// own makes the run directory this process's alone, until release is called, and
// removes what killed processes have left there and in the cache. The context
// ends when the directory is lost to another process.
func own(ctx context.Context, o Options) (held *lease.Lease, run context.Context, release func() error, err error) {
	held, err = lease.Acquire(o.RunDir, lease.Options{})
	var other *lease.HeldError
	if errors.As(err, &other) {
		other.Dir = relative(o.RunDir)
		return nil, nil, nil, other
	}
	if err != nil {
		return nil, nil, nil, unwritable(err)
	}
	if held.Former != nil {
		o.Progress.Note("%s, which ran here before, has ended without a word; the run goes on from its journal", held.Former.Process)
	}
	sweep(o)
	run, stop := held.Context(ctx)
	return held, run, func() error {
		stop()
		sweep(o) // workers may have been killed
		return held.Release()
	}, nil
}

// sweep removes the temporary files of processes that are no more: trials lie
// four folders deep and validation below them, the cache's files two deep.
func sweep(o Options) {
	durable.Sweep(o.RunDir, 6)
	durable.Sweep(o.CacheDir, 2)
}

// lost puts the loss of the run directory in the place of what came of it.
func lost(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), lease.ErrLost) {
		return lease.ErrLost
	}
	return err
}

// limits are the plan's, but for those that the options give.
func (o Options) limits(p *plan.Plan) plan.Limits {
	l := p.Limits
	if o.Limits.Timeout > 0 {
		l.Timeout = o.Limits.Timeout
	}
	if o.Limits.Memory > 0 {
		l.Memory = o.Limits.Memory
	}
	return l
}
