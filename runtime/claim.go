package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runspec/compiler/plan"
	"runspec/runtime/durable"
	"runspec/runtime/lease"
)

// ErrOtherPlan is a run directory that holds a run of another plan.
var ErrOtherPlan = errors.New("the run directory holds a run of another plan")

// OtherPlanError tells how the plan differs from the run directory's, and what
// may be done about it. It is an ErrOtherPlan.
type OtherPlanError struct {
	Dir     string
	Changes []plan.Change
	Remedy  string
}

func (e *OtherPlanError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s; %s (old → new):\n", ErrOtherPlan, e.Dir, plan.Summary(e.Changes))
	plan.WriteChanges(&b, e.Changes) // into memory
	return b.String() + e.Remedy
}

func (e *OtherPlanError) Unwrap() error { return ErrOtherPlan }

// planFile is the plan of a run directory.
const planFile = "plan.json"

// claim makes the run directory this plan's, and returns the plan that is run
// there: p, with what the directory's history adds to it. One in which nothing
// has begun is free. Where the directory has another plan, its trials must mean
// the same under p, and the options must allow what p adds; the old plan is kept
// as plan.N.json.
func claim(p *plan.Plan, o Options, free bool) (*plan.Plan, error) {
	path := filepath.Join(o.RunDir, planFile)
	old, err := plan.Read(path)
	switch {
	case free || errors.Is(err, os.ErrNotExist): // whatever plan.json is there led to nothing
		if err := plan.Write(path, p); err != nil {
			return nil, unwritable(err)
		}
		return p, durable.Write(filepath.Join(o.RunDir, ".gitignore"), []byte("*\n"))
	case errors.Is(err, plan.ErrVersion):
		return nil, fmt.Errorf("%w: %w; choose another directory with --run-dir, or start anew with --fresh, which moves this one aside", ErrOtherPlan, err)
	case err != nil:
		return nil, err
	}
	p = inherit(old, p)
	changes := plan.Diff(old, p)
	if len(changes) == 0 {
		return p, nil
	}
	if remedy := refuse(changes, o); remedy != "" {
		return nil, &OtherPlanError{Dir: relative(o.RunDir), Changes: changes, Remedy: remedy}
	}
	p = warm(old, p, changes)
	return p, replan(p, path, changes, o)
}

// inherit gives p's studies the first configuration of the directory's: a spec
// says nothing of it.
func inherit(old, p *plan.Plan) *plan.Plan {
	q := *p
	q.Studies = append([]plan.Study{}, p.Studies...)
	for i := range q.Studies {
		for _, was := range old.Studies {
			if was.Name == q.Studies[i].Name {
				q.Studies[i].First = was.First
				if q.Studies[i].Known == nil {
					q.Studies[i].Known = was.Known
				}
			}
		}
	}
	return &q
}

// refuse says what would allow the changes, or "" if they are allowed.
func refuse(changes []plan.Change, o Options) string {
	if plan.Has(changes, plan.Incompatible) {
		hint := ""
		for _, c := range changes {
			if c.Path == "training.precision" {
				hint += restore(c.Old)
			}
			if c.Path == "fidelity.horizon" && c.Kind == plan.Changed {
				hint += fmt.Sprintf("The learning-rate schedule runs over fidelity.horizon epochs, which is fidelity.max unless the spec says otherwise; with `fidelity: horizon: %s` longer trainings go on.\n", c.Old)
			}
		}
		return hint + "The trials that are there would mean something else: choose another directory with --run-dir, or start anew with --fresh, which moves this one aside."
	}
	var flags []string
	if plan.Has(changes, plan.MoreBudget) && !o.ExtendBudget {
		flags = append(flags, "--extend-budget")
	}
	if plan.Has(changes, plan.LargerSpace) && !o.WarmStart {
		flags = append(flags, "--warm-start")
	}
	if len(flags) == 0 {
		return ""
	}
	return fmt.Sprintf("All trials that are there keep their meaning. To go on with them, add %s; to start anew, --fresh, which moves this directory aside, or choose another with --run-dir.", strings.Join(flags, " "))
}

// restore says how to go on with trainings in the precision that they were begun
// in: checkpoints would follow into another, but a spec that names one compares
// trainings in that one alone.
func restore(precision json.RawMessage) string {
	was := "without training.precision in the spec"
	if text := string(precision); text != "" && text != `""` {
		was = fmt.Sprintf("with `training: precision: %s`", text)
	}
	return fmt.Sprintf("Trainings in a precision that the spec names are compared with none in another; %s, as it was, these go on.\n", was)
}

// warm sets the first configuration of each study whose space or sampling has
// changed past those that were drawn before: configurations of the changed
// space get numbers, and so trials and folders, of their own, and the old
// trials stay as observations.
func warm(old, p *plan.Plan, changes []plan.Change) *plan.Plan {
	q := inherit(old, p)
	for i, s := range q.Studies {
		for _, was := range old.Studies {
			if was.Name == s.Name && redrawn(s.Name, changes) {
				q.Studies[i].First = was.First + was.Optimizer.Trials
			}
		}
	}
	return q
}

// redrawn says whether a study draws other configurations than before.
func redrawn(study string, changes []plan.Change) bool {
	return slices.ContainsFunc(changes, func(c plan.Change) bool {
		return c.Class == plan.LargerSpace && strings.HasPrefix(c.Path, "studies."+study+".")
	})
}

// replan puts p in the place of the directory's plan, which is kept beside it.
func replan(p *plan.Plan, path string, changes []plan.Change, o Options) error {
	kept, err := keep(path)
	if err != nil {
		return unwritable(err)
	}
	if err := plan.Write(path, p); err != nil {
		return unwritable(err)
	}
	var b strings.Builder
	plan.WriteChanges(&b, changes) // into memory
	o.Progress.Note("the plan has changed (%s); the run goes on, the old plan is kept as %s:\n%s", plan.Summary(changes), filepath.Base(kept), strings.TrimRight(b.String(), "\n"))
	return nil
}

// keep gives a file a second name with the first number that is free.
func keep(path string) (string, error) {
	stem, ext := strings.TrimSuffix(path, filepath.Ext(path)), filepath.Ext(path)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s.%d%s", stem, n, ext)
		if _, err := os.Lstat(name); errors.Is(err, os.ErrNotExist) {
			return name, durable.Write(name, text)
		} else if err != nil {
			return "", err
		}
	}
}

// setAside renames a run directory, unless nothing was begun in it or somebody
// is at work there. Nothing is ever deleted.
func setAside(o Options) error {
	if _, err := os.Lstat(filepath.Join(o.RunDir, planFile)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if _, _, err := lease.Unlock(o.RunDir, false); err != nil { // somebody is at work there
		return err
	}
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s.old-%d", o.RunDir, n)
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		if err := os.Rename(o.RunDir, name); err != nil {
			return fmt.Errorf("set the run directory aside: %w", err)
		}
		o.Progress.Note("the run that was in %s is now in %s", relative(o.RunDir), relative(name))
		return nil
	}
}
