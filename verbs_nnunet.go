package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"runspec/compiler/nnunet"
	"runspec/runtime/dataset"
	"runspec/runtime/durable"
)

// nnunetCommand groups what nnU-Net does step by step, on nnU-Net's own files.
func (f *flags) nnunetCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "nnunet",
		Short: "nnU-Net's steps one by one, from and to nnU-Net's own files",
	}, nnunetPlanCommand(), f.fingerprintCommand(), preprocessCommand(),
		f.predictCommand(), ensembleCommand(), f.evaluateCommand(), f.postprocessCommand())
}

func nnunetPlanCommand() *cobra.Command {
	var datasetFile, fingerprintFile, planner, name string
	var spacing []float64
	var o nnunet.Options
	cmd := &cobra.Command{
		Use:   "plan --dataset-json FILE --fingerprint FILE",
		Short: "Print the plans of a data set as nnU-Net's planners make them",
		Example: `  runspec nnunet plan --dataset-json dataset.json --fingerprint dataset_fingerprint.json
  runspec nnunet plan --dataset-json d.json --fingerprint f.json --planner ResEncL --gpu-memory-gb 12`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := readAs(datasetFile, nnunet.ReadDataset)
			if err != nil {
				return err
			}
			fingerprint, err := readAs(fingerprintFile, nnunet.ReadFingerprint)
			if err != nil {
				return err
			}
			d.Name = datasetName(name, datasetFile, d.Name)
			o.Planner = nnunet.Planner(planner)
			if cmd.Flags().Changed("gpu-memory-gb") && !(o.MemoryGB > 0) {
				return fmt.Errorf("--gpu-memory-gb %v: it must be positive", o.MemoryGB)
			}
			if cmd.Flags().Changed("overwrite-spacing") {
				if len(spacing) != 3 || !(min(spacing[0], spacing[1], spacing[2]) > 0) {
					return fmt.Errorf("--overwrite-spacing %v: give three positive lengths in mm, z,y,x", spacing)
				}
				o.OverwriteSpacing = [3]float64(spacing)
			}
			s, err := nnunet.Plan(d, fingerprint, o)
			if err != nil {
				return err
			}
			text, err := nnunet.MarshalPlans(d, nnunet.Plans{Settings: s})
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().StringVar(&datasetFile, "dataset-json", "", "nnU-Net's dataset.json")
	cmd.Flags().StringVar(&fingerprintFile, "fingerprint", "", "nnU-Net's dataset_fingerprint.json, which `runspec nnunet fingerprint` prints")
	cmd.Flags().StringVar(&planner, "planner", string(nnunet.ConvPlanner), "Conv, ResEncM, ResEncL or ResEncXL")
	cmd.Flags().Float64Var(&o.MemoryGB, "gpu-memory-gb", 0, "memory that a network may fill (default the planner's: 8, 8, 24, 40)")
	cmd.Flags().Float64SliceVar(&spacing, "overwrite-spacing", nil, "target spacing of 3d_fullres in mm, z,y,x before transposition")
	cmd.Flags().BoolVar(&o.SuppressTranspose, "suppress-transpose", false, "keep the order of the axes even where another one is coarser")
	cmd.Flags().StringVar(&name, "dataset-name", "", "dataset_name of the plans (default the folder's, such as Dataset004_Hippocampus)")
	requireFlags(cmd, "dataset-json", "fingerprint")
	return cmd
}

// requireFlags marks flags that have no default.
func requireFlags(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // there is no such flag: a slip in this file
		}
	}
}

// readAs reads a file of nnU-Net's; an error names it.
func readAs[T any](path string, read func([]byte) (T, error)) (T, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		var none T
		return none, err
	}
	v, err := read(text)
	if err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

var datasetFolder = regexp.MustCompile(`^Dataset\d{3}_`)

// datasetName is what was asked for, or the name of dataset.json's folder if it
// is one of nnU-Net's, or the name that the file itself has.
func datasetName(asked, file, own string) string {
	if asked != "" {
		return asked
	}
	if path, err := filepath.Abs(file); err == nil {
		if folder := filepath.Base(filepath.Dir(path)); datasetFolder.MatchString(folder) {
			return folder
		}
	}
	return own
}

func (f *flags) fingerprintCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "fingerprint --data DIR",
		Short:   "Print nnU-Net's fingerprint of a data set: spacings, shapes, intensities",
		Long:    "fingerprint reads the labelled cases of a folder in the Decathlon's or nnU-Net's raw\nlayout: dataset.json, imagesTr and labelsTr.",
		Example: `  runspec nnunet fingerprint --data nnUNet_raw/Dataset004_Hippocampus --out dataset_fingerprint.json`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.options.DataDir == "" {
				return errors.New("name the data set's folder with --data; dataset.json, imagesTr and labelsTr lie in it")
			}
			raw, err := dataset.Open(f.options.DataDir)
			if err != nil {
				return err
			}
			raw.Warn = warner(cmd)
			fingerprint, err := dataset.Extract(cmd.Context(), raw, f.options.Threads, nil)
			if err != nil {
				return err
			}
			text, err := nnunet.WriteFingerprint(fingerprint)
			if err != nil {
				return err
			}
			if out != "" {
				return durable.Write(out, text)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write instead of the standard output")
	return cmd
}

// preprocessed are the arguments of preprocess.
type preprocessed struct {
	plans, dataset, configuration, label, out string
	images                                    []string
}

func preprocessCommand() *cobra.Command {
	var p preprocessed
	cmd := &cobra.Command{
		Use:   "preprocess --plans FILE --dataset-json FILE --image FILE[,FILE...] --out DIR",
		Short: "Prepare one case as nnU-Net does: data.npy, seg.npy and properties.json",
		Long: `preprocess writes data.npy (float32, channels × z × y × x), seg.npy (int16) and
properties.json into a folder. seg.npy has the labels, and -1 for background outside of
the nonzero mask; without --label it is that mask alone, 0 inside and -1 outside.`,
		Example: `  runspec nnunet preprocess --plans nnUNetPlans.json --dataset-json dataset.json --configuration 3d_fullres \
    --image imagesTr/a_0000.nii.gz,imagesTr/a_0001.nii.gz --label labelsTr/a.nii.gz --out a`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.write(cmd) },
	}
	cmd.Flags().StringVar(&p.plans, "plans", "", "nnU-Net's plans file")
	cmd.Flags().StringVar(&p.dataset, "dataset-json", "", "nnU-Net's dataset.json")
	cmd.Flags().StringVar(&p.configuration, "configuration", "3d_fullres", "2d, 3d_lowres, 3d_fullres, 3d_cascade_fullres or another of the plans'")
	cmd.Flags().StringSliceVar(&p.images, "image", nil, "the image: one file, or one for each channel")
	cmd.Flags().StringVar(&p.label, "label", "", "the labels, if there are any")
	cmd.Flags().StringVar(&p.out, "out", "", "folder to write into")
	requireFlags(cmd, "plans", "dataset-json", "image", "out")
	return cmd
}

func (p preprocessed) write(cmd *cobra.Command) error {
	d, err := readAs(p.dataset, nnunet.ReadDataset)
	if err != nil {
		return err
	}
	plans, err := readAs(p.plans, nnunet.ReadPlans)
	if err != nil {
		return err
	}
	warnUnknown(cmd, p.plans, plans)
	conf, err := plans.Configuration(p.configuration, d)
	if err != nil {
		return fmt.Errorf("%s: %w", p.plans, err)
	}
	id := strings.TrimSuffix(filepath.Base(p.images[0]), d.FileEnding)
	c, err := dataset.Preprocess(dataset.RawCase{ID: id, Images: p.images, Label: p.label, Mask: true}, d, plans.Settings, conf)
	if err != nil {
		return err
	}
	for _, what := range c.Odd {
		warner(cmd)(what)
	}
	return c.WriteArrays(p.out, d)
}

// warner tells of what is odd and does not hinder.
func warner(cmd *cobra.Command) func(what string) {
	return func(what string) { fmt.Fprintln(cmd.ErrOrStderr(), "warning:", what) }
}

// warnUnknown says which fields of a plans file were passed over.
func warnUnknown(cmd *cobra.Command, file string, p nnunet.Plans) {
	for _, field := range p.Unknown {
		warner(cmd)(file + ": " + field + ": runspec does not know this field, and passes it over")
	}
}
