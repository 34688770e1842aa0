package runtime

import (
	"runspec/compiler/plan"
	"runspec/runtime/dataset"
)

// Locked is what the plan of a spec under some tags comes to, for its lock.
func Locked(p *plan.Plan, tags map[string]string) (plan.Locked, error) {
	return plan.NewLocked(p, tags, splits)
}

// splits names nnU-Net's five folds of so many cases.
func splits(cases int) (string, error) {
	folds, err := dataset.Folds(cases)
	if err != nil {
		return "", err
	}
	return plan.Digest(folds)
}
