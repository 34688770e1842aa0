package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"runspec/runtime/accelerator"
	"runspec/runtime/durable"
)

// Figure is one thing that was measured. Lacking says why it could not be.
type Figure struct {
	Values  map[string]float64 `json:"values,omitempty"` // by name and unit: "ms", "GB"
	Words   map[string]string  `json:"words,omitempty"`
	Lacking string             `json:"lacking,omitempty"`
	When    time.Time          `json:"when"`
}

// figures are all that were measured on one machine, by name: "step/task04/ours".
type figures struct {
	path string
	all  struct {
		Device  accelerator.Device `json:"device"`
		Plugin  accelerator.Plugin `json:"plugin"`
		Driver  string             `json:"driver"`
		Figures map[string]Figure  `json:"figures"`
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

// about says what the figures are of; those of another device are refused.
func (f *figures) about(d accelerator.Device, p accelerator.Plugin) error {
	if was := f.all.Device.Kind; was != "" && was != d.Kind {
		return fmt.Errorf("%s holds figures of %s, this is %s; choose another -work", f.path, was, d.Kind)
	}
	f.all.Device, f.all.Plugin, f.all.Driver = d, p, accelerator.Driver()
	return f.save()
}

// once measures a figure unless it is there. What cannot be measured here is
// kept as lacking, and tried again by the next call.
func (f *figures) once(name string, measure func() (Figure, error)) (Figure, error) {
	if old, ok := f.all.Figures[name]; ok && old.Lacking == "" {
		return old, nil
	}
	fig, err := measure()
	if err != nil {
		fig = Figure{Lacking: err.Error()}
	}
	fig.When = time.Now().UTC()
	f.all.Figures[name] = fig
	fmt.Fprintf(os.Stderr, "  %s: %s\n", name, fig)
	return fig, errors.Join(err, f.save())
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

// median of a list that is not empty.
func median(xs []float64) float64 {
	xs = slices.Sorted(slices.Values(xs))
	n := len(xs)
	return (xs[(n-1)/2] + xs[n/2]) / 2
}
