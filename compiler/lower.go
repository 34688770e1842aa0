package compiler

import (
	"fmt"
	"slices"

	"runspec/compiler/diag"
	"runspec/compiler/nnunet"
	"runspec/compiler/plan"
)

// lowering gathers what lower finds wrong on its way.
type lowering struct {
	sources Sources
	found   diag.Diagnostics
	partial bool // a baseline is left out, since check objects to it
}

// lower reads a checked experiment into a plan, and checks what a schema can't
// say. Where check has found mistakes the plan is incomplete, but lower's own
// findings hold.
func lower(s *source, sources Sources) (*plan.Plan, diag.Diagnostics) {
	l := &lowering{sources: sources}
	root := s.root()
	p := &plan.Plan{Version: plan.Version}
	p.Name, _ = root.field("name").text()
	seed, _ := root.field("seed").int()
	p.Seed = uint64(seed)
	if p.Simulation = l.simulation(root); p.Simulation != nil {
		l.sources = Sources{} // nobody reads the data
	}
	p.Engine = l.engine(root)
	p.Datasets = l.datasets(root.field("datasets"))
	p.Training = training(root.field("training"))
	p.Fidelity = l.fidelity(root.field("fidelity"))
	p.Folds = l.folds(root.field("folds"))
	cost, _ := root.field("cost").text()
	p.Cost = plan.Cost(cost)
	p.Baselines = l.baselines(root.field("baselines"))
	p.Studies = l.studies(root, p)
	p.Report = l.report(root.field("report"), p.Baselines)
	l.configurations(root.field("datasets"), p)
	p.Limits = l.limits(root.field("limits"))
	p.Failures = l.failures(root.field("failures").or("failures"))
	p.Requires = requires(root.field("requires"))
	return p, l.found
}

// add adds a diagnostic about n's value.
func (l *lowering) add(n node, code diag.Code, summary, detail string, args ...any) {
	l.found = append(l.found, n.s.diagnostic(n.at(), code, summary, fmt.Sprintf(detail, args...)))
}

// engine reads what trains. The processor computes in one precision only.
func (l *lowering) engine(root node) plan.Engine {
	name, _ := root.field("engine").text()
	e, n := plan.Engine(name), root.field("training").field("precision")
	if p, ok := n.text(); ok && p != "fp32" && e == plan.CPU {
		l.add(n, diag.PrecisionWithoutDevice, "Precision without a device",
			"engine is \"cpu\", which computes in fp32; training.precision is %q. Drop the precision, or let engine be \"auto\" or \"xla\".", p)
	}
	return e
}

func training(n node) plan.Training {
	var t plan.Training
	t.Iterations, _ = n.field("iterations").int()
	t.ValidationIterations, _ = n.field("validationIterations").int()
	t.Batch, _ = n.field("batch").int()
	t.BaseFeatures, _ = n.field("baseFeatures").int()
	t.MaxFeatures, _ = n.field("maxFeatures").int()
	t.ValidateWith, _ = n.field("validateWith").text()
	t.Mirroring, _ = n.field("mirroring").truth()
	t.Augmentation, _ = n.field("augmentation").text()
	t.Precision, _ = n.field("precision").text()
	h := n.field("hyperparameters")
	t.Hyperparameters.Optimizer, _ = h.field("optimizer").text()
	t.Hyperparameters.Momentum, _ = h.field("momentum").number()
	t.Hyperparameters.InitialLR, _ = h.field("initial_lr").number()
	t.Hyperparameters.LRScheduler, _ = h.field("lr_scheduler").text()
	t.Hyperparameters.WeightDecay, _ = h.field("weight_decay").number()
	t.Hyperparameters.Oversample, _ = h.field("oversample_foreground_percent").number()
	t.Hyperparameters.LossFunction, _ = h.field("loss_function").text()
	t.Hyperparameters.AugFactor, _ = h.field("aug_factor").number()
	t.Hyperparameters.Clip, _ = h.field("clip").number()
	return t
}

func (l *lowering) fidelity(n node) plan.Fidelity {
	var f plan.Fidelity
	low, high := n.field("min"), n.field("max")
	var okMin, okMax, given bool
	f.Unit, _ = n.field("unit").text()
	f.Min, okMin = low.int()
	f.Max, okMax = high.int()
	f.Eta, _ = n.field("eta").int()
	if f.Horizon, given = n.field("horizon").int(); !given {
		f.Horizon = f.Max
	}
	if okMin && okMax && f.Min > f.Max {
		at := low
		if !low.set() {
			at = high
		}
		l.add(at, diag.MinAboveMax, "Minimum above maximum",
			"fidelity.min is %d, fidelity.max is %d. Raise max or lower min.", f.Min, f.Max)
	}
	if given && okMax && f.Horizon < f.Max {
		l.add(n.field("horizon"), diag.MinAboveMax, "Horizon below maximum",
			"The learning rate reaches 0 at fidelity.horizon, %d epochs, and a training may last fidelity.max, %d. Raise horizon or drop it.", f.Horizon, f.Max)
	}
	return f
}

// folds reads a list of folds, sorted, or "all".
func (l *lowering) folds(n node) []plan.Fold {
	if _, ok := n.text(); ok { // the language knows only one
		return []plan.Fold{plan.All}
	}
	var folds []plan.Fold
	for _, e := range n.list() {
		i, ok := e.int()
		if !ok {
			continue
		}
		f := plan.Fold(i)
		if slices.Contains(folds, f) {
			l.add(e, diag.Duplicate, "Repeated fold", "Fold %d is in the list already. Remove it.", f)
			continue
		}
		folds = append(folds, f)
	}
	slices.Sort(folds)
	return folds
}

func (l *lowering) baselines(n node) []plan.Baseline {
	var bs []plan.Baseline
	for _, e := range n.list() {
		name, ok := e.field("name").text()
		planner, known := e.field("planner").text()
		if !ok || !known {
			l.partial = true
			continue
		}
		if slices.ContainsFunc(bs, func(b plan.Baseline) bool { return b.Name == name }) {
			l.add(e, diag.Duplicate, "Repeated baseline", "A baseline named %q is in the list already. Rename or remove one.", name)
			continue
		}
		bs = append(bs, plan.Baseline{Name: name, Planner: nnunet.Planner(planner)})
	}
	return bs
}

func (l *lowering) report(n node, bs []plan.Baseline) plan.Report {
	var r plan.Report
	r.Published, _ = n.field("published").truth()
	against := n.field("against")
	var given bool
	if r.Against, given = against.text(); !given {
		if len(bs) > 0 && !against.set() {
			r.Against = bs[0].Name
		}
		return r
	}
	names := make([]string, len(bs))
	for i, b := range bs {
		names[i] = b.Name
	}
	if !l.partial && !slices.Contains(names, r.Against) {
		l.add(against, diag.UnknownBaseline, "Unknown baseline",
			"No baseline of the experiment is named %q. %s", r.Against, remedy(r.Against, names, "The experiment has "))
	}
	return r
}
