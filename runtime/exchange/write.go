package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"runspec/compiler/nnunet"
	"runspec/compiler/unet"
	"runspec/runtime/durable"
	"runspec/runtime/engine"
	"runspec/runtime/exchange/pickle"
)

// Training is what a checkpoint tells besides the weights, so that nnU-Net can go
// on with it: curves by epoch, and SGD's state.
type Training struct {
	Momentum     map[string]engine.Tensor // SGD's buffers by parameter; nil: another optimiser's state is not written
	Rate         float64                  // learning rate of the last epoch
	InitialRate  float64
	WeightDecay  float64
	MomentumRate float64
	Best         float64 // greatest moving average of the pseudo-Dice
	Curve        []Point
}

// Point is one epoch of the curves.
type Point struct {
	TrainLoss, ValidationLoss, Rate, EMA float64
	Dice                                 []float64 // pseudo-Dice by class
	Seconds                              float64
}

// WriteModel writes a model folder that nnU-Net predicts with
// (nnUNetv2_predict_from_modelfolder). trainings, by fold, may be nil. A network
// that nnU-Net's plans cannot express is refused before anything is written; so is a
// folder with folds that m lacks, which would become folds of this model.
func WriteModel(dir string, m Model, trainings []Training) error {
	plans, err := m.plans()
	if err != nil {
		return err
	}
	dataset, err := nnunet.MarshalDataset(m.Dataset)
	if err != nil {
		return err
	}
	if len(m.Folds) == 0 {
		return fmt.Errorf("the model has no fold")
	}
	if err := m.free(dir); err != nil {
		return err
	}
	files := map[string][]byte{"plans.json": plans, "dataset.json": dataset}
	for i, f := range m.Folds {
		var t Training
		if i < len(trainings) {
			t = trainings[i]
		}
		text, err := m.checkpoint(f, t, plans, dataset)
		if err != nil {
			return fmt.Errorf("fold %s: %w", f.Name, err)
		}
		folder := "fold_" + f.Name
		files[filepath.Join(folder, "checkpoint_final.pth")] = text
		if f.Summary != "" {
			if files[filepath.Join(folder, "validation", "summary.json")], err = os.ReadFile(f.Summary); err != nil {
				return err
			}
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := durable.Write(path, text); err != nil {
			return err
		}
	}
	return nil
}

// free says which folds of another model a folder holds.
func (m Model) free(dir string) error {
	there, err := foldsOf(dir)
	if err != nil {
		return nil // no folder, or no fold in it
	}
	mine := m.FoldNames()
	there = slices.DeleteFunc(there, func(name string) bool { return slices.Contains(mine, name) })
	if len(there) == 0 {
		return nil
	}
	return fmt.Errorf("%s holds fold %s of an earlier export, which this one (fold %s) does not replace: together they would be read as one model. Remove the folder or choose another; name folds that belong together at once",
		dir, strings.Join(there, ", "), strings.Join(mine, ", "))
}

// plans are the model's plans file, with its configuration as it was trained. What
// nnU-Net would read of it must be that network.
func (m Model) plans() ([]byte, error) {
	if side := m.Configuration.Architecture.DecoderSide; side != nil {
		return nil, fmt.Errorf("nnU-Net's plans cannot express this network: its decoder has %s, %s and a dropout of %v of its own, and plans name one of each for the whole network",
			side.Norm, side.Activation, side.Dropout)
	}
	s := m.Plans.Settings
	s.Configurations = slices.Clone(s.Configurations)
	at := slices.IndexFunc(s.Configurations, func(c nnunet.Configuration) bool { return c.Name == m.Configuration.Name })
	if at < 0 {
		s.Configurations = append(s.Configurations, m.Configuration)
	} else {
		s.Configurations[at] = m.Configuration
	}
	plans := m.Plans
	plans.Settings = s
	text, err := nnunet.MarshalPlans(m.Dataset, plans)
	if err != nil {
		return nil, err
	}
	back, err := nnunet.ReadPlans(text)
	if err != nil {
		return nil, fmt.Errorf("nnU-Net's plans cannot express this network: %w", err)
	}
	c, err := back.Configuration(m.Configuration.Name, m.Dataset)
	if err != nil {
		return nil, fmt.Errorf("nnU-Net's plans cannot express this network: %w", err)
	}
	if !reflect.DeepEqual(c.Architecture, m.Configuration.Architecture) {
		return nil, fmt.Errorf("nnU-Net's plans cannot express this network: read back from them it has %s", difference(c.Architecture, m.Configuration.Architecture))
	}
	return text, nil
}

// difference names the fields that two networks differ in.
func difference(got, want unet.Architecture) string {
	var out []string
	a, b := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			out = append(out, fmt.Sprintf("%s %v, not %v", a.Type().Field(i).Name, a.Field(i).Interface(), b.Field(i).Interface()))
		}
	}
	return strings.Join(out, "; ")
}

// checkpoint is what nnUNetTrainer.save_checkpoint writes.
func (m Model) checkpoint(f Fold, t Training, plans, dataset []byte) ([]byte, error) {
	w := &pthWriter{}
	weights, err := m.stateDict(w, f)
	if err != nil {
		return nil, err
	}
	planned, err := fromJSON(plans)
	if err != nil {
		return nil, err
	}
	described, err := fromJSON(dataset)
	if err != nil {
		return nil, err
	}
	var fold any = f.Name
	if n, err := strconv.Atoi(f.Name); err == nil {
		fold = n
	}
	arguments := dict("plans", planned, "configuration", m.Configuration.Name, "fold", fold, "dataset_json", described,
		"device", pickle.Call{Global: pickle.Global{Module: "torch", Name: "device"}, Args: pickle.Tuple{"cpu"}})
	var axes any
	if len(f.MirrorAxes) > 0 {
		list := pickle.Tuple{}
		for _, a := range f.MirrorAxes {
			list = append(list, a-(3-m.Configuration.Architecture.Dim))
		}
		axes = list
	}
	trainer := m.Trainer
	if trainer == "" {
		trainer = "nnUNetTrainer"
	}
	return w.file("checkpoint_final", dict(
		"network_weights", weights, "optimizer_state", t.optimizer(w, m.Configuration.Architecture), "grad_scaler_state", nil,
		"logging", t.logging(), "_best_ema", t.Best, "current_epoch", f.Epochs, "init_args", arguments,
		"trainer_name", trainer, "inference_allowed_mirroring_axes", axes,
	))
}

// dict makes a dictionary of keys and values in turn.
func dict(pairs ...any) *pickle.Dict {
	d := &pickle.Dict{}
	for i := 0; i < len(pairs); i += 2 {
		d.Set(pairs[i], pairs[i+1])
	}
	return d
}

// stateDict lists the weights as PyTorch does: each layer again under its place in
// all_modules, and the whole encoder again under the decoder, which holds it.
func (m Model) stateDict(w *pthWriter, f Fold) (*pickle.Dict, error) {
	network, err := unet.Build(m.Configuration.Architecture)
	if err != nil {
		return nil, err
	}
	d, places := &pickle.Dict{}, placesOf(network)
	flat := m.Configuration.Architecture.Dim == 2
	put := func(block unet.Block, suffix string, v any) {
		for _, name := range places.names(block.Name) {
			d.Set(name+suffix, v)
		}
	}
	for _, p := range network.Parameters {
		t, ok := f.Parameters[p.Name]
		if !ok {
			return nil, fmt.Errorf("the weights lack %s", p.Name)
		}
		if flat && len(t.Shape) == 5 {
			t.Shape = slices.Delete(slices.Clone(t.Shape), 2, 3)
		}
		block := network.Blocks[p.Block]
		put(block, strings.TrimPrefix(p.Name, block.Name), w.tensor(t))
	}
	for _, b := range network.Blocks {
		if b.Op != unet.Normalise || f.Buffers[b.Name+".running_mean"].Data == nil {
			continue
		}
		put(b, ".running_mean", w.tensor(f.Buffers[b.Name+".running_mean"]))
		put(b, ".running_var", w.tensor(f.Buffers[b.Name+".running_var"]))
		put(b, ".num_batches_tracked", w.count(f.Epochs))
	}
	return d, nil
}

// places are the positions of layers within ConvDropoutNormReLU's all_modules.
type places map[string]string

// placesOf counts the layers of each such module: convolution, dropout, norm,
// activation, as far as it has them.
func placesOf(n unet.Network) places {
	out, count := places{}, map[string]int{}
	for _, b := range n.Blocks {
		dot := strings.LastIndexByte(b.Name, '.')
		if dot < 0 {
			continue
		}
		module, layer := b.Name[:dot], b.Name[dot+1:]
		if slices.Contains([]string{"conv", "dropout", "norm", "nonlin"}, layer) {
			out[b.Name] = fmt.Sprintf("%s.all_modules.%d", module, count[module])
			count[module]++
		}
	}
	return out
}

// names are all that a layer goes by.
func (p places) names(layer string) []string {
	out := []string{layer}
	if other, ok := p[layer]; ok {
		out = append(out, other)
	}
	for _, name := range out {
		if strings.HasPrefix(name, "encoder.") {
			out = append(out, "decoder."+name)
		}
	}
	return out
}

// optimizer is the state_dict of SGD, whose parameters are numbered in the
// network's order; without momenta it is as before the first step.
func (t Training) optimizer(w *pthWriter, a unet.Architecture) *pickle.Dict {
	network, err := unet.Build(a)
	if err != nil {
		return dict() // stateDict has told
	}
	state, list := dict(), &pickle.List{}
	for i, p := range network.Parameters {
		list.Items = append(list.Items, i)
		if m, ok := t.Momentum[p.Name]; ok {
			if a.Dim == 2 && len(m.Shape) == 5 {
				m.Shape = slices.Delete(slices.Clone(m.Shape), 2, 3)
			}
			state.Set(i, dict("momentum_buffer", w.tensor(m)))
		}
	}
	group := dict("lr", t.Rate, "momentum", t.MomentumRate, "dampening", 0, "weight_decay", t.WeightDecay, "nesterov", true,
		"maximize", false, "foreach", nil, "differentiable", false, "fused", nil, "initial_lr", t.InitialRate, "params", list)
	return dict("state", state, "param_groups", &pickle.List{Items: []any{group}})
}

// logging are nnU-Net's curves.
func (t Training) logging() *pickle.Dict {
	curve := func(of func(Point) any) *pickle.List {
		l := &pickle.List{}
		for _, p := range t.Curve {
			l.Items = append(l.Items, of(p))
		}
		return l
	}
	classes := func(p Point) any {
		l := &pickle.List{}
		for _, d := range p.Dice {
			l.Items = append(l.Items, d)
		}
		return l
	}
	mean := func(p Point) any {
		sum := 0.0
		for _, d := range p.Dice {
			sum += d
		}
		return sum / float64(max(1, len(p.Dice)))
	}
	end := 0.0
	return dict(
		"mean_fg_dice", curve(mean), "ema_fg_dice", curve(func(p Point) any { return p.EMA }),
		"dice_per_class_or_region", curve(classes),
		"train_losses", curve(func(p Point) any { return p.TrainLoss }), "val_losses", curve(func(p Point) any { return p.ValidationLoss }),
		"lrs", curve(func(p Point) any { return p.Rate }),
		"epoch_start_timestamps", curve(func(p Point) any { end += p.Seconds; return end - p.Seconds }),
		"epoch_end_timestamps", func() *pickle.List { end = 0; return curve(func(p Point) any { end += p.Seconds; return end }) }(),
	)
}

// fromJSON turns JSON into a pickle's values, in the file's order.
func fromJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return nextJSON(d)
}

func nextJSON(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return n, nil
		}
		return t.Float64()
	case json.Delim:
		if t == '[' {
			return listJSON(d)
		}
		return dictJSON(d)
	}
	return token, nil
}

func listJSON(d *json.Decoder) (any, error) {
	l := &pickle.List{}
	for d.More() {
		v, err := nextJSON(d)
		if err != nil {
			return nil, err
		}
		l.Items = append(l.Items, v)
	}
	_, err := d.Token()
	return l, err
}

func dictJSON(d *json.Decoder) (any, error) {
	out := &pickle.Dict{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := nextJSON(d)
		if err != nil {
			return nil, err
		}
		out.Set(key, v)
	}
	_, err := d.Token()
	return out, err
}
