package runtime

import (
	"slices"

	"runspec/compiler/plan"
	"runspec/runtime/search"
)

// Folder is where the files of a trial's training on a fold lie, relative to
// the run directory. The approach is a baseline's or a study's name.
func Folder(dataset, approach, trial string, fold plan.Fold) string {
	return folder(dataset, approach, trial, fold)
}

// Method is a study's search on one of the plan's data sets: each has its own
// seed, and its space the number of stages of the data set's network.
func Method(study plan.Study, d plan.Dataset) (search.Method, error) {
	study, err := study.Bound(d)
	if err != nil {
		return nil, err
	}
	study.Seed = mixName(study.Seed, d.Name)
	study.Known = slices.DeleteFunc(slices.Clone(study.Known), func(k plan.Known) bool { return k.Dataset != d.Name })
	return search.New(study)
}
