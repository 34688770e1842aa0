package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"runspec/compiler/nnunet"
	"runspec/runtime/accelerator"
	"runspec/runtime/dataset"
	"runspec/runtime/engine"
	"runspec/runtime/evaluate"
	"runspec/runtime/exchange"
	"runspec/runtime/predict"
	"runspec/runtime/train"
	"runspec/runtime/volume"

	run "runspec/runtime"
)

// prediction is what `nnunet predict` is asked for.
type prediction struct {
	models, input []string
	chosen
	step          float64
	noMirroring   bool
	probabilities bool
	resume        bool
	post          string
	options       *run.Options
}

func (f *flags) predictCommand() *cobra.Command {
	var p prediction
	cmd := &cobra.Command{
		Use:   "predict --model DIR | --run DIR --trial ID --input DIR|FILES --out DIR",
		Short: "Predict cases with a model folder of nnU-Net's, or with a trial's networks",
		Long: `predict segments the cases of a folder, or of image files: CASE_0000.nii.gz and so
on, or CASE.nii.gz. The logits of a model's folds are averaged; of several models
(--model A,B) the probabilities are. Nothing that is there is overwritten, unless
--continue passes it over.`,
		Example: `  runspec nnunet predict --model Dataset004/nnUNetTrainer__nnUNetPlans__3d_fullres --input images --out predictions
  runspec nnunet predict --run runs/hippocampus-laptop --trial nnunet/Conv --input images --out predictions`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p.options = &f.options
			return p.execute(cmd)
		},
	}
	flag := cmd.Flags()
	flag.StringSliceVar(&p.models, "model", nil, "model folders of nnU-Net's layout")
	flag.StringVar(&p.run, "run", "", "run directory")
	flag.StringVar(&p.trial, "trial", "", "trial, or baseline, as `runspec show` names it")
	flag.StringSliceVar(&p.input, "input", nil, "folder of images, or image files")
	flag.StringVar(&p.out, "out", "", "folder of the predictions")
	flag.StringSliceVar(&p.folds, "folds", nil, "folds, such as 0,1 or all (default those that are there)")
	flag.StringVar(&p.checkpoint, "checkpoint", "", "final or best (default final; of a trial the one that was validated)")
	flag.Float64Var(&p.step, "step", 0.5, "largest distance of windows, relative to the patch")
	flag.BoolVar(&p.noMirroring, "no-mirroring", false, "predict without mirrored inputs: faster, and a little worse")
	flag.BoolVar(&p.probabilities, "save-probabilities", false, "keep probabilities too: CASE.npz, and their grid as CASE.json")
	flag.BoolVar(&p.resume, "continue", false, "pass over cases that are there")
	flag.StringVar(&p.post, "postprocessing", "", "postprocessing.json to apply")
	requireFlags(cmd, "input", "out")
	return cmd
}

// open makes the models; close frees them.
func (p *prediction) open(cmd *cobra.Command) (models []predict.Model, close func(), err error) {
	var closers []func()
	close = func() {
		for _, c := range closers {
			c()
		}
	}
	sets, err := p.trained(cmd)
	if err != nil {
		return nil, close, err
	}
	at, err := p.place(cmd, sets)
	if err != nil {
		return nil, close, err
	}
	for _, set := range sets {
		m, done, err := train.NewModel(set, at)
		if err != nil {
			close()
			return nil, close, err
		}
		closers = append(closers, done)
		if len(models) > 0 && !slices.EqualFunc(m.Dataset.Labels, models[0].Dataset.Labels, sameLabel) {
			done()
			close()
			return nil, func() {}, fmt.Errorf("%s has other labels than %s; their probabilities can't be averaged", p.models[len(models)], p.models[0])
		}
		m.Step = p.step
		if p.noMirroring {
			m.Mirror = nil
		}
		models = append(models, m)
	}
	return models, close, nil
}

// place is where the networks predict: on the first device, where there is one, a
// run's in the precision that they were trained in.
func (p *prediction) place(cmd *cobra.Command, sets [][]train.Trained) (train.Place, error) {
	w := accelerator.Wish{Engine: p.options.Engine, Devices: p.options.Devices}
	c, err := accelerator.Choose(w, func(path string) ([]accelerator.Device, error) { return run.Probe(cmd.Context(), path) })
	at := train.Place{Threads: p.options.Threads}
	if err != nil || len(c.Devices) == 0 {
		return at, err
	}
	c.Devices[0].Grows = true // a training may be on it
	at.Device, at.Executables = &c.Devices[0], p.options.Executables()
	at.Precision = at.Device.Precision()
	how := ", its own"
	if p.run != "" {
		at.Precision, how = precision(c.Devices[0], sets)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "networks predict on %s, in %s%s\n", at.Device, at.Precision, how)
	return at, nil
}

// precision is the one that all networks were trained in, where the device has
// it, else the device's own; how tells which. Jobs of the processor may name none:
// it has float32 alone.
func precision(d accelerator.Device, sets [][]train.Trained) (p engine.Precision, how string) {
	var all []engine.Precision
	for _, t := range slices.Concat(sets...) {
		one := engine.Precision(t.Job.Training.Precision)
		if one == "" {
			one = engine.FP32
		}
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	switch {
	case len(all) != 1:
		return d.Precision(), ", its own: they were trained in several"
	case !d.Has(all[0]):
		return d.Precision(), fmt.Sprintf(", its own: it lacks %s, which they were trained in", all[0])
	}
	return all[0], ", which they were trained in"
}

func sameLabel(a, b nnunet.Label) bool { return slices.Equal(a.Values, b.Values) }

// trained reads each model's trainings.
func (p *prediction) trained(cmd *cobra.Command) (sets [][]train.Trained, err error) {
	switch {
	case len(p.models) > 0 && p.run == "" && p.trial == "":
	case len(p.models) == 0 && p.run != "" && p.trial != "":
		folders, _, err := p.folders()
		if err != nil {
			return nil, err
		}
		var set []train.Trained
		for _, dir := range folders {
			one, err := train.ReadTrained(dir, p.checkpoint)
			if err != nil {
				return nil, err
			}
			set = append(set, one)
		}
		return [][]train.Trained{set}, nil
	default:
		return nil, errors.New("name the networks: --model DIR, or --run DIR with --trial ID")
	}
	for _, dir := range p.models {
		m, err := exchange.ReadModel(dir, exchange.ReadOptions{Folds: p.folds, Checkpoint: p.checkpoint})
		if err != nil {
			return nil, err
		}
		for _, field := range m.Plans.Unknown {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s is not known and was passed over\n", filepath.Join(dir, "plans.json"), field)
		}
		set, err := m.Trained()
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, nil
}

func (p *prediction) execute(cmd *cobra.Command) error {
	if !(p.step > 0 && p.step <= 1) {
		return fmt.Errorf("--step %v: it must be above 0 and at most 1", p.step)
	}
	models, close, err := p.open(cmd)
	if err != nil {
		return err
	}
	defer close()
	var steps []evaluate.Step
	if p.post != "" {
		if steps, err = evaluate.ReadPostprocessing(p.post); err != nil {
			return err
		}
	}
	cases, err := dataset.Inputs(p.input, models[0].Dataset)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(p.out, 0o755); err != nil {
		return err
	}
	todo, err := p.todo(cases, models[0].Dataset.FileEnding)
	if err != nil {
		return err
	}
	for i, c := range todo {
		path := filepath.Join(p.out, c.ID+models[0].Dataset.FileEnding)
		if err := p.one(cmd, models, c, path, steps); err != nil {
			return fmt.Errorf("case %s: %w", c.ID, err)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d: %s\n", i+1, len(todo), path)
	}
	return nil
}

// todo are the cases whose predictions are not there. Before anything is
// predicted, one that is there is refused, unless it is to be passed over.
func (p *prediction) todo(cases []dataset.RawCase, ending string) ([]dataset.RawCase, error) {
	var todo []dataset.RawCase
	for _, c := range cases {
		path := filepath.Join(p.out, c.ID+ending)
		_, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			todo = append(todo, c)
		case err != nil:
			return nil, err
		case !p.resume:
			return nil, fmt.Errorf("%s is there already; choose another folder, or --continue to pass over what is there", path)
		}
	}
	return todo, nil
}

// one predicts a case. Its segmentation is written last: where it is, all is.
func (p *prediction) one(cmd *cobra.Command, models []predict.Model, c dataset.RawCase, path string, steps []evaluate.Step) error {
	ctx := cmd.Context()
	var labels *volume.Labels
	if len(models) == 1 && !p.probabilities {
		var err error
		if labels, err = models[0].Labels(ctx, c); err != nil {
			return err
		}
	} else {
		var all []predict.Probabilities
		for _, m := range models {
			one, err := m.Probabilities(ctx, c)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		mean, err := predict.Average(all)
		if err != nil {
			return err
		}
		if p.probabilities {
			if err := mean.Write(strings.TrimSuffix(path, models[0].Dataset.FileEnding)); err != nil {
				return err
			}
		}
		if labels, err = mean.Labels(models[0].Dataset); err != nil {
			return err
		}
	}
	return writeLabels(path, *labels, steps)
}

// writeLabels applies post-processing and writes a segmentation.
func writeLabels(path string, l volume.Labels, steps []evaluate.Step) error {
	for _, s := range steps {
		l = s.Apply(l)
	}
	return volume.WriteLabels(path, &l)
}

func ensembleCommand() *cobra.Command {
	var input []string
	var out, datasetFile string
	cmd := &cobra.Command{
		Use:     "ensemble --input DIR,DIR --out DIR --dataset-json FILE",
		Short:   "Average the probabilities that predict kept, and decide anew",
		Example: "  runspec nnunet ensemble --input fullres,lowres --dataset-json dataset.json --out ensemble",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := readAs(datasetFile, nnunet.ReadDataset)
			if err != nil {
				return err
			}
			return ensemble(input, out, d)
		},
	}
	cmd.Flags().StringSliceVar(&input, "input", nil, "folders of CASE.npz")
	cmd.Flags().StringVar(&out, "out", "", "folder of the segmentations")
	cmd.Flags().StringVar(&datasetFile, "dataset-json", "", "nnU-Net's dataset.json")
	requireFlags(cmd, "input", "out", "dataset-json")
	return cmd
}

// ensemble averages the probabilities of each case over folders, which must all
// have the same cases, as nnU-Net demands.
func ensemble(folders []string, out string, d nnunet.Dataset) error {
	if len(folders) < 2 {
		return errors.New("an ensemble is of two folders of probabilities at least: --input DIR,DIR")
	}
	names, err := sameFiles(folders)
	if err != nil {
		return fmt.Errorf("%w; predict with --save-probabilities", err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		stem := strings.TrimSuffix(name, ".npz")
		var all []predict.Probabilities
		for _, dir := range folders {
			one, err := predict.ReadProbabilities(filepath.Join(dir, stem), d.FileEnding)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		mean, err := predict.Average(all)
		if err != nil {
			return fmt.Errorf("case %s: %w", stem, err)
		}
		labels, err := mean.Labels(d)
		if err != nil {
			return fmt.Errorf("case %s: %w", stem, err)
		}
		if err := volume.WriteLabels(filepath.Join(out, stem+d.FileEnding), labels); err != nil {
			return err
		}
	}
	return nil
}

// sameFiles are the names of the probabilities that every folder has; one that
// a folder lacks is an error.
func sameFiles(folders []string) ([]string, error) {
	names, err := evaluate.Files(folders[0], ".npz")
	if err != nil {
		return nil, err
	}
	for _, dir := range folders[1:] {
		others, err := evaluate.Files(dir, ".npz")
		if err != nil {
			return nil, err
		}
		for _, pair := range []struct {
			have, want []string
			dir        string
		}{{others, names, dir}, {names, others, folders[0]}} {
			for _, name := range pair.want {
				if !slices.Contains(pair.have, name) {
					return nil, fmt.Errorf("%s is missing, which another folder has", filepath.Join(pair.dir, name))
				}
			}
		}
	}
	return names, nil
}
