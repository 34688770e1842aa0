package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"runspec/compiler/plan"
	"runspec/compiler/survey"
)

// errUnsound is a space that no spec's mistake explains.
var errUnsound = errors.New("a space is not sound")

// spaceFlags are what the verbs below "space" share.
type spaceFlags struct {
	*flags
	look survey.Options
	json bool
}

func (f *flags) spaceCommand() *cobra.Command {
	s := &spaceFlags{flags: f}
	cmd := &cobra.Command{
		Use:   "space",
		Short: "Look at the search spaces of a spec: their size, samples with their networks, their trees",
		Long: `space looks at the spaces of a spec's studies. It searches and trains nothing and
downloads nothing. Networks are reckoned for data sets whose fingerprint is at
hand; of the others it shows what is known, with the published number of stages.`,
	}
	p := cmd.PersistentFlags()
	p.StringVar(&s.look.Study, "study", "", "study to look at (default all)")
	p.StringVar(&s.look.Dataset, "dataset", "", "data set to look at (default all; sample and tree: the first)")
	p.IntVar(&s.look.Stages, "stages", 0, "stages that grammars are bound to (default those of the data set's plan)")
	p.Uint64Var(&s.look.Seed, "seed", 0, "seed of samples")
	p.BoolVar(&s.json, "json", false, "print it as JSON")
	return group(cmd, s.statsCommand(), s.sampleCommand(), s.checkCommand(), s.treeCommand())
}

func (s *spaceFlags) statsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stats SPEC.cue",
		Short: "Count configurations and derivations, and sampled networks that do not fit",
		Example: `  runspec space stats experiments/msd.cue --study hpo_hnas
  runspec space stats experiments/hippocampus.cue --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.show(cmd, args[0], func(p *plan.Plan) (writer, error) { return survey.Count(p, s.look) })
		},
	}
	s.uniform(cmd)
	return cmd
}

func (s *spaceFlags) sampleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sample N SPEC.cue",
		Short: "Sample configurations, and show the network that each builds",
		Long: `sample draws N configurations of each study, from the prior or uniformly, and shows
their networks: memory is what a training step holds on a CPU, FLOPs are those of
the forward pass of one patch, two for each multiply-add. What can't be built, or
does not fit as planned, stands there with its cause.`,
		Example: `  runspec space sample 5 experiments/msd.cue --study hpo_hnas --dataset Dataset004_Hippocampus
  runspec space sample 100 experiments/msd.cue --uniform --seed 7 --json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[0])
			if err != nil || n < 1 || n > 1_000_000 {
				return fmt.Errorf("%q is no number of samples; write one from 1 to 1000000, such as 5", args[0])
			}
			return s.show(cmd, args[1], func(p *plan.Plan) (writer, error) {
				s.first(p)
				return survey.Draw(p, s.look, n)
			})
		},
	}
	s.uniform(cmd)
	return cmd
}

func (s *spaceFlags) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check SPEC.cue",
		Short:   "Check spaces: mistakes with their places, as vet; then defaults, priors and sampled networks",
		Example: `  runspec space check experiments/msd.cue`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.json {
				s.diagnostics = "json"
			}
			sound := true
			err := s.show(cmd, args[0], func(p *plan.Plan) (writer, error) {
				v, err := survey.Check(p, s.look)
				sound = v.Sound()
				return v, err
			})
			if err == nil && !sound {
				return errUnsound
			}
			return err
		},
	}
}

func (s *spaceFlags) treeCommand() *cobra.Command {
	var derive bool
	cmd := &cobra.Command{
		Use:   "tree SPEC.cue",
		Short: "Print spaces as trees: conditions, and the symbols of grammars",
		Example: `  runspec space tree experiments/msd.cue --study hpo_hnas --stages 4
  runspec space tree experiments/msd.cue --study hpo_hnas --sample --seed 3`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.show(cmd, args[0], func(p *plan.Plan) (writer, error) { return survey.Grow(p, s.look, derive) })
		},
	}
	cmd.Flags().BoolVar(&derive, "sample", false, "print a sampled derivation of each grammar too")
	s.uniform(cmd)
	return cmd
}

func (s *spaceFlags) uniform(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.look.Uniform, "uniform", false, "sample uniformly; else from the prior")
}

// first chooses the first data set, where none is named.
func (s *spaceFlags) first(p *plan.Plan) {
	if s.look.Dataset == "" && len(p.Datasets) > 0 {
		s.look.Dataset = p.Datasets[0].Name
	}
}

// writer is a look that a person can read.
type writer interface{ Write(io.Writer) error }

// show compiles a spec and prints a look at its plan.
func (s *spaceFlags) show(cmd *cobra.Command, path string, look func(*plan.Plan) (writer, error)) error {
	if s.look.Stages != 0 && s.look.Stages < 2 {
		return fmt.Errorf("--stages is %d; a U-Net has at least 2", s.look.Stages)
	}
	p, err := s.toShow(cmd, path)
	if err != nil {
		return err
	}
	v, err := look(p)
	if err != nil {
		return err
	}
	if s.json {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	return v.Write(cmd.OutOrStdout())
}
