package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"runspec/runtime/durable"
	"runspec/runtime/exchange"
	"runspec/runtime/inspect"

	run "runspec/runtime"
)

// chosen is a trial of a run whose model leaves it.
type chosen struct {
	run, trial, out, checkpoint string
	folds                       []string // "0" to "4", "all"
}

func (c *chosen) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.run, "run", "", "run directory")
	cmd.Flags().StringVar(&c.trial, "trial", "", "trial, or baseline, as `runspec show` names it")
	cmd.Flags().StringVar(&c.out, "out", "", "where to write")
	cmd.Flags().StringSliceVar(&c.folds, "folds", nil, "folds (default all that were trained)")
	cmd.Flags().StringVar(&c.checkpoint, "checkpoint", "", "final or best (default the one that was validated)")
	for _, name := range []string{"run", "trial", "out"} {
		cmd.MarkFlagRequired(name)
	}
}

// folders are those of the trial's finished trainings, and its data set's name.
func (c *chosen) folders() (folders []string, dataset string, err error) {
	r, err := inspect.Open(c.run)
	if err != nil {
		return nil, "", err
	}
	t, err := r.Trial(c.trial)
	if err != nil {
		return nil, "", err
	}
	wanted := map[string]bool{}
	for _, f := range c.folds {
		wanted[f] = true
	}
	for _, f := range t.Folds {
		if len(c.folds) == 0 && f.State == inspect.Done || wanted[f.Fold.String()] {
			folders = append(folders, f.Directory)
			delete(wanted, f.Fold.String())
		}
	}
	if len(wanted) > 0 || len(folders) == 0 {
		return nil, "", fmt.Errorf("trial %s has no finished training of the folds asked for; `runspec show %s` lists those there are", t.Name, c.trial)
	}
	return folders, t.Dataset, nil
}

// model reads the trial's trainings.
func (c *chosen) model() (exchange.Model, []exchange.Training, error) {
	folders, dataset, err := c.folders()
	if err != nil {
		return exchange.Model{}, nil, err
	}
	return exchange.FromTrial(dataset, folders, c.checkpoint)
}

func (f *flags) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export nnunet|onnx|safetensors",
		Short: "Write a trained network for other programs",
	}
	return group(cmd, exportNNUNet(), exportFiles("onnx", "one ONNX file for each fold: image in, logits out", exchange.WriteONNX),
		exportFiles("safetensors", "one safetensors file for each fold, under PyTorch's names", exchange.WriteSafetensors))
}

func exportNNUNet() *cobra.Command {
	var c chosen
	cmd := &cobra.Command{
		Use:   "nnunet --run DIR --trial ID --out DIR",
		Short: "Write a model folder that nnUNetv2_predict_from_modelfolder loads",
		Example: `  runspec export nnunet --run runs/hippocampus-laptop --trial nnunet/Conv --out model
  nnUNetv2_predict_from_modelfolder -i images -o predictions -m model -f 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, trainings, err := c.model()
			if err != nil {
				return err
			}
			if err := exchange.WriteModel(c.out, m, trainings); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "written: %s, %s, folds %v\n", c.out, m.Configuration.Name, m.FoldNames())
			return nil
		},
	}
	c.bind(cmd)
	return cmd
}

// exportFiles is an export of one file for each fold.
func exportFiles(ending, what string, encode func(exchange.Model, exchange.Fold) ([]byte, error)) *cobra.Command {
	var c chosen
	cmd := &cobra.Command{
		Use:   ending + " --run DIR --trial ID --out DIR",
		Short: "Write " + what,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, _, err := c.model()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(c.out, 0o755); err != nil {
				return err
			}
			for _, fold := range m.Folds {
				text, err := encode(m, fold)
				if err != nil {
					return err
				}
				path := filepath.Join(c.out, fmt.Sprintf("fold_%s.%s", fold.Name, ending))
				if err := durable.Write(path, text); err != nil {
					return err
				}
				fmt.Fprintln(cmd.ErrOrStderr(), "written:", path)
			}
			return nil
		},
	}
	c.bind(cmd)
	return cmd
}

func (f *flags) importCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "import nnunet|table",
		Short: "Bring another program's result into a run's tables",
	}, importNNUNet(), importTable())
}

// bindOutside declares the flags of an import.
func bindOutside(cmd *cobra.Command, dir *string, x *run.Outside) {
	cmd.Flags().StringVar(dir, "run", "", "run directory")
	cmd.Flags().StringVar(&x.Name, "name", "", "name of the row")
	cmd.Flags().StringVar(&x.Dataset, "dataset", "", "data set of the run (default its only one)")
	cmd.Flags().BoolVar(&x.Force, "force", false, "take the place of an import of the same name")
	cmd.MarkFlagRequired("run")
}

// bring imports and prints the tables.
func bring(cmd *cobra.Command, dir string, x run.Outside) error {
	r, taken, err := run.Import(dir, x)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", x.Source, taken)
	return r.Terminal(cmd.OutOrStdout())
}

func importNNUNet() *cobra.Command {
	var dir string
	var x run.Outside
	var o exchange.ReadOptions
	cmd := &cobra.Command{
		Use:   "nnunet MODEL --run DIR",
		Short: "Bring in a model folder that nnU-Net trained: its folds' validation becomes a row",
		Long: `import nnunet reads a model folder of nnU-Net's with its folds' checkpoints and
validation/summary.json. Their Dice of each case become a row of the run's tables.
The folder itself is a model to predict with: runspec nnunet predict --model MODEL.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := exchange.ReadModel(args[0], o)
			if err != nil {
				return err
			}
			for _, field := range m.Plans.Unknown {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s is not known and was passed over\n", filepath.Join(args[0], "plans.json"), field)
			}
			if x.Name == "" {
				x.Name = "nnU-Net's " + m.Trainer + " " + m.Configuration.Name
			}
			x.Source = run.SourceOf(args[0])
			x.Cases = func([]string) ([]exchange.CaseDice, error) { return m.Cases() }
			return bring(cmd, dir, x)
		},
	}
	bindOutside(cmd, &dir, &x)
	cmd.Flags().StringSliceVar(&o.Folds, "folds", nil, "folds of the model (default all that are there)")
	return cmd
}

func importTable() *cobra.Command {
	var dir string
	var x run.Outside
	cmd := &cobra.Command{
		Use:   "table F.csv --run DIR --name NAME",
		Short: "Bring in an outside method's Dice of each case from CSV",
		Long: `import table reads CSV with a header: "case" and a column for each label, or
"case", "label" and "dice". An empty cell means that the case has no score of the
label. With a column "fold" the table may have more folds than the run, and the
splits are compared.`,
		Example: "  runspec import table medsam2.csv --run runs/hippocampus-laptop --name MedSAM2",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x.Source = run.SourceOf(args[0])
			x.Cases = func(labels []string) ([]exchange.CaseDice, error) { return exchange.ReadTable(args[0], labels) }
			return bring(cmd, dir, x)
		},
	}
	bindOutside(cmd, &dir, &x)
	cmd.MarkFlagRequired("name")
	return cmd
}
