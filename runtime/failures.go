package runtime

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/execute"
	"runspec/runtime/journal"
)

// ErrTooManyFailures is a run that has more failed trials than its plan bears.
var ErrTooManyFailures = errors.New("too many trials have failed")

// retries is what is known of the attempts at one training.
type retries struct {
	begun int                // all attempts, those that a stopped run cut short included
	spent map[plan.Cause]int // retries, by the cause of the failure before
	next  plan.Cause         // cause of the failure that the next attempt follows
	rest  time.Time          // the next attempt does not begin before
}

func (s *studies) retriesOf(key string) *retries {
	if s.retries[key] == nil {
		s.retries[key] = &retries{spent: map[plan.Cause]int{}}
	}
	return s.retries[key]
}

// begun takes in that an attempt began.
func (s *studies) begun(e journal.Event) {
	if e.Fold == nil {
		return
	}
	r := s.retriesOf(foldKey(e))
	r.begun++
	r.next, r.rest = "", time.Time{}
	if e.Cause != "" {
		r.spent[plan.Cause(e.Cause)]++
	}
}

// open says whether the same command tries a failed trial again. What the plan
// ends a run for is: its cause has to be mended first. So is what failed of the
// machine or its files and no search has reckoned with, a baseline. A failed
// trial of a study is final, for the study has gone on without it: later trials
// would not be the same if it came back (Options.RetryFailed).
func (s *studies) open(e journal.Event) bool {
	cause := plan.Cause(e.Cause)
	return s.plan.Failures.To(cause).Action == plan.AbortRun || e.Study == "" && !cause.Final()
}

// forgive gives a failed trial all its retries back.
func (s *studies) forgive(e journal.Event) {
	for key, r := range s.retries {
		if strings.HasPrefix(key, trialKey(e.Dataset, e.Baseline+e.Study, e.Trial.ID)+"\x00") {
			clear(r.spent)
		}
	}
}

// startEvent says how often a training was begun, and of which failure this is
// the retry.
func (s *studies) startEvent(t task) journal.Event {
	e, r := t.event(s.plan, journal.Start), s.retriesOf(s.key(t))
	e.Attempt, e.Cause = r.begun+1, string(r.next)
	return e
}

// resting says whether a training waits for its retry.
func (s *studies) resting(t task) bool {
	r := s.retries[s.key(t)]
	return r != nil && time.Now().Before(r.rest)
}

// untilRetry waits for the next retry that a worker is free for; it is nil where
// there is none.
func (s *studies) untilRetry(o Options, running map[string]bool) <-chan time.Time {
	var first time.Time
	if len(running) >= o.Workers || !s.owesRetries() {
		return nil
	}
	for _, t := range s.next() {
		r := s.retries[s.key(t)]
		if r != nil && r.next != "" && !running[s.key(t)] && (first.IsZero() || r.rest.Before(first)) {
			first = r.rest
		}
	}
	if first.IsZero() {
		return nil
	}
	return time.After(time.Until(first))
}

func (s *studies) owesRetries() bool {
	for _, r := range s.retries {
		if r.next != "" {
			return true
		}
	}
	return false
}

// react does what the plan says about a failure: the training is tried again,
// its trial fails, or the run ends.
func (s *studies) react(j *journal.Journal, o Options, e ended, f *execute.Failure) error {
	message := strings.TrimPrefix(f.Message, e.job.Name+": ")
	if f.Cause == execute.Disk {
		return fmt.Errorf("%w; make room, and run the same command again", f)
	}
	reaction, r := s.plan.Failures.To(f.Cause), s.retriesOf(s.key(e.task))
	if n := r.spent[f.Cause]; reaction.Action == plan.Retry && n < reaction.Retries {
		wait := backoff(reaction.Backoff, n)
		r.next, r.rest = f.Cause, time.Now().Add(wait)
		o.Progress.End(e.job.Name, fmt.Sprintf("%s; trying again%s (%d of %d)", message, after(wait), n+1, reaction.Retries))
		return nil
	}
	o.Progress.End(e.job.Name, "failed: "+message)
	event := e.task.event(s.plan, journal.Failure)
	event.Cause, event.Fold, event.Attempt = string(f.Cause), &e.task.fold, r.begun
	if err := s.append(j, event); err != nil {
		return err
	}
	if reaction.Action == plan.AbortRun {
		return f
	}
	return nil
}

// backoff doubles with each retry, to a minute or the first if that is longer.
func backoff(first float64, n int) time.Duration {
	s := min(first*math.Pow(2, float64(n)), max(first, 60))
	return time.Duration(s * float64(time.Second))
}

func after(wait time.Duration) string {
	if wait == 0 {
		return ""
	}
	return fmt.Sprintf(" in %v", wait)
}

// bearable is ErrTooManyFailures when more trials have failed than the plan
// bears.
func (s *studies) bearable() error {
	limit, n := s.plan.Failures.Max, len(s.failed)
	if limit == nil || n <= *limit {
		return nil
	}
	return fmt.Errorf("%w: %d, and failures.max is %d; `runspec logs TRIAL` tells more of each", ErrTooManyFailures, n, *limit)
}
