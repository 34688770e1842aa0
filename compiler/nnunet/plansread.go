package nnunet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"runspec/compiler/unet"
)

// Plans is a plans file of nnU-Net's.
type Plans struct {
	DatasetName string // DatasetNNN_Name
	Name        string // plans_name
	// Settings are what the file says, inheritance resolved. A configuration's
	// Architecture lacks InputChannels and Classes, which plans do not hold:
	// Plans.Configuration fills them in. Where the file names a planner that
	// runspec does not have, Planner is Conv or ResEncM, by the encoder.
	Settings Settings
	// Unknown lists the fields that were passed over, as paths: those of a newer
	// nnU-Net, or of a user's, that change neither preprocessing nor network.
	Unknown []string
}

// ReadPlans reads nnU-Net's plans file, of version 2.0 or later. Unknown fields
// are passed over unless they decide over the data or the network; then, and
// where the fields contradict one another, the error names the field. It does
// not name the file; the caller knows it.
func ReadPlans(text []byte) (Plans, error) {
	r := &plansReader{}
	p := r.plans(text)
	if len(r.errs) > 0 {
		return Plans{}, fmt.Errorf("plans.json: %w", errors.Join(r.errs...))
	}
	slices.Sort(r.unknown)
	p.Unknown = r.unknown
	return p, nil
}

// Configuration gives the named configuration with the network's input
// channels and outputs for a data set, whose channels must be the plans'.
func (p Plans) Configuration(name string, d Dataset) (Configuration, error) {
	c, ok := p.Settings.Configuration(name)
	if !ok {
		var names []string
		for _, c := range p.Settings.Configurations {
			names = append(names, c.Name)
		}
		return Configuration{}, fmt.Errorf("plans.json: configurations has no %.80q: it has %s", name, strings.Join(names, ", "))
	}
	if len(c.Normalisation) != len(d.Channels) {
		return Configuration{}, fmt.Errorf("plans.json: configurations.%s.normalization_schemes has %d entries, but dataset.json names %d channels: they are not of one data set",
			name, len(c.Normalisation), len(d.Channels))
	}
	c = c.clone()
	c.Architecture.InputChannels, c.Architecture.Classes = len(d.Channels), d.Heads()
	if c.PreviousStage != "" {
		c.Architecture.InputChannels += d.foregroundValues()
	}
	return c, nil
}

// plansReader gathers what is wrong, and what was passed over.
type plansReader struct {
	errs    []error
	unknown []string
}

func (r *plansReader) fail(path, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

// plansTop is the plans file without its configurations' content.
type plansTop struct {
	DatasetName       string               `json:"dataset_name"`
	PlansName         string               `json:"plans_name"`
	OriginalSpacing   [3]float64           `json:"original_median_spacing_after_transp"`
	OriginalShape     [3]float64           `json:"original_median_shape_after_transp"`
	ReaderWriter      string               `json:"image_reader_writer"`
	TransposeForward  []int                `json:"transpose_forward"`
	TransposeBackward []int                `json:"transpose_backward"`
	Configurations    object               `json:"configurations"`
	Planner           string               `json:"experiment_planner_used"`
	LabelManager      string               `json:"label_manager"`
	Foreground        map[string]Intensity `json:"foreground_intensity_properties_per_channel"`
}

func (r *plansReader) plans(text []byte) (p Plans) {
	var top plansTop
	if !r.fields("", text, &top) {
		return p
	}
	p.DatasetName, p.Name = top.DatasetName, top.PlansName
	s := &p.Settings
	s.OriginalSpacing, s.OriginalShape = top.OriginalSpacing, top.OriginalShape
	s.TransposeForward, s.TransposeBackward = r.transposes(top)
	s.Foreground = r.foreground(top.Foreground)
	if top.LabelManager != "" && top.LabelManager != "LabelManager" {
		r.fail("label_manager", "%q is not known, and it decides what the network's outputs mean: only LabelManager is", top.LabelManager)
	}
	switch top.ReaderWriter {
	case "", "SimpleITKIO", "NibabelIO": // both read NIfTI as runspec does
	default:
		r.unknown = append(r.unknown, "image_reader_writer")
	}
	if len(top.Configurations) == 0 {
		r.fail("configurations", "there is none")
	}
	raw := map[string]object{}
	for _, e := range top.Configurations {
		var o object
		if err := json.Unmarshal(e.value, &o); err != nil {
			r.fail("configurations."+e.key, "it is no object: %v", err)
			return p
		}
		raw[e.key] = o
	}
	for _, e := range top.Configurations {
		if c, ok := r.configuration(e.key, raw); ok {
			s.Configurations = append(s.Configurations, c)
		}
	}
	s.Planner = plannerOf(top.Planner, s.Configurations)
	for _, c := range s.Configurations {
		r.checkForeground(c, len(s.Foreground))
		for _, stage := range [][2]string{{"previous_stage", c.PreviousStage}, {"next_stage", c.NextStage}} {
			if _, ok := raw[stage[1]]; stage[1] != "" && !ok {
				r.fail("configurations."+c.Name+"."+stage[0], "there is no configuration %q", stage[1])
			}
		}
	}
	return p
}

// fields reads an object into a struct, and notes the fields that it lacks.
// False means that nothing could be read.
func (r *plansReader) fields(path string, text []byte, into any) bool {
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		r.fail(pathOf(path), "it cannot be read: %v", err)
		return false
	}
	known := map[string]reflect.Value{}
	v := reflect.ValueOf(into).Elem()
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		known[name] = v.Field(i)
	}
	ok := true
	for _, e := range o {
		field, found := known[e.key]
		if !found {
			r.unknown = append(r.unknown, join(path, e.key))
			continue
		}
		if err := json.Unmarshal(e.value, field.Addr().Interface()); err != nil {
			r.fail(join(path, e.key), "it is %s: %v", short(e.value), err)
			ok = false
		}
	}
	return ok
}

func pathOf(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

// short is a value as an error shows it.
func short(text []byte) string {
	if len(text) > 40 {
		return string(text[:40]) + "…"
	}
	return string(text)
}

func (r *plansReader) transposes(top plansTop) (forward, backward [3]int) {
	for _, t := range []struct {
		path string
		axes []int
		into *[3]int
	}{{"transpose_forward", top.TransposeForward, &forward}, {"transpose_backward", top.TransposeBackward, &backward}} {
		if !slices.Equal(slices.Sorted(slices.Values(t.axes)), []int{0, 1, 2}) {
			r.fail(t.path, "%v is no permutation of the axes 0, 1, 2", t.axes)
			return
		}
		copy(t.into[:], t.axes)
	}
	for i, axis := range forward {
		if backward[axis] != i {
			r.fail("transpose_backward", "%v does not undo transpose_forward, which is %v", backward, forward)
			break
		}
	}
	return forward, backward
}

func (r *plansReader) foreground(channels map[string]Intensity) (out []Intensity) {
	const path = "foreground_intensity_properties_per_channel"
	for c := range len(channels) {
		in, ok := channels[strconv.Itoa(c)]
		if !ok {
			r.fail(path, "it has %d channels, but no %q", len(channels), strconv.Itoa(c))
			return nil
		}
		out = append(out, in)
	}
	return out
}

func (r *plansReader) checkForeground(c Configuration, channels int) {
	if n := len(c.Normalisation); n > channels && slices.Contains(c.Normalisation[channels:], "CTNormalization") {
		r.fail("foreground_intensity_properties_per_channel", "it has %d channels, but configurations.%s.normalization_schemes has %d and asks for CTNormalization",
			channels, c.Name, n)
	}
}

// plannerOf is the planner whose class is named, or one of the same encoder.
func plannerOf(class string, configurations []Configuration) Planner {
	for _, name := range slices.Sorted(maps.Keys(planners)) {
		if planners[name].class == class {
			return name
		}
	}
	for _, c := range configurations {
		if c.Architecture.Encoder == unet.Residual {
			return ResEncMPlanner
		}
	}
	return ConvPlanner
}

// inherited merges a configuration over the one that it inherits from, field by
// field, as nnU-Net does.
func (r *plansReader) inherited(name string, raw map[string]object) (object, bool) {
	var chain []string
	var merged object
	for next := name; next != ""; {
		path := "configurations." + next
		if slices.Contains(chain, next) {
			r.fail("configurations."+name+".inherits_from", "it leads back to %q: %s", next, strings.Join(append(chain, next), " → "))
			return nil, false
		}
		own, ok := raw[next]
		if !ok {
			r.fail("configurations."+chain[len(chain)-1]+".inherits_from", "there is no configuration %q", next)
			return nil, false
		}
		chain = append(chain, next)
		next = ""
		for _, e := range own {
			switch {
			case e.key == "inherits_from":
				if err := json.Unmarshal(e.value, &next); err != nil {
					r.fail(path+".inherits_from", "it is %s, where the name of a configuration belongs", short(e.value))
					return nil, false
				}
			case !merged.has(e.key):
				merged = append(merged, e)
			}
		}
	}
	return merged, true
}

func (o object) has(key string) bool {
	return slices.ContainsFunc(o, func(e entry) bool { return e.key == key })
}

// MarshalJSON writes the entries in their order.
func (o object) MarshalJSON() ([]byte, error) {
	text := []byte("{")
	for i, e := range o {
		if i > 0 {
			text = append(text, ',')
		}
		key, err := json.Marshal(e.key)
		if err != nil {
			return nil, err
		}
		text = append(append(append(text, key...), ':'), e.value...)
	}
	return append(text, '}'), nil
}
