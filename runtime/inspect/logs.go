package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runspec/compiler/plan"
	"runspec/runtime/execute"
	"runspec/runtime/train"
)

// LogVersion is the format of a LogLine; fields are only added to it.
const LogVersion = "runspec/log/v1"

// LogLine is a line that a worker wrote, or an epoch that it completed.
type LogLine struct {
	Version string       `json:"version"`
	Type    string       `json:"type"` // "log", "epoch" or "end"
	Trial   string       `json:"trial"`
	Fold    plan.Fold    `json:"fold"`
	Text    string       `json:"text,omitempty"`
	Epoch   *train.Epoch `json:"epoch,omitempty"`
	State   State        `json:"state,omitempty"` // end

	places bool // the fold was not trained by the processor alone, so that each epoch names its place
}

// LogOptions says what Logs tells, and for how long.
type LogOptions struct {
	Follow bool          // go on while the trial runs
	Pause  time.Duration // between two looks; default 0.5 s
}

// Logs tells what the workers of a trial wrote and the epochs that they
// completed, fold by fold. It follows until the trial ends or nobody runs it.
func Logs(ctx context.Context, dir, name string, o LogOptions, tell func(LogLine) error) error {
	if o.Pause <= 0 {
		o.Pause = time.Second / 2
	}
	seen := map[plan.Fold]*reading{}
	for {
		r, err := Open(dir)
		if err != nil {
			return err
		}
		t, err := r.find(name)
		if err != nil {
			return err
		}
		over := t.state != Running
		if err := r.news(t, seen, over || !o.Follow, tell); err != nil {
			return err
		}
		if over || !o.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(o.Pause):
		}
	}
}

// reading is how far a fold's log and curve have been told.
type reading struct {
	offset int64
	epochs int
	ended  bool
}

// news tells what has come since the last look.
func (r *Run) news(t *trial, seen map[plan.Fold]*reading, last bool, tell func(LogLine) error) error {
	for _, k := range t.numbers() {
		line := LogLine{Version: LogVersion, Trial: t.name(), Fold: k}
		at := seen[k]
		if at == nil {
			at = &reading{}
			seen[k] = at
		}
		dir := r.folder(t, k)
		lines, err := at.log(filepath.Join(dir, execute.LogFile), last)
		if err != nil {
			return err
		}
		for _, text := range lines {
			l := line
			l.Type, l.Text = "log", text
			if err := tell(l); err != nil {
				return err
			}
		}
		p, err := train.ReadProgress(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		line.places = slices.ContainsFunc(p.Curve, func(e train.Epoch) bool { return e.Device != "" })
		for ; at.epochs < len(p.Curve); at.epochs++ {
			l := line
			l.Type, l.Epoch = "epoch", &p.Curve[at.epochs]
			if err := tell(l); err != nil {
				return err
			}
		}
		if state := t.folds[k].state; state != Running && !at.ended {
			at.ended = true
			l := line
			l.Type, l.State, l.Text = "end", state, r.failure(t, k)
			if err := tell(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// log reads the new lines of a log; the last counts once it ends, or at last.
func (at *reading) log(path string, last bool) ([]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Seek(at.offset, io.SeekStart); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	if end := strings.LastIndexByte(string(text), '\n') + 1; !last {
		text = text[:end]
	}
	at.offset += int64(len(text))
	if len(text) == 0 {
		return nil, nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
}

// Write writes the line for a person.
func (l LogLine) Write(w io.Writer) error {
	var text string
	switch {
	case l.Epoch != nil:
		e := l.Epoch
		text = fmt.Sprintf("epoch %d: rate %.3g, loss %s, validation loss %s, pseudo-Dice %s, %.1f s", e.Epoch+1, e.Rate,
			score(e.TrainLoss), score(e.ValidationLoss), score(e.EMA), e.Seconds)
		if l.places {
			text += " on " + place(e.Device)
		}
	case l.Type == "end":
		text = string(l.State)
		if l.Text != "" {
			text += ": " + l.Text
		}
	default:
		text = l.Text
	}
	_, err := fmt.Fprintf(w, "fold %s  %s\n", l.Fold, text)
	return err
}

// WriteJSON writes the line for a program.
func (l LogLine) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(l) }
