package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"runspec/compiler/nnunet"
	"runspec/runtime/evaluate"
	"runspec/runtime/volume"
)

// judged is how segmentations are compared with references.
type judged struct {
	predictions, references, dataset, regions string
	labels                                    []int
	ignore                                    int
	chill                                     bool
}

func (j *judged) bind(cmd *cobra.Command) {
	flag := cmd.Flags()
	flag.StringVar(&j.predictions, "pred", "", "folder of segmentations")
	flag.StringVar(&j.references, "ref", "", "folder of references, with the same names")
	flag.StringVar(&j.dataset, "dataset-json", "", "nnU-Net's dataset.json, whose labels and regions count")
	flag.IntSliceVar(&j.labels, "labels", nil, "labels, such as 1,2")
	flag.StringVar(&j.regions, "regions", "", "regions, such as 1,2,3;2,3;3")
	flag.IntVar(&j.ignore, "ignore", 0, "label of the references that counts nowhere")
	flag.BoolVar(&j.chill, "chill", false, "pass over references without a prediction")
	requireFlags(cmd, "pred", "ref")
	cmd.MarkFlagsOneRequired("dataset-json", "labels", "regions")
	cmd.MarkFlagsMutuallyExclusive("dataset-json", "labels", "regions")
}

// options say what is compared.
func (j *judged) options(cmd *cobra.Command, threads int) (evaluate.FolderOptions, error) {
	o := evaluate.FolderOptions{Ignore: j.ignore, Chill: j.chill, Workers: threads,
		Warn: warner(cmd)}
	if j.dataset != "" {
		d, err := readAs(j.dataset, nnunet.ReadDataset)
		o.Labels, o.Ending = d.Labels, d.FileEnding
		if j.ignore == 0 {
			o.Ignore = d.Ignore
		}
		return o, err
	}
	o.Labels = []nnunet.Label{{Name: "background", Values: []int{0}}}
	for _, v := range j.labels {
		o.Labels = append(o.Labels, nnunet.Label{Name: strconv.Itoa(v), Values: []int{v}})
	}
	for _, text := range strings.FieldsFunc(j.regions, func(r rune) bool { return r == ';' }) {
		var l nnunet.Label
		for _, part := range strings.Split(text, ",") {
			v, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil {
				return o, fmt.Errorf("--regions %q: %q is no label; write regions such as 1,2,3;2,3;3", j.regions, part)
			}
			l.Values = append(l.Values, v)
		}
		l.Name, l.Listed = strings.TrimSpace(text), len(l.Values) == 1
		o.Labels = append(o.Labels, l)
	}
	return o, nil
}

func (f *flags) evaluateCommand() *cobra.Command {
	var j judged
	var out string
	cmd := &cobra.Command{
		Use:   "evaluate --pred DIR --ref DIR --dataset-json FILE | --labels LIST | --regions LIST",
		Short: "Compare segmentations with references: Dice, IoU and counts, as nnU-Net's summary.json",
		Example: `  runspec nnunet evaluate --pred predictions --ref labelsTr --dataset-json dataset.json --out summary.json
  runspec nnunet evaluate --pred predictions --ref labelsTr --labels 1,2 --chill`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := j.options(cmd, f.options.Threads)
			if err != nil {
				return err
			}
			s, err := evaluate.Folder(cmd.Context(), j.references, j.predictions, o)
			if err != nil {
				return err
			}
			if out != "" {
				if err := s.Write(out); err != nil {
					return err
				}
			}
			return s.WriteTable(cmd.OutOrStdout(), o.Labels)
		},
	}
	j.bind(cmd)
	cmd.Flags().StringVar(&out, "out", "", "file to write nnU-Net's summary.json to")
	return cmd
}

func (f *flags) postprocessCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "postprocess determine|apply",
		Short: "Find out whether keeping the largest component helps, and do it",
	}, f.determineCommand(), applyCommand())
}

func (f *flags) determineCommand() *cobra.Command {
	var j judged
	var out string
	cmd := &cobra.Command{
		Use:   "determine --pred DIR --ref DIR --dataset-json FILE --out postprocessing.json",
		Short: "Choose the steps that raise the mean Dice of a validation folder",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := j.options(cmd, f.options.Threads)
			if err != nil {
				return err
			}
			pairs, err := evaluate.Pairs(j.references, j.predictions, o)
			if err != nil {
				return err
			}
			p, err := evaluate.DeterminePostprocessing(pairs, o.Labels, o.Ignore)
			if err != nil {
				return err
			}
			for _, s := range p.Steps {
				fmt.Fprintf(cmd.OutOrStdout(), "keep the largest component of %v\n", s.Values)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "foreground Dice %.4f, afterwards %.4f\n", p.Before.ForegroundMean.Dice, p.After.ForegroundMean.Dice)
			return p.Write(out)
		},
	}
	j.bind(cmd)
	cmd.Flags().StringVar(&out, "out", "", "postprocessing.json, as nnU-Net writes it")
	requireFlags(cmd, "out")
	return cmd
}

func applyCommand() *cobra.Command {
	var from, post, out string
	cmd := &cobra.Command{
		Use:   "apply --pred DIR --postprocessing FILE --out DIR",
		Short: "Apply steps to a folder of segmentations",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			steps, err := evaluate.ReadPostprocessing(post)
			if err != nil {
				return err
			}
			names, err := evaluate.Files(from, "")
			if err != nil {
				return err
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return err
			}
			for _, name := range slices.Sorted(slices.Values(names)) {
				l, err := volume.ReadLabels(filepath.Join(from, name))
				if err != nil {
					return err
				}
				if err := writeLabels(filepath.Join(out, name), *l, steps); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "pred", "", "folder of segmentations")
	cmd.Flags().StringVar(&post, "postprocessing", "", "postprocessing.json")
	cmd.Flags().StringVar(&out, "out", "", "folder of the results")
	requireFlags(cmd, "pred", "postprocessing", "out")
	return cmd
}
