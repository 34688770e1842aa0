package plan

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Cause says why a training ended without a result.
type Cause string

// The causes that a spec can react to.
const (
	OOM       Cause = "oom"       // out of memory: beyond the limit, or ended by the system for want of it
	NaN       Cause = "nan"       // it diverged: a loss or gradient is not finite
	Timeout   Cause = "timeout"   // it took longer than the limit
	Crash     Cause = "crash"     // any other error, or an end without a word
	Preempted Cause = "preempted" // somebody else asked the worker to stop
	BadData   Cause = "data"      // a case cannot be read or is not what it was
)

// Causes are all causes, in the order of Failures' fields.
var Causes = []Cause{OOM, NaN, Timeout, Crash, Preempted, BadData}

// Final says whether the same training would fail of the cause again. What
// failed of the machine or its files may not.
func (c Cause) Final() bool { return c == NaN }

// Action says what becomes of a training that failed.
type Action string

// The actions.
const (
	Retry     Action = "retry"      // it goes on from its checkpoint, so often; then its trial fails
	FailTrial Action = "fail-trial" // its trial fails; the others go on
	AbortRun  Action = "abort-run"  // the run ends
)

// Reaction is what follows a failure of one cause.
type Reaction struct {
	Action  Action  `json:"action"`
	Retries int     `json:"retries"` // of one training for this cause; Retry alone
	Backoff float64 `json:"backoff"` // seconds before the first retry; doubles with each
}

// Failures says what follows failed trainings. It changes no training that
// ends well.
type Failures struct {
	Max       *int     `json:"max,omitempty"` // failed trials beyond which the run ends; nil: no bound
	OOM       Reaction `json:"oom"`
	NaN       Reaction `json:"nan"`
	Timeout   Reaction `json:"timeout"`
	Crash     Reaction `json:"crash"`
	Preempted Reaction `json:"preempted"`
	Data      Reaction `json:"data"`
}

// To is the reaction to a cause; causes that a spec does not know end a trial.
func (f *Failures) To(c Cause) *Reaction {
	switch c {
	case OOM:
		return &f.OOM
	case NaN:
		return &f.NaN
	case Timeout:
		return &f.Timeout
	case Crash:
		return &f.Crash
	case Preempted:
		return &f.Preempted
	case BadData:
		return &f.Data
	}
	return &Reaction{Action: FailTrial}
}

// Limits bound what one training may take. Zero is no bound.
type Limits struct {
	Timeout float64 `json:"timeout,omitempty"` // seconds of one attempt
	Memory  int     `json:"memory,omitempty"`  // bytes resident in its worker
}

// units of memory, by suffix.
var units = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
}

// ParseSize reads an amount of memory, such as "800MB" or "12GiB", in bytes.
func ParseSize(text string) (int, error) {
	for _, u := range units {
		number, found := strings.CutSuffix(text, u.suffix)
		if !found {
			continue
		}
		x, err := strconv.ParseFloat(number, 64)
		if b := math.Round(x * u.bytes); err == nil && b >= 1 && b < 1<<62 {
			return int(b), nil
		}
	}
	return 0, fmt.Errorf("%q is no amount of memory; write one such as 800MB or 12GiB", text)
}
