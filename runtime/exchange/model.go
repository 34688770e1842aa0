// Package exchange trades trained models with other programs: nnU-Net's model
// folders both ways, ONNX and safetensors out. PyTorch's files are read as plain
// values (package pickle); nothing in them is ever run.
//
// It trains and predicts nothing: a Model becomes trainings (Trained) that package
// train makes predictors of.
package exchange

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"runspec/compiler/nnunet"
	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/exchange/pickle"
)

// Model is a model folder of nnU-Net's: one configuration of a data set's plans,
// trained on some folds.
type Model struct {
	Dataset       nnunet.Dataset
	Plans         nnunet.Plans
	Configuration nnunet.Configuration
	Trainer       string // nnU-Net's class, such as nnUNetTrainer
	Folds         []Fold
}

// Fold is a training on one fold.
type Fold struct {
	Name       string                   // "0" to "4", or "all"
	Parameters map[string]engine.Tensor // by PyTorch's names, in unet.Network's shapes
	Buffers    map[string]engine.Tensor // running statistics of batch norms
	MirrorAxes []int                    // along which its training mirrored; none: no mirroring
	Epochs     int                      // that were trained
	Checkpoint string                   // the file that was read
	Summary    string                   // nnU-Net's validation/summary.json; "": there is none
}

// The checkpoints of a fold that nnU-Net writes.
const (
	Final = "final"
	Best  = "best"
)

// ReadOptions choose what of a model folder is read.
type ReadOptions struct {
	Folds      []string // default: all that are there
	Checkpoint string   // Final or Best; default Final
}

// ReadModel reads a model folder of nnU-Net's: plans.json, dataset.json and
// fold_X/checkpoint_final.pth. Errors name the file and, within it, the field.
func ReadModel(dir string, o ReadOptions) (Model, error) {
	var m Model
	text, err := os.ReadFile(filepath.Join(dir, "dataset.json"))
	if err != nil {
		return m, noModel(dir, err)
	}
	if m.Dataset, err = nnunet.ReadDataset(text); err != nil {
		return m, fmt.Errorf("%s: %w", dir, err)
	}
	if text, err = os.ReadFile(filepath.Join(dir, "plans.json")); err != nil {
		return m, noModel(dir, err)
	}
	if m.Plans, err = nnunet.ReadPlans(text); err != nil {
		return m, fmt.Errorf("%s: %w", dir, err)
	}
	if m.Dataset.Name == "" {
		m.Dataset.Name = m.Plans.DatasetName
	}
	folds := o.Folds
	if len(folds) == 0 {
		if folds, err = foldsOf(dir); err != nil {
			return m, err
		}
	}
	for _, name := range folds {
		if err := m.read(dir, name, o.checkpoint()); err != nil {
			return m, err
		}
	}
	return m, nil
}

func (o ReadOptions) checkpoint() string {
	if o.Checkpoint == "" {
		return Final
	}
	return o.Checkpoint
}

func noModel(dir string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s is no model folder of nnU-Net's, which holds plans.json, dataset.json and fold_X: %w", dir, err)
	}
	return err
}

// foldsOf lists the folds that a folder has.
func foldsOf(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), "fold_"); ok {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no folder fold_0 to fold_4 or fold_all: it holds no trained fold", dir)
	}
	return out, nil
}

// read adds one fold.
func (m *Model) read(dir, name, checkpoint string) error {
	folder := filepath.Join(dir, "fold_"+name)
	path := filepath.Join(folder, "checkpoint_"+checkpoint+".pth")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		there, _ := foldsOf(dir)
		return fmt.Errorf("fold %s has no %s: its training has not ended, or the file is gone; folders are there for %s. Choose folds with --folds",
			name, path, strings.Join(there, ", "))
	}
	if err != nil {
		return err
	}
	file, err := readPth(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f, err := m.fold(name, file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f.Checkpoint = path
	if summary := filepath.Join(folder, "validation", "summary.json"); exists(summary) {
		f.Summary = summary
	}
	m.Folds = append(m.Folds, f)
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// fold reads a checkpoint's values.
func (m *Model) fold(name string, file any) (Fold, error) {
	f := Fold{Name: name, Parameters: map[string]engine.Tensor{}, Buffers: map[string]engine.Tensor{}}
	top, ok := file.(*pickle.Dict)
	if !ok {
		return f, errors.New("it holds no dictionary: it is no checkpoint of nnU-Net's")
	}
	weights, err := field[*pickle.Dict](top, "network_weights")
	if err != nil {
		return f, err
	}
	arguments, err := field[*pickle.Dict](top, "init_args")
	if err != nil {
		return f, err
	}
	configuration, err := field[string](arguments, "configuration")
	if err != nil {
		return f, fmt.Errorf("init_args: %w", err)
	}
	if err := m.choose(configuration); err != nil {
		return f, err
	}
	m.Trainer, _ = field[string](top, "trainer_name")
	if m.Trainer != "" && !identifier.MatchString(m.Trainer) {
		return f, fmt.Errorf("trainer_name is %.40q, which is no name of a class", m.Trainer)
	}
	if epochs, err := field[int64](top, "current_epoch"); err == nil {
		f.Epochs = int(epochs)
	}
	if f.MirrorAxes, err = mirrorAxes(top, m.Configuration.Architecture.Dim); err != nil {
		return f, err
	}
	return f, f.weights(m.Configuration.Architecture, weights)
}

// identifier is a name in Python.
var identifier = regexp.MustCompile(`^[\pL_][\pL\pN_]{0,99}$`)

// mirrorAxes are those that a training mirrored along, of the network's dim axes: a
// tuple or list, or None for none. nnU-Net counts from a network's first axis.
func mirrorAxes(top *pickle.Dict, dim int) (out []int, err error) {
	const key = "inference_allowed_mirroring_axes"
	value, _ := top.Get(key)
	if list, ok := value.(*pickle.List); ok {
		value = pickle.Tuple(list.Items)
	}
	if value == nil {
		return nil, nil
	}
	axes, err := integers(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	for _, a := range axes {
		axis := int(a) + 3 - dim
		if a < 0 || a >= int64(dim) || slices.Contains(out, axis) {
			return nil, fmt.Errorf("%s is %v: a network of %d dimensions has the axes 0 to %d, each once", key, axes, dim, dim-1)
		}
		out = append(out, axis)
	}
	return out, nil
}

// choose is the model's configuration, which all folds must have in common.
func (m *Model) choose(configuration string) error {
	if m.Configuration.Name == "" {
		c, err := m.Plans.Configuration(configuration, m.Dataset)
		if err != nil {
			return fmt.Errorf("init_args.configuration: %w", err)
		}
		if c.PreviousStage != "" {
			return fmt.Errorf("init_args.configuration is %s, whose input is the prediction of %s; cascades are not predicted", configuration, c.PreviousStage)
		}
		m.Configuration = c
	}
	if configuration != m.Configuration.Name {
		return fmt.Errorf("init_args.configuration is %.80q, other folds have %q", configuration, m.Configuration.Name)
	}
	return nil
}

// field is a dictionary's entry of a kind.
func field[T any](d *pickle.Dict, key string) (T, error) {
	var zero T
	v, ok := d.Get(key)
	if !ok {
		return zero, fmt.Errorf("%s is missing: it is no checkpoint of nnU-Net's", key)
	}
	out, ok := v.(T)
	if !ok {
		return zero, fmt.Errorf("%s is %s, not %s", key, pickle.Kind(v), pickle.Kind(any(zero)))
	}
	return out, nil
}

// weights takes the network's tensors out of a state_dict, which lists many twice
// and, compiled or distributed, under a prefix.
func (f *Fold) weights(a unet.Architecture, dict *pickle.Dict) error {
	network, err := unet.Build(a)
	if err != nil {
		return fmt.Errorf("the plans' network: %w", err)
	}
	found := map[string]engine.Tensor{}
	for i, k := range dict.Keys {
		key, ok := k.(string)
		if t, isTensor := dict.Values[i].(engine.Tensor); ok && isTensor {
			found[strings.TrimPrefix(strings.TrimPrefix(key, "module."), "_orig_mod.")] = t
		}
	}
	for _, p := range network.Parameters {
		t, ok := found[p.Name]
		if !ok {
			return fmt.Errorf("network_weights has no %s: the checkpoint and plans.json are not of one network", p.Name)
		}
		if len(t.Shape) == len(p.Shape)-1 && len(p.Shape) == 5 && p.Shape[2] == 1 { // 2-D
			t.Shape = slices.Insert(slices.Clone(t.Shape), 2, 1)
		}
		if !slices.Equal(t.Shape, p.Shape) {
			return fmt.Errorf("network_weights: %s has shape %v where plans.json and dataset.json make it %v", p.Name, t.Shape, p.Shape)
		}
		f.Parameters[p.Name] = t
		delete(found, p.Name)
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		switch {
		case strings.Contains(key, ".all_modules.") || strings.HasPrefix(key, "decoder.encoder.") || strings.HasSuffix(key, ".num_batches_tracked"):
		case strings.HasSuffix(key, ".running_mean") || strings.HasSuffix(key, ".running_var"):
			f.Buffers[key] = found[key]
		default:
			return fmt.Errorf("network_weights has %.120q, which the network of plans.json lacks", key)
		}
	}
	return nil
}
