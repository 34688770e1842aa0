package inspect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"runspec/compiler/plan"
	"runspec/runtime/execute"
	"runspec/runtime/journal"
	"runspec/runtime/search"
	"runspec/runtime/train"

	run "runspec/runtime"
)

// ExplanationVersion is the format of an Explanation; fields are only added to it.
const ExplanationVersion = "runspec/explanation/v1"

// Explanation says of each fold of a trial which part of its key has changed
// since it was trained.
type Explanation struct {
	Version string     `json:"version"`
	Trial   string     `json:"trial"`
	Folds   []FoldKeys `json:"folds"`
}

// FoldKeys compares the keys of one fold.
type FoldKeys struct {
	Fold   plan.Fold `json:"fold"`
	State  State     `json:"state"`
	Stored string    `json:"stored,omitempty"` // key that it was trained under
	Now    string    `json:"now,omitempty"`    // key that it has now
	Same   []string  `json:"same,omitempty"`   // parts
	Diff   []Change  `json:"diff,omitempty"`
	Mixed  []string  `json:"mixed,omitempty"` // devices that trained it in turn, where not all of it is by the key's; "": the processor
	Why    string    `json:"why,omitempty"`   // there is nothing to compare
}

// Change is one value of a part.
type Change struct {
	Part string `json:"part"`
	Path string `json:"path"` // in the part, with dots
	Old  string `json:"old"`  // JSON; "" where there was none
	New  string `json:"new"`
}

// Explain compares the jobs that a trial's folds were trained by with those
// that a plan means now.
func (r *Run) Explain(name string, now *plan.Plan) (Explanation, error) {
	t, err := r.find(name)
	if err != nil {
		return Explanation{}, err
	}
	out := Explanation{Version: ExplanationVersion, Trial: t.name(), Folds: []FoldKeys{}}
	for _, k := range t.numbers() {
		one := FoldKeys{Fold: k, State: t.folds[k].state}
		if err := r.explain(&one, t, k, now); err != nil {
			return out, err
		}
		out.Folds = append(out.Folds, one)
	}
	return out, nil
}

func (r *Run) explain(one *FoldKeys, t *trial, k plan.Fold, now *plan.Plan) error {
	job, err := train.ReadJob(filepath.Join(r.folder(t, k), execute.JobFile))
	if errors.Is(err, os.ErrNotExist) {
		one.Why = "no job of it is stored"
		return nil
	}
	if err != nil {
		return err
	}
	old, err := job.Key()
	if err != nil {
		return err
	}
	one.Stored = old.Digest
	if p := r.progress(t, k); !(train.Result{Curve: p.Curve}).By(job.Code) {
		one.Mixed = run.Places(p.Curve)
	}
	stored, e := job, t.event
	job, err = run.Planned(now, e.Dataset, e.Baseline, e.Study, e.Trial.ID, k, r.before(t))
	if err != nil {
		one.Why = err.Error()
		return nil
	}
	key, err := job.On(stored).Key()
	if err != nil {
		return err
	}
	one.Now = key.Digest
	for i, part := range key.Parts {
		if was := old.Parts[i]; was.Digest == part.Digest {
			one.Same = append(one.Same, part.Name)
		} else {
			one.Diff = append(one.Diff, changes(part.Name, was.Value, part.Value)...)
		}
	}
	return nil
}

func named(devices []string) (out []string) {
	for _, d := range devices {
		out = append(out, place(d))
	}
	return out
}

// before is what was known of a trial's study when its configuration began.
func (r *Run) before(t *trial) []search.Observation {
	known := r.Events
	for i, e := range r.Events {
		if e.Dataset == t.event.Dataset && e.Study == t.event.Study && e.Trial.Number() == t.event.Trial.Number() {
			known = r.Events[:i]
			break
		}
	}
	return journal.History(known, t.event.Dataset, t.event.Study)
}

// changes are the values in which two parts differ.
func changes(part string, old, now json.RawMessage) []Change {
	a, b := leaves(old), leaves(now)
	paths := map[string]bool{}
	for p := range a {
		paths[p] = true
	}
	for p := range b {
		paths[p] = true
	}
	var out []Change
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if a[p] != b[p] {
			out = append(out, Change{part, p, a[p], b[p]})
		}
	}
	return out
}

// leaves gives the values of a JSON text that hold no others, by their path.
func leaves(text json.RawMessage) map[string]string {
	out := map[string]string{}
	var walk func(path string, raw json.RawMessage)
	walk = func(path string, raw json.RawMessage) {
		fields, elements := map[string]json.RawMessage{}, []json.RawMessage{}
		switch {
		case bytes.HasPrefix(raw, []byte("{")) && json.Unmarshal(raw, &fields) == nil:
			for name, v := range fields {
				walk(strings.TrimPrefix(path+"."+name, "."), v)
			}
		case bytes.HasPrefix(raw, []byte("[")) && json.Unmarshal(raw, &elements) == nil:
			for i, v := range elements {
				walk(path+"."+strconv.Itoa(i), v)
			}
		default:
			out[path] = string(raw)
		}
	}
	walk("", text)
	return out
}

// most is how many changes a person is shown of a part.
const most = 8

// Write writes the explanation for a person.
func (x Explanation) Write(w io.Writer) error {
	var b strings.Builder
	for _, f := range x.Folds {
		fmt.Fprintf(&b, "%s fold %s: %s, ", x.Trial, f.Fold, f.State)
		switch {
		case f.Why != "":
			fmt.Fprintf(&b, "nothing to compare: %s\n", f.Why)
			continue
		case f.Stored == f.Now && len(f.Mixed) > 0:
			fmt.Fprintf(&b, "its key is unchanged (%.19s), but it was trained on %s: a training now would give another result, and --reuse keeps none such\n", f.Now, strings.Join(named(f.Mixed), ", then on "))
			continue
		case f.Stored == f.Now:
			fmt.Fprintf(&b, "its key is unchanged (%.19s): a training now would give the same\n", f.Now)
			continue
		}
		fmt.Fprintf(&b, "its key has changed (%.19s → %.19s): a training now would give another result\n", f.Stored, f.Now)
		fmt.Fprintf(&b, "  same: %s\n", strings.Join(f.Same, ", "))
		shown := map[string]int{}
		for _, c := range f.Diff {
			if shown[c.Part]++; shown[c.Part] <= most {
				fmt.Fprintf(&b, "  changed: %s: %s: %s → %s\n", c.Part, c.Path, value(c.Old), value(c.New))
			}
		}
		for _, part := range slices.Sorted(maps.Keys(shown)) {
			if n := shown[part] - most; n > 0 {
				fmt.Fprintf(&b, "  changed: %s: %d values more\n", part, n)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// value prints a value of a change.
func value(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}
