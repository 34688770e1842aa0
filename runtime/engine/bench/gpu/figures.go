package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"runspec/runtime/durable"
)

// Figure is one thing that was measured. Lacking says why it could not be.
type Figure struct {
	Values   map[string]float64 `json:"values,omitempty"` // by name and unit: "ms", "GB"
	Words    map[string]string  `json:"words,omitempty"`
	Lacking  string             `json:"lacking,omitempty"`
	When     time.Time          `json:"when"`
	Revision string             `json:"revision,omitempty"` // of the source that measured it
}

// figures are all that were measured in one setting, by name: "step/task04/ours".
type figures struct {
	path  string
	until time.Time // no figure is begun later; zero: no limit
	left  []string  // figures that were not begun, or cut short
	all   struct {
		setting
		Figures map[string]Figure `json:"figures"`
	}
}

func openFigures(path string) (*figures, error) {
	f := &figures{path: path}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &f.all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.all.Figures == nil {
		f.all.Figures = map[string]Figure{}
	}
	return f, nil
}

// about says what the figures are of; those of another setting are refused.
func (f *figures) about(s setting) error {
	if how := s.other(f.all.setting); how != "" {
		return fmt.Errorf("%s holds figures %s; choose another -work", f.path, how)
	}
	f.all.setting = s
	return f.save()
}

// once measures a figure unless it is there. What cannot be measured here is
// kept as lacking, and tried again by the next call; what there is no more time
// for, and what is cut short, is left as it was.
func (f *figures) once(ctx context.Context, name string, measure func() (Figure, error)) error {
	if old, ok := f.all.Figures[name]; ok && old.Lacking == "" {
		return nil
	}
	if ctx.Err() != nil || !f.until.IsZero() && time.Now().After(f.until) {
		f.left = append(f.left, name)
		return nil
	}
	fig, err := measure()
	if err != nil && ctx.Err() != nil {
		f.left = append(f.left, name)
		return fmt.Errorf("%s was cut short: %w", name, err)
	}
	if err != nil {
		fig = Figure{Lacking: err.Error()}
	}
	fig.When, fig.Revision = time.Now().UTC(), revision()
	f.all.Figures[name] = fig
	fmt.Fprintf(os.Stderr, "  %s: %s\n", name, fig)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return errors.Join(err, f.save())
}

func (f *figures) save() error {
	text, err := json.MarshalIndent(f.all, "", " ")
	if err != nil {
		return err
	}
	return durable.Write(f.path, append(text, '\n'))
}

// value is a figure's number; false where it is not known.
func (f *figures) value(name, unit string) (float64, bool) {
	v, ok := f.all.Figures[name].Values[unit]
	return v, ok
}

func (f Figure) String() string {
	if f.Lacking != "" {
		return "lacking: " + f.Lacking
	}
	var out string
	for _, k := range sorted(f.Values) {
		out += fmt.Sprintf("%s %.4g  ", k, f.Values[k])
	}
	for _, k := range sorted(f.Words) {
		out += fmt.Sprintf("%s %s  ", k, f.Words[k])
	}
	return out
}

func sorted[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// timed measures something n times after once that does not count, and gives the
// median in seconds.
func timed(n int, what func() error) (float64, error) {
	if err := what(); err != nil {
		return 0, err
	}
	var times []float64
	for range n {
		began := time.Now()
		if err := what(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(began).Seconds())
	}
	return median(times), nil
}

// median of a list that is not empty.
func median(xs []float64) float64 {
	xs = slices.Sorted(slices.Values(xs))
	n := len(xs)
	return (xs[(n-1)/2] + xs[n/2]) / 2
}
