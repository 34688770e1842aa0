package runtime

import (
	"fmt"
	"slices"

	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
	"runspec/compiler/space"
	"runspec/runtime/engine"
)

// checkRegions refuses losses that a data set with regions cannot be trained by,
// before anything is.
func checkRegions(p *plan.Plan, d nnunet.Dataset) error {
	if !d.HasRegions() {
		return nil
	}
	const why = "%s is trained by %s, which ranks voxels among exclusive classes, and dataset.json has regions; choose another loss_function"
	if p.Training.Hyperparameters.LossFunction == string(engine.TopK) {
		return fmt.Errorf(why, "the default", engine.TopK)
	}
	for _, s := range p.Studies {
		i := slices.IndexFunc(s.Space.Parameters, func(x space.Parameter) bool { return x.Name == "loss_function" })
		if i < 0 {
			continue
		}
		x := s.Space.Parameters[i]
		values := slices.Clone(x.Choices)
		if x.Default != nil { // a constant's value
			values = append(values, *x.Default)
		}
		for _, v := range values {
			if text, _ := v.Text(); text == string(engine.TopK) {
				return fmt.Errorf(why, "study "+s.Name, engine.TopK)
			}
		}
	}
	return nil
}
