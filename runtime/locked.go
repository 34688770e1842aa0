package runtime

import (
	"runspec/compiler/plan"
	"runspec/runtime/dataset"
)

// Locked is what a plan comes to, for its lock.
func Locked(p *plan.Plan) (plan.Locked, error) { return plan.NewLocked(p, splits) }

// splits names nnU-Net's five folds of so many cases.
func splits(cases int) (string, error) {
	folds, err := dataset.Folds(cases)
	if err != nil {
		return "", err
	}
	return plan.Digest(folds)
}
