package plan

import (
	"reflect"
	"slices"
	"strings"

	"runspec/compiler/space"
)

// rule classifies a change of one value. An invalid value is an absent one.
type rule func(p at, old, new reflect.Value) Class

// rules say what a change does, by pattern: the field's path with names of list
// elements as *, and + or - for an element that is added or removed. A pattern
// holds for everything below it that has none of its own.
//
// What makes a training is what a Job holds: data, settings of the network,
// training settings, hyperparameters, horizon, and a seed that derives from
// experiment seed, data set, approach, configuration index and fold. The rung
// is not part of it, so a training of more epochs begins as the shorter one
// did, and goes on from its checkpoint. Configuration i of a study is drawn
// from (study seed, i) and the space: more trials leave the first ones as they
// are, but any other change of the space or of how it is sampled draws others.
var rules = map[string]rule{
	"version": always(Incompatible),
	"name":    always(Cosmetic), // names the run directory, nothing else
	"seed":    always(Incompatible),

	"datasets":                    always(Cosmetic), // their order
	"datasets.+":                  always(LargerSpace),
	"datasets.*.source":           moved,
	"datasets.*.digest":           learnt,
	"datasets.*.fingerprint":      learnt,
	"datasets.*.description":      described,
	"datasets.*.description.name": always(Cosmetic), // the folder's own
	"datasets.*.published":        always(Cosmetic),

	// Baselines and incumbents are trained to max. What max, min and eta do to
	// trials stands at the studies' rungs.
	"fidelity.max": grows,
	"fidelity.min": always(Cosmetic),
	"fidelity.eta": always(Cosmetic),

	// Other batches, losses or weights, hence another training altogether: the
	// augmentation's generation, its factor, and whatever else stands there. A
	// checkpoint would go on in another precision, as it does where the machine
	// chooses one; but who names a precision compares trainings in that one alone.
	"training": always(Incompatible),

	"folds":       superset,
	"baselines":   always(Cosmetic), // their order
	"baselines.+": always(LargerSpace),

	"studies":                           always(Cosmetic), // their order
	"studies.+":                         always(LargerSpace),
	"studies.*.folds":                   superset,
	"studies.*.optimizer.trials":        grows,
	"studies.*.optimizer.prior":         always(LargerSpace),
	"studies.*.optimizer.default":       always(LargerSpace),
	"studies.*.optimizer.workers":       always(MoreBudget), // which trials come next, not what one is
	"studies.*.known":                   always(LargerSpace),
	"studies.*.optimizer.compat":        always(LargerSpace),
	"studies.*.optimizer.eta":           always(Incompatible),
	"studies.*.optimizer.min":           always(Incompatible),
	"studies.*.rungs.*.epochs":          grows,
	"studies.*.rungs.*.trials":          grows,
	"studies.*.rungs.+":                 always(MoreBudget),
	"studies.*.brackets.*":              longer,
	"studies.*.brackets.+":              always(MoreBudget),
	"studies.*.budget":                  always(Cosmetic), // what it buys stands at the rungs and brackets
	"studies.*.first":                   always(LargerSpace),
	"studies.*.space.parameters.*.low":  falls,
	"studies.*.space.parameters.*.high": rises,

	// The same points, drawn otherwise.
	"studies.*.space.parameters.*.log":     always(LargerSpace),
	"studies.*.space.parameters.*.default": always(LargerSpace),
	"studies.*.space.parameters.*.prior":   always(LargerSpace),
	"studies.*.space.parameters.*.choices": choices,
	// A grammar's confidence is its prior; its other variables may take derivations away.
	"studies.*.space.parameters.*.template.file":                 always(Cosmetic),
	"studies.*.space.parameters.*.template.variables.confidence": always(LargerSpace),

	"report": always(Cosmetic),

	"simulation": always(Incompatible),

	"limits":   always(Cosmetic), // a training that ends well ends the same under any
	"failures": always(Cosmetic),
	"requires": always(Cosmetic),
	"engine":   always(Cosmetic), // a training may go on where another engine left it
}

// ruleFor is the rule of a pattern, or of the nearest one above it.
func ruleFor(pattern string) rule {
	for {
		if r, ok := rules[pattern]; ok {
			return r
		}
		i := strings.LastIndexByte(pattern, '.')
		if i < 0 || isList(pattern[:i]) {
			return always(Incompatible)
		}
		pattern = pattern[:i]
	}
}

// isList says whether a pattern's rule is about the order of a list, not about
// what is below it.
func isList(pattern string) bool {
	return pattern == "datasets" || pattern == "baselines" || pattern == "studies"
}

func always(c Class) rule { return func(at, reflect.Value, reflect.Value) Class { return c } }

func when(ok bool, c Class) Class {
	if ok {
		return c
	}
	return Incompatible
}

// grows is a number of epochs or trials.
func grows(_ at, old, new reflect.Value) Class { return when(new.Int() > old.Int(), MoreBudget) }

// falls and rises are a parameter's bounds.
func falls(_ at, old, new reflect.Value) Class { return when(new.Float() < old.Float(), LargerSpace) }
func rises(_ at, old, new reflect.Value) Class { return when(new.Float() > old.Float(), LargerSpace) }

// superset is a list of folds.
func superset(_ at, old, new reflect.Value) Class {
	return when(includes[Fold](old, new), MoreBudget)
}

// choices is a list of choices, whose order matters to sampling alone.
func choices(_ at, old, new reflect.Value) Class {
	return when(includes[space.Value](old, new), LargerSpace)
}

func includes[T comparable](old, new reflect.Value) bool {
	if !old.IsValid() || !new.IsValid() {
		return false
	}
	a, b := old.Interface().([]T), new.Interface().([]T)
	return !slices.ContainsFunc(a, func(x T) bool { return !slices.Contains(b, x) })
}

// longer is a bracket that has more trials at each rung, or reaches more rungs.
// More configurations shift those of the brackets after it, so only the last
// may have them.
func longer(p at, old, new reflect.Value) Class {
	a, b := old.Interface().(Bracket), new.Interface().(Bracket)
	if a.Rung != b.Rung || len(a.Trials) == 0 || len(a.Trials) > len(b.Trials) || !p.last && a.Trials[0] != b.Trials[0] {
		return Incompatible
	}
	for k, n := range a.Trials {
		if b.Trials[k] < n {
			return Incompatible
		}
	}
	return MoreBudget
}

// sameData says whether both plans name the content of a data set's files, and
// name the same.
func sameData(p at) bool {
	return p.datasets[0].Digest != "" && p.datasets[0].Digest == p.datasets[1].Digest
}

// moved is where a data set comes from: only what is in it matters.
func moved(p at, _, _ reflect.Value) Class { return when(sameData(p), Cosmetic) }

// learnt is what a plan may say of data, or not know yet.
func learnt(_ at, old, new reflect.Value) Class {
	return when(!old.IsValid() || !new.IsValid(), Cosmetic)
}

// described is a data set's description, which is empty where the plan has not
// seen the data.
func described(p at, _, _ reflect.Value) Class {
	return when(p.datasets[0].Fingerprint == nil || p.datasets[1].Fingerprint == nil, Cosmetic)
}
