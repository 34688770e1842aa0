package nnunet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ReadDataset reads a dataset.json: nnU-Net's (channel_names, labels from
// name to value or values) or the Decathlon's (modality, labels from value to
// name). Labels come out background first: single labels by value, regions in
// the file's order, since that is the order of the network's outputs. The
// ignore label leaves the list and becomes Ignore. The error does not name
// the file; the caller knows it.
func ReadDataset(text []byte) (Dataset, error) {
	var file struct {
		Name        string            `json:"name"`
		Channels    map[string]string `json:"channel_names"`
		Modality    map[string]string `json:"modality"`
		Labels      object            `json:"labels"`
		NumTraining int               `json:"numTraining"`
		FileEnding  string            `json:"file_ending"`
		RegionOrder []int             `json:"regions_class_order"`
		Reader      string            `json:"overwrite_image_reader_writer"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return Dataset{}, fmt.Errorf("dataset.json: %w", err)
	}
	d := Dataset{Name: file.Name, NumTraining: file.NumTraining, FileEnding: file.FileEnding, RegionOrder: file.RegionOrder}
	if file.Reader != "None" { // nnU-Net's word for none
		d.Reader = file.Reader
	}
	if d.FileEnding == "" {
		d.FileEnding = ".nii.gz" // the Decathlon says none
	}
	channels := file.Channels
	if channels == nil {
		channels = file.Modality
	}
	var err error
	if d.Channels, err = readChannels(channels); err != nil {
		return Dataset{}, fmt.Errorf("dataset.json: %w", err)
	}
	if d.Labels, err = readLabels(file.Labels); err != nil {
		return Dataset{}, fmt.Errorf("dataset.json: labels: %w", err)
	}
	for i, l := range d.Labels {
		if strings.EqualFold(l.Name, "ignore") && len(l.Values) == 1 {
			d.Ignore = l.Values[0]
			d.Labels = slices.Delete(d.Labels, i, i+1)
			break
		}
	}
	if !d.HasRegions() {
		slices.SortStableFunc(d.Labels, func(a, b Label) int { return a.Values[0] - b.Values[0] })
	}
	if err := d.Check(); err != nil {
		return Dataset{}, fmt.Errorf("dataset.json: %w", err)
	}
	return d, nil
}

// MarshalDataset gives d as nnU-Net's dataset.json; ReadDataset reads it back.
func MarshalDataset(d Dataset) ([]byte, error) {
	if err := d.Check(); err != nil {
		return nil, fmt.Errorf("dataset.json: %w", err)
	}
	var channels, labels object
	add := func(o *object, key string, value any) error {
		text, err := json.Marshal(value)
		*o = append(*o, entry{key, text})
		return err
	}
	var errs []error
	for i, name := range d.Channels {
		errs = append(errs, add(&channels, strconv.Itoa(i), name))
	}
	for _, l := range d.Labels {
		if len(l.Values) == 1 && !l.Listed {
			errs = append(errs, add(&labels, l.Name, l.Values[0]))
		} else {
			errs = append(errs, add(&labels, l.Name, l.Values))
		}
	}
	if d.Ignore != 0 {
		errs = append(errs, add(&labels, "ignore", d.Ignore))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("dataset.json: %w", err)
	}
	text, err := json.MarshalIndent(struct {
		Name        string `json:"name,omitempty"`
		Channels    object `json:"channel_names"`
		Labels      object `json:"labels"`
		NumTraining int    `json:"numTraining"`
		FileEnding  string `json:"file_ending"`
		RegionOrder []int  `json:"regions_class_order,omitempty"`
		Reader      string `json:"overwrite_image_reader_writer,omitempty"`
	}{d.Name, channels, labels, d.NumTraining, d.FileEnding, d.RegionOrder, d.Reader}, "", "    ")
	if err != nil {
		return nil, fmt.Errorf("dataset.json: %w", err)
	}
	return append(text, '\n'), nil
}

// Check says what makes d unusable for planning and training, or nil.
func (d Dataset) Check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(d.Channels) == 0 {
		fail("no channels: give channel_names (or modality), such as {\"0\": \"MRI\"}")
	}
	if d.NumTraining < 1 {
		fail("numTraining is %d: give the number of training cases", d.NumTraining)
	}
	if len(d.Labels) < 2 {
		fail("%d labels: background and at least one more are needed", len(d.Labels))
	}
	for i, l := range d.Labels {
		if len(l.Values) == 0 {
			fail("label %q has no values", l.Name)
		}
		if i == 0 && !l.background() {
			fail("label %q stands first: background with value 0 must", l.Name)
		}
	}
	if d.HasRegions() {
		if n := d.Heads(); len(d.RegionOrder) != n {
			fail("regions_class_order has %d entries for %d regions: list the value to write for each, in the order of labels", len(d.RegionOrder), n)
		}
	} else if len(errs) == 0 {
		for i, l := range d.Labels {
			if l.Values[0] != i {
				fail("label %q has value %d where %d is next: values must be 0, 1, 2, … without gaps", l.Name, l.Values[0], i)
				break
			}
		}
	}
	if d.Ignore != 0 && d.Ignore != d.maxValue()+1 {
		fail("the ignore label is %d: it must be one above the highest label, %d", d.Ignore, d.maxValue()+1)
	}
	return errors.Join(errs...)
}

// HasRegions says whether some label stands for several values; then the
// network's outputs are sigmoid regions instead of exclusive classes.
func (d Dataset) HasRegions() bool {
	return slices.ContainsFunc(d.Labels, func(l Label) bool { return len(l.Values) > 1 })
}

// Key is what nnU-Net calls a label or region in summary.json and among a case's
// class_locations: Python's print of a number, or of a tuple. Among regions one of
// a single value is what dataset.json makes it: "2", or "(2,)" where that says [2].
func (d Dataset) Key(l Label) string {
	words := make([]string, len(l.Values))
	for i, v := range l.Values {
		words[i] = strconv.Itoa(v)
	}
	switch {
	case len(words) > 1:
		return "(" + strings.Join(words, ", ") + ")"
	case l.Listed && d.HasRegions():
		return "(" + words[0] + ",)"
	}
	return words[0]
}

// Heads is the number of the network's output channels: every label with
// background, or every region without it.
func (d Dataset) Heads() int {
	if d.HasRegions() {
		return len(d.Foreground())
	}
	return len(d.Labels)
}

// Foreground are the labels or regions other than background, in order: what
// is evaluated.
func (d Dataset) Foreground() []Label {
	var out []Label
	for _, l := range d.Labels {
		if !l.background() {
			out = append(out, l)
		}
	}
	return out
}

// foregroundValues counts the distinct values of the foreground.
func (d Dataset) foregroundValues() int {
	seen := map[int]bool{0: true}
	for _, l := range d.Labels {
		for _, v := range l.Values {
			seen[v] = true
		}
	}
	return len(seen) - 1
}

func (d Dataset) maxValue() (highest int) {
	for _, l := range d.Labels {
		for _, v := range l.Values {
			highest = max(highest, v)
		}
	}
	return highest
}

func (l Label) background() bool {
	return !slices.ContainsFunc(l.Values, func(v int) bool { return v != 0 })
}

func readChannels(names map[string]string) ([]string, error) {
	out := make([]string, len(names))
	for key, name := range names {
		i, err := strconv.Atoi(key)
		if err != nil || i < 0 || i >= len(names) || strconv.Itoa(i) != key {
			return nil, fmt.Errorf("channel_names: key %q: the keys of %d channels must be \"0\" to \"%d\"", key, len(names), len(names)-1)
		}
		out[i] = name
	}
	return out, nil
}

// readLabels tells the two layouts apart by the values: the Decathlon's are names.
func readLabels(entries object) ([]Label, error) {
	var labels []Label
	decathlon := 0
	for _, e := range entries {
		var name string
		if json.Unmarshal(e.value, &name) == nil {
			value, err := strconv.Atoi(e.key)
			if err != nil {
				return nil, fmt.Errorf("%q: %q has neither a number nor a list of numbers", e.key, name)
			}
			labels = append(labels, Label{Name: name, Values: []int{value}})
			decathlon++
			continue
		}
		var value int
		var values []int
		listed := json.Unmarshal(e.value, &value) != nil
		if !listed {
			values = []int{value}
		} else if err := json.Unmarshal(e.value, &values); err != nil {
			return nil, fmt.Errorf("%q is %s: give a whole number, or a list of them for a region", e.key, e.value)
		}
		if len(values) == 0 {
			return nil, fmt.Errorf("%q has no values: give a whole number, or a list of them for a region", e.key)
		}
		for _, v := range values {
			if v < 0 || v > 32767 {
				return nil, fmt.Errorf("%q has value %d: labels lie between 0 and 32767", e.key, v)
			}
		}
		labels = append(labels, Label{Name: e.key, Values: values, Listed: listed && len(values) == 1})
	}
	if decathlon != 0 && decathlon != len(labels) {
		return nil, fmt.Errorf("some entries map names to values and some values to names: write all of them one way")
	}
	return labels, nil
}

// object is a JSON object that remembers the order of its keys.
type object []entry

type entry struct {
	key   string
	value json.RawMessage
}

// UnmarshalJSON reads the entries in the file's order and rejects a key given twice.
func (o *object) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return fmt.Errorf("%s is no object", text)
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		key := token.(string) // the text is valid JSON by now, so an object's key
		if seen[key] {
			return fmt.Errorf("%q stands twice", key)
		}
		seen[key] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		*o = append(*o, entry{key, value})
	}
	return nil
}
