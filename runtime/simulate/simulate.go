// Package simulate holds black boxes in the place of trainings: a closed
// formula of loss and cost under a configuration and a number of epochs, and a
// table of measured networks; and a virtual clock on which a study's trials run
// with any number of workers. Searches are compared on them in seconds.
//
// Nothing here is measured on data: whatever comes of it is a simulation.
package simulate

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"runspec/compiler/grammar"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/grammars"
)

//go:embed data
var data embed.FS

// Problem is a black box with a space, and the measure of what a search finds.
type Problem struct {
	Name     string
	Space    space.Space
	Fidelity plan.Fidelity
	Metric   Metric
	Box      Box
}

// Box is a black box: the objectives of a configuration after some epochs, both
// minimised. It has no noise.
type Box interface {
	Evaluate(c space.Configuration, epochs float64) ([]float64, error)
}

// The problems that are at hand.
const (
	FormulaHPO     = "formula-hpo"      // the paper's eight hyperparameters
	FormulaHPONAS  = "formula-hpo-nas"  // and seven of the network
	FormulaHPOHNAS = "formula-hpo-hnas" // or a derivation of the grammar of U-Nets, of six stages, in their place
	NB201          = "nb201"            // NAS-Bench-201 on CIFAR-10
)

// Names lists the problems.
func Names() []string { return []string{FormulaHPO, FormulaHPONAS, FormulaHPOHNAS, NB201} }

// Open makes the named problem. A formula takes the place of the one that is
// built in; nil leaves it.
func Open(name string, formula *Formula) (Problem, error) {
	if name == NB201 {
		return openTable()
	}
	if !slices.Contains(Names(), name) {
		return Problem{}, fmt.Errorf("there is no benchmark %q; there are %s", name, strings.Join(Names(), ", "))
	}
	if formula == nil {
		f, err := BuiltIn()
		if err != nil {
			return Problem{}, err
		}
		formula = &f
	}
	s, err := spaceOf(name)
	if err != nil {
		return Problem{}, err
	}
	b := formula.Constants.Bounds
	return Problem{
		Name: name, Space: s, Fidelity: plan.Fidelity{Unit: "epochs", Min: 10, Max: 1000, Eta: 3, Horizon: 1000},
		Metric: Metric{Low: []float64{b.Loss[0], b.Runtime[0]}, High: []float64{b.Loss[1], b.Runtime[1]}, Reference: formula.Constants.Ref},
		Box:    *formula,
	}, nil
}

// hierarchical is how many stages the trees of FormulaHPOHNAS have at most: those
// of eight of Auto-nnU-Net's ten data sets.
const hierarchical = 6

// spaceOf is the space of a formula's problem.
func spaceOf(name string) (space.Space, error) {
	spaces := map[string]space.Space{}
	if err := decode("spaces.json", &spaces); err != nil {
		return space.Space{}, err
	}
	s := spaces[name]
	if name != FormulaHPOHNAS {
		return s, nil
	}
	s.Parameters = append(s.Parameters, spaces[FormulaHPO].Parameters...)
	for i, p := range s.Parameters {
		if p.Kind == space.Grammar {
			s.Parameters[i].Template = &grammar.Template{File: "grammars/unet.hcl", HCL: string(grammars.UNet)}
		}
	}
	return s.Bind(hierarchical)
}

func decode(name string, into any) error {
	text, err := data.ReadFile("data/" + name)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("benchmark data %s: %w", name, err)
	}
	return nil
}
