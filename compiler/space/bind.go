package space

import (
	"fmt"
	"slices"

	"runspec/compiler/grammar"
)

// Stages is the grammar variable that a data set's plan binds: the number of
// stages of nnU-Net's network for it.
const Stages = "stages"

// Bind is s with the grammars of a data set whose plan has a number of stages.
// A space without grammars stays as it is. An error is diag.Diagnostics of the
// grammar's file behind the parameter's name.
func (s Space) Bind(stages int) (Space, error) {
	out := Space{Parameters: slices.Clone(s.Parameters)}
	for i := range out.Parameters {
		p := &out.Parameters[i]
		if p.Kind != Grammar || p.Template == nil {
			continue
		}
		g, ds := p.Template.Bind(grammar.Variables{Stages: stages})
		if len(ds) > 0 {
			return s, fmt.Errorf("parameter %s: %w", p.Name, ds)
		}
		p.Grammar = &g
	}
	return out, nil
}
