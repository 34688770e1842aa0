package runtime

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/progress"
	"runspec/runtime/provenance"
)

// eventsFile is the stream of events of all invocations, in the run directory.
// It is for programs that watch; the journal is the truth.
const eventsFile = "events.jsonl"

// record begins what is kept of this invocation beside the journal: its events
// and its provenance. The function that it gives ends both, with what the run
// has come to. Neither stops a run that can't write it: people are told. Check
// says whether the directory is still ours.
func record(ctx context.Context, p *plan.Plan, o Options, on placement, check func() error) (end func(Outcome, error)) {
	events, err := progress.OpenEvents(filepath.Join(o.RunDir, eventsFile))
	if err != nil {
		o.Progress.Note("no stream of events is kept: %v", err)
	} else {
		o.Progress.Stream(events)
	}
	o.Invocation.Workers, o.Invocation.Threads, o.Invocation.Devices = o.Workers, o.Threads, on.String()
	origin := provenance.Begin(ctx, p, o.Invocation)
	if err := origin.Write(o.RunDir); err != nil {
		o.Progress.Note("%v", err)
	}
	return func(out Outcome, failed error) {
		e := summary(out, failed)
		o.Progress.Tell(e)
		if events != nil {
			events.Close()
		}
		now := time.Now().UTC()
		origin.End, origin.State, origin.Error = &now, e.State, e.Text
		if check() == nil {
			if err := origin.Write(o.RunDir); err != nil {
				o.Progress.Note("%v", err)
			}
		}
	}
}

// summary is the last event of a run.
func summary(out Outcome, err error) progress.Event {
	failures := len(out.Failures)
	e := progress.Event{Type: progress.Summary, State: "done", RunDir: out.RunDir, Failures: &failures}
	switch {
	case errors.Is(err, context.Canceled):
		e.State = "interrupted"
	case err != nil:
		e.State, e.Text = "error", err.Error()
	case failures > 0:
		e.State = "failed"
	}
	if err == nil {
		e.Report = filepath.ToSlash(filepath.Join(out.RunDir, "report", "report.json"))
	}
	return e
}
