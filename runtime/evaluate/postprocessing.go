package evaluate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/runtime/durable"
	"runspec/runtime/volume"
)

// Postprocessing is what DeterminePostprocessing chose, with the means before
// and after.
type Postprocessing struct {
	Steps         []Step
	Before, After Summary
	labels        []nnunet.Label
}

// Apply gives a copy of l after all steps.
func (p Postprocessing) Apply(l volume.Labels) volume.Labels {
	for _, s := range p.Steps {
		l = s.Apply(l)
	}
	return l
}

// largest is nnU-Net's name of a Step.
const largest = "remove_all_but_largest_component_from_segmentation"

// Write puts p at path as nnU-Net's postprocessing.json; the file appears whole
// or not at all. The postprocessing.pkl beside it in nnU-Net's folders, Python
// functions pickled, is not written.
func (p Postprocessing) Write(path string) error {
	if err := durable.Write(path, p.encode()); err != nil {
		return fmt.Errorf("write post-processing: %w", err)
	}
	return nil
}

func (p Postprocessing) encode() []byte {
	w := &writer{}
	w.open("{")
	for _, side := range []struct {
		key string
		of  Summary
	}{{"input_folder", p.Before}, {"postprocessed", p.After}} {
		w.key(side.key)
		w.open("{")
		w.key("foreground_mean")
		w.metrics(side.of.ForegroundMean, false)
		w.key("mean")
		w.labels(side.of.Mean, false)
		w.close("}")
	}
	w.key("postprocessing_fns")
	w.open("[")
	for range p.Steps {
		w.next()
		w.text(largest)
	}
	w.close("]")
	w.key("postprocessing_kwargs")
	w.open("[")
	for _, s := range p.Steps {
		w.next()
		w.open("{")
		w.key("labels_or_regions")
		p.values(w, s)
		w.close("}")
	}
	w.close("]")
	w.close("}")
	return w.Bytes()
}

// values are a number for a label alone, else a list.
func (p Postprocessing) values(w *writer, s Step) {
	regions := nnunet.Dataset{Labels: p.labels}.HasRegions()
	if len(s.Values) == 1 && !regions && len(foreground(p.labels)) > 1 {
		fmt.Fprint(w, s.Values[0])
		return
	}
	w.open("[")
	for _, v := range s.Values {
		w.next()
		fmt.Fprint(w, v)
	}
	w.close("]")
}

// ReadPostprocessing reads the steps of a postprocessing.json of nnU-Net's or
// ours.
func ReadPostprocessing(path string) ([]Step, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read post-processing: %w", err)
	}
	if bytes.HasPrefix(text, []byte{0x80}) {
		return nil, fmt.Errorf("%s is a pickle: name the postprocessing.json beside it", path)
	}
	steps, err := decodeSteps(text)
	if err != nil {
		return nil, fmt.Errorf("%s is no post-processing of nnU-Net's: %w", path, err)
	}
	return steps, nil
}

func decodeSteps(text []byte) ([]Step, error) {
	var file struct {
		Functions []string `json:"postprocessing_fns"`
		Arguments []struct {
			Values     json.RawMessage `json:"labels_or_regions"`
			Background int             `json:"background_label"`
		} `json:"postprocessing_kwargs"`
	}
	if err := json.Unmarshal(nullNaN(text), &file); err != nil {
		return nil, err
	}
	if file.Functions == nil || len(file.Functions) != len(file.Arguments) {
		return nil, errors.New("postprocessing_fns and postprocessing_kwargs must be lists of one length")
	}
	var steps []Step
	for i, a := range file.Arguments {
		if file.Functions[i] != largest || a.Background != 0 {
			return nil, fmt.Errorf("postprocessing_fns: %d: there is no step %q; only %s, to background 0, is known", i, file.Functions[i], largest)
		}
		values, err := numbers(a.Values)
		if err != nil || len(values) == 0 {
			return nil, fmt.Errorf("postprocessing_kwargs: %d: labels_or_regions is %s; it must be a number or a list of numbers", i, a.Values)
		}
		steps = append(steps, Step{values})
	}
	return steps, nil
}

// numbers reads a number, or a list of numbers and of lists of them, as the set
// of all.
func numbers(text json.RawMessage) ([]int, error) {
	var one int
	if err := json.Unmarshal(text, &one); err == nil {
		return []int{one}, nil
	}
	var many []json.RawMessage
	if err := json.Unmarshal(text, &many); err != nil {
		return nil, err
	}
	var out []int
	for _, m := range many {
		values, err := numbers(m)
		if err != nil {
			return nil, err
		}
		out = append(out, values...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
