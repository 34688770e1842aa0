package progress

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/evaluate"
)

// UI is the version of the event stream. Minor versions only add types and
// fields, so a reader skips what it does not know.
const UI = "1.0"

// EventType says what an event tells.
type EventType string

// The events, in the order in which they come. Every invocation writes a stream
// of its own, which begins with Version; events.jsonl has one after the other.
const (
	Version    EventType = "version"     // ui
	Preparing  EventType = "preparing"   // what, done, total, unit: before training
	Planned    EventType = "plan"        // experiment, plan, runDir, done and total epochs
	TrialStart EventType = "trial_start" // a training begins, or goes on: dataset, approach, trial, rung, fold, epochs
	Epoch      EventType = "epoch"       // the same, and epoch (from 1), loss, validationLoss, dice, seconds
	FoldEnd    EventType = "fold_end"    // a training ended well: dice, seconds
	TrialEnd   EventType = "trial_end"   // a trial has ended well on all its folds: dice, seconds (means)
	Failure    EventType = "failure"     // a training ended without a result: cause, attempt
	Note       EventType = "note"        // text
	Summary    EventType = "summary"     // the last: state (done, failed, interrupted, error), failures, report, text
)

// Event is one line of the stream, JSON without line breaks. Fields that an
// event lacks are left out; a score that was not measured is null.
type Event struct {
	Type       EventType `json:"type"`
	Time       time.Time `json:"time"`
	UI         string    `json:"ui,omitempty"`
	Experiment string    `json:"experiment,omitempty"`
	Plan       string    `json:"plan,omitempty"` // digest
	RunDir     string    `json:"runDir,omitempty"`
	What       string    `json:"what,omitempty"`
	Unit       string    `json:"unit,omitempty"`
	Done       *int64    `json:"done,omitempty"`
	Total      *int64    `json:"total,omitempty"` // negative: unknown

	Dataset        string          `json:"dataset,omitempty"`
	Approach       string          `json:"approach,omitempty"` // baseline or study
	Trial          string          `json:"trial,omitempty"`
	Rung           *int            `json:"rung,omitempty"`
	Fold           *plan.Fold      `json:"fold,omitempty"`
	Epoch          int             `json:"epoch,omitempty"` // complete
	Epochs         int             `json:"epochs,omitempty"`
	Loss           *evaluate.Score `json:"loss,omitempty"`
	ValidationLoss *evaluate.Score `json:"validationLoss,omitempty"`
	Dice           *evaluate.Score `json:"dice,omitempty"`    // epoch: moving average of the pseudo-Dice; else of whole cases
	Seconds        float64         `json:"seconds,omitempty"` // measured
	Cause          string          `json:"cause,omitempty"`
	Attempt        int             `json:"attempt,omitempty"` // failure: that failed, from 1

	State    string `json:"state,omitempty"`
	Failures *int   `json:"failures,omitempty"`
	Report   string `json:"report,omitempty"`
	Text     string `json:"text,omitempty"`
}

// Stream writes all events from now on to w too, one a line, after a version
// event. A writer that fails hears no more: a stream never stops a run.
func (p *Progress) Stream(w io.Writer) {
	p.streaming.Lock()
	defer p.streaming.Unlock()
	p.streams = append(p.streams, w)
	p.write(len(p.streams)-1, Event{Type: Version, UI: UI})
}

// Tell writes an event to the streams. Its time is now.
func (p *Progress) Tell(e Event) {
	p.streaming.Lock()
	defer p.streaming.Unlock()
	for i := range p.streams {
		p.write(i, e)
	}
}

func (p *Progress) write(i int, e Event) {
	if p.streams[i] == nil {
		return
	}
	e.Time = p.now().UTC()
	text, err := json.Marshal(e)
	if err == nil {
		_, err = p.streams[i].Write(append(text, '\n'))
	}
	if err != nil {
		p.streams[i] = nil
	}
}

// OpenEvents opens a file of events to write at its end. A line that was cut off
// when its process died is ended, and so parted from the next.
func OpenEvents(path string) (io.WriteCloser, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size > 0 {
		var last [1]byte
		if _, err = f.ReadAt(last[:], size-1); err == nil && last[0] != '\n' {
			_, err = f.Write([]byte("\n"))
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
