package runtime

import (
	"runspec/compiler/plan"
	"runspec/runtime/search"
)

// Folder is where the files of a trial's training on a fold lie, relative to
// the run directory. The approach is a baseline's or a study's name.
func Folder(dataset, approach, trial string, fold plan.Fold) string {
	return folder(dataset, approach, trial, fold)
}

// Method is a study's search on one of the plan's data sets: each has its own.
func Method(study plan.Study, dataset string) (search.Method, error) {
	study.Seed = mixName(study.Seed, dataset)
	return search.New(study)
}
